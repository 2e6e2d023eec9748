/** Escalation policies of a small team, and the server's answers about them. */
import type { Method } from "../src/backend/backend";
import type { DryRun, PlannedStep, Policy, PolicySettings, Timeline, TimelineWarning, Topic } from "../src/protocol";

export class DemoPolicies {
  #policies: Policy[];

  constructor(
    lang: "en" | "zh-CN",
    private readonly topics: Topic[],
  ) {
    const pick = (english: string, chinese: string) => (lang === "zh-CN" ? chinese : english);
    this.#policies = [
      {
        name: "on-call",
        display_name: pick("On call", "值班"),
        steps: [
          { after_s: 120, unless: "acknowledged_by_any", notify: { who: "missing" }, via: ["desktop", "wecom"] },
          { after_s: 300, unless: "acknowledged_by_any", notify: { who: "next", people: ["bo", "chen", "dora"] }, via: ["wecom"], repeat: 2, every_s: 300 },
          { after_s: 1800, unless: "acknowledged_by_any", notify: { who: "missing" }, via: ["ops-group"] },
        ],
        quiet: { from: "22:00", to: "07:00", zone: "Asia/Shanghai" },
        topics: [],
        created_at: Date.now() - 9 * 86_400_000,
      },
      { name: "gentle", display_name: pick("Once more in the morning", "次日提醒"), steps: [{ after_s: 12 * 3600, unless: "read_by_all", notify: { who: "missing" }, via: ["desktop"] }], topics: [], created_at: Date.now() },
    ];
  }

  answer(method: Method, parts: string[], body: unknown): unknown {
    const name = parts[2];
    if (name === undefined) return this.#policies.map((policy) => this.#attached(policy));
    if (name === "dry-run") return this.#run(body as DryRun);
    if (method === "PUT") return this.#put(name, body as PolicySettings);
    this.#policies = this.#policies.filter((each) => each.name !== name);
    for (const topic of this.topics) if (topic.policy === name) delete topic.policy;
    return undefined;
  }

  #attached(policy: Policy): Policy {
    return structuredClone({ ...policy, topics: this.topics.filter((topic) => topic.policy === policy.name).map((topic) => topic.name) });
  }

  #put(name: string, { display_name, steps, quiet }: PolicySettings): Policy {
    const before = this.#policies.find((each) => each.name === name);
    const policy: Policy = { name, display_name: display_name ?? name, steps, quiet, topics: [], created_at: before?.created_at ?? Date.now() };
    this.#policies = [...this.#policies.filter((each) => each !== before), policy];
    return this.#attached(policy);
  }

  #run({ policy, topic, at = Date.now() }: DryRun): Timeline {
    const everybody = ["ann", "bo", "chen", "dora"];
    const warnings: TimelineWarning[] = [];
    const steps = policy.steps.flatMap((step, index) =>
      Array.from({ length: (step.repeat ?? 0) + 1 }, (_, repeat): PlannedStep => {
        const { notify } = step;
        const people = notify.who === "missing" ? (topic === undefined ? [] : everybody) : [notify.people[repeat % notify.people.length] ?? ""];
        if (people.length === 0 && repeat === 0) warnings.push({ kind: "nobody", step: index + 1 });
        return { step: index + 1, repeat, at: at + (step.after_s + repeat * (step.every_s ?? 0)) * 1000, put_off: policy.quiet !== undefined && step.after_s >= 1800, unless: step.unless, people, via: step.via };
      }),
    );
    if (policy.steps.some(({ via }) => via.includes("wecom"))) warnings.push({ kind: "no_address", user: "dora", channel: "wecom" });
    if (policy.steps.some(({ via }) => via.includes("wechat"))) warnings.push({ kind: "channel_off", channel: "wechat" });
    return { steps: steps.sort((a, b) => a.at - b.at), warnings };
  }
}
