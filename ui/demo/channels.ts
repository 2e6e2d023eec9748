/** Channels, rules and deliveries of a small team, and the server's answers about them. */
import { Failure, type Method } from "../src/backend/backend";
import type { DeliveryRow } from "../src/backend/channels";
import type { Attempt, Binding, Candidate, ChannelKind, ChannelSettings, ChannelTest, ChannelView, DeliveryDetail, Failing, Resend, Route, SecretPart, TemplateInfo, TestOrder } from "../src/protocol";

const MINUTE = 60_000;

export interface ChannelOptions {
  /** What is there: all kinds in various states, or nothing yet. */
  channels?: "some" | "none";
  /** The server has a public address. */
  reachable?: boolean;
  /** Whether somebody scans the code that is shown; at once unless nobody does. */
  scan?: "never";
}

const PARTS: Record<ChannelKind, [string, boolean][]> = {
  wechat: [["secret", true], ["callback_token", false], ["callback_key", false], ["proxy_password", false]],
  wecom: [["secret", true], ["callback_token", false], ["callback_key", false], ["proxy_password", false]],
  "wecom-robot": [["key", true], ["proxy_password", false]],
  webhook: [["key", true], ["proxy_password", false]],
};

export class DemoChannels {
  #channels: ChannelView[] = [];
  #bindings: Binding[] = [];
  #routes: Route[] = [];
  #deliveries: DeliveryRow[] = [];
  /** What the next test says. */
  next: ChannelTest | undefined;
  readonly #zh: boolean;

  constructor(
    lang: "en" | "zh-CN",
    private readonly options: ChannelOptions,
  ) {
    this.#zh = lang === "zh-CN";
    if (options.channels !== "none") this.#fill();
  }

  answer(method: Method, parts: string[], query: URLSearchParams, body: unknown): unknown {
    if (parts[1] === "routes") return this.#route(method, query, body as Route);
    if (parts[1] === "deliveries") return this.#delivery(method, parts[2], query, body as Resend);
    const [, , name, what, one, two] = parts;
    if (name === undefined) return this.#channels.map(copy);
    if (what === undefined) return this.#channel(method, name, body as ChannelSettings);
    const channel = this.#find(name);
    switch (what) {
      case "secrets":
        return this.#secret(channel, method === "PUT", one ?? "");
      case "test":
        return this.#test(body as Partial<TestOrder>);
      case "reopen":
        delete channel.failing;
        channel.health = { channel: name, flow: "probing", queued: channel.health.queued, failed: channel.health.failed, unknown: channel.health.unknown };
        return undefined;
      case "candidates":
        return this.#candidates(channel);
      case "templates":
        return templates;
      case "quota":
        return { daily_limit: 100_000, used: 412, remain: 99_588 };
      case "qr":
        if (this.options.scan !== "never") this.#bind(name, (body as { user: string }).user, "oScanned0000000000000000000");
        return { url: "http://weixin.qq.com/q/02xUeZ4nQ9fH110000g07T", image_url: "https://mp.weixin.qq.com/cgi-bin/showqrcode?ticket=demo", expires_at: Date.now() + 10 * MINUTE };
      case "bindings":
        if (two === "code") {
          this.#proofs.set(one ?? "", (body as { address: string }).address);
          return { message: this.next?.message ?? { result: "passed" }, expires_at: Date.now() + 10 * MINUTE };
        }
        if (two === "confirm") return this.#confirm(name, one ?? "", (body as { code: string }).code);
        if (method === "PUT") return this.#bind(name, one ?? "", (body as { address: string }).address);
        if (method === "DELETE") this.#bindings = this.#bindings.filter((each) => each.channel !== name || each.user !== one);
        return this.#bindings.filter((each) => each.channel === name).map(copy);
      default:
        throw new Failure("not_found", "no such route", 404);
    }
  }

  #find(name: string) {
    const channel = this.#channels.find((each) => each.name === name);
    if (!channel) throw new Failure("not_found", "no such channel", 404);
    return channel;
  }

  #channel(method: Method, name: string, settings: ChannelSettings): unknown {
    if (method === "DELETE") {
      this.#channels = this.#channels.filter((each) => each.name !== name);
      return undefined;
    }
    if (method === "GET") return copy(this.#find(name));
    const before = this.#channels.find((each) => each.name === name);
    const after = this.#view(name, settings, before);
    this.#channels = [...this.#channels.filter((each) => each !== before), after];
    return copy(after);
  }

  #view(name: string, settings: ChannelSettings, before?: ChannelView): ChannelView {
    const kind = settings.kind as keyof typeof PARTS;
    const secrets: SecretPart[] = before?.secrets ?? PARTS[kind].map(([part, required]) => ({ part, required, is_set: false }));
    const view: ChannelView = {
      name,
      kind,
      display_name: settings.display_name ?? name,
      enabled: settings.enabled ?? true,
      config: settings.config,
      created_at: before?.created_at ?? Date.now(),
      health: before?.health ?? { channel: name, flow: "open", queued: 0, failed: 0, unknown: 0 },
      secrets,
      standing: { state: "ready" },
      is_platform: settings.config["base_url"] === undefined,
      ...(this.options.reachable && kind !== "wecom-robot" && kind !== "webhook" ? { callback_url: `https://push.example/v1/hooks/${kind}/${name}` } : {}),
      callback_ready: false,
    };
    settle(view);
    return view;
  }

  #secret(channel: ChannelView, is_set: boolean, part: string): undefined {
    const secret = channel.secrets.find((each) => each.part === part);
    if (!secret) throw new Failure("invalid_field", `no secret ${part}`, 422);
    secret.is_set = is_set;
    settle(channel);
  }

  #test(whom: Partial<TestOrder>): ChannelTest {
    if (this.next) return this.next;
    const sends = whom.user !== undefined || whom.address !== undefined || whom.group === true;
    return { token: whom.group ? { result: "skipped" } : { result: "passed" }, message: sends ? { result: "passed" } : { result: "skipped" } };
  }

  #candidates(channel: ChannelView): Candidate[] {
    const found: [string, string][] = channel.kind === "wecom" ? [["ann.keller", "Ann Keller"], ["linbo", "林博"], ["ChenWei", "陈伟"]] : [["oDemoAnn00000000000000000001", "Ann"], ["oDemoNobody0000000000000002", ""]];
    return found.map(([address, name]) => {
      const bound = this.#bindings.find((each) => each.channel === channel.name && each.address === address);
      return { address, name, ...(bound ? { bound_to: bound.user } : {}) };
    });
  }

  #bind(channel: string, user: string, address: string): Binding {
    const binding: Binding = { channel, user, address, bound_at: Date.now() };
    this.#bindings = [...this.#bindings.filter((each) => each.channel !== channel || each.user !== user), binding];
    return binding;
  }

  /** Codes that were sent; 123456 is always the right one. */
  readonly #proofs = new Map<string, string>();

  #confirm(channel: string, user: string, code: string): Binding {
    const address = this.#proofs.get(user);
    if (address === undefined) throw new Failure("gone", "no code is waited for", 410);
    if (code !== "123456") throw new Failure("invalid_field", "that is not the code that was sent", 422);
    this.#proofs.delete(user);
    return this.#bind(channel, user, address);
  }

  #route(method: Method, query: URLSearchParams, rule: Route): unknown {
    if (method === "GET") return this.#routes.map(copy);
    const at = method === "PUT" ? rule : { channel: query.get("channel"), topic: query.get("topic") ?? undefined, user: query.get("user") ?? undefined };
    this.#routes = this.#routes.filter((each) => each.channel !== at.channel || each.topic !== at.topic || each.user !== at.user);
    if (method === "PUT") this.#routes.push(rule);
    return undefined;
  }

  #delivery(method: Method, id: string | undefined, query: URLSearchParams, resend: Resend): unknown {
    if (method === "POST") return { queued: this.#resend(resend) };
    if (id !== undefined) return this.#detail(Number(id));
    const states = query.get("state")?.split(",");
    const channel = query.get("channel");
    const found = this.#deliveries.filter((each) => (!states || states.includes(each.state)) && (!channel || each.channel === channel) && (!query.has("topic") || each.topic === query.get("topic")) && (!query.has("user") || each.user === query.get("user")) && (!query.has("since") || each.since >= Number(query.get("since"))));
    return { items: found.map(({ failing: _, ...each }) => each), failings: Object.fromEntries(found.flatMap(({ id, failing }) => (failing ? [[id, failing]] : []))) };
  }

  #resend(what: Resend): number {
    const wanted = this.#deliveries.filter((each) => (what.what === "one" ? each.id === what.id && each.round === what.round : (each.state === "failed" || (what.unknown && each.state === "unknown")) && (what.channel === undefined || each.channel === what.channel)));
    for (const each of wanted) {
      const health = this.#find(each.channel).health;
      health[each.state === "unknown" ? "unknown" : "failed"] -= 1;
      health.queued += 1;
      each.state = "queued";
      each.round += 1;
      for (const gone of ["code", "reason", "failing"] as const) delete each[gone];
    }
    return wanted.length;
  }

  #detail(id: number): DeliveryDetail {
    const delivery = this.#deliveries.find((each) => each.id === id);
    if (!delivery) throw new Failure("not_found", "no such delivery", 404);
    const attempt = (minutes: number): Attempt => ({ address: delivery.user ? "linbo" : "", started_at: delivery.since - minutes * MINUTE, ended_at: delivery.since - minutes * MINUTE + 400, result: "refused", code: delivery.code, reason: delivery.reason });
    return { delivery, attempts: Array.from({ length: delivery.attempts }, (_, index) => attempt(delivery.attempts - 1 - index)), carries: [] };
  }

  #fill(): void {
    const now = Date.now();
    const pick = (english: string, chinese: string) => (this.#zh ? chinese : english);
    const make = (name: string, kind: keyof typeof PARTS, display_name: string, config: Record<string, unknown>, set: string[], health: Partial<ChannelView["health"]>) => {
      const view = this.#view(name, { kind, display_name, enabled: true, config });
      for (const secret of view.secrets) secret.is_set = set.includes(secret.part);
      view.health = { ...view.health, ...health };
      settle(view);
      this.#channels.push(view);
    };
    make("wecom", "wecom", pick("Harbour WeCom", "海港企业微信"), { corp_id: "wwd3a9c0e1f2b4", agent_id: 1000002, ...(this.options.reachable ? { callback: true } : {}) }, this.options.reachable ? ["secret", "callback_token", "callback_key"] : ["secret"], { failed: 2, unknown: 1 });
    make("wechat", "wechat", pick("Harbour service account", "海港服务号"), { app_id: "wx5823bf96d3bd56c7", template_id: "ngqIpbwh8bUfcSsECmogfXcV14J0tQlEpBO27izEYtY", fields: { thing1: "title", time2: "time" } }, ["secret"], {
      flow: "parked",
      until: now + 9 * MINUTE,
      code: "40164",
      reason: "invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist rid: 66f0-1a2b",
      queued: 3,
    });
    this.#find("wechat").failing = failing("40164", "invalid ip 203.0.113.7", "trust_ip", { ip: "203.0.113.7" });
    make("ops-group", "wecom-robot", pick("Ops group", "运维群"), { style: "markdown" }, ["key"], {});
    make("reports", "webhook", pick("Ticket system", "工单系统"), { url: "https://tickets.example/hooks/tocsin" }, ["key"], {});
    this.#bindings = [
      { channel: "wecom", user: "ann", address: "ann.keller", bound_at: now - 40 * 24 * 60 * MINUTE },
      { channel: "wecom", user: "bo", address: "linbo", bound_at: now - 12 * MINUTE, broken: "60111 userid not found" },
      { channel: "wechat", user: "ann", address: "oDemoAnn00000000000000000001", bound_at: now - 300 * MINUTE },
    ];
    this.#routes = [
      { channel: "wecom", from_priority: 4 },
      { channel: "ops-group", topic: "ops", from_priority: 3 },
      { channel: "wecom", topic: "ci" },
      { channel: "wechat", user: "ann", from_priority: 5 },
      { channel: "wecom", topic: "ops", user: "bo", from_priority: 2 },
    ];
    const delivery = (id: number, minutes: number, more: Partial<DeliveryRow>): DeliveryRow => ({ id, message: "Demo00000120", title: pick("Disk almost full on db-1", "db-1 磁盘即将写满"), topic: "ops", channel: "wecom", state: "accepted", since: now - minutes * MINUTE, attempts: 1, round: 0, created_at: now - minutes * MINUTE, ...more });
    this.#deliveries = [
      delivery(9, 1, { user: "ann" }),
      delivery(8, 1, { user: "bo", state: "failed", code: "60111", reason: "userid not found, hint: [1757_33_ab]", failing: failing("60111", "userid not found", "bind") }),
      delivery(7, 2, { channel: "ops-group", state: "accepted" }),
      delivery(6, 3, { channel: "wechat", user: "ann", state: "queued", due_at: now + 9 * MINUTE, gives_up_at: now + 23 * 60 * MINUTE, attempts: 2 }),
      delivery(5, 9, { user: "dora", title: pick("Payments API: error rate 4.2 %", "支付接口错误率 4.2%"), state: "unknown", code: "unknown", reason: "no answer within 15 s" }),
      delivery(4, 75, { user: "chen", title: pick("Backup finished late", "备份完成时间偏晚"), state: "failed", code: "given_up", attempts: 4 }),
    ];
  }
}

function settle(channel: ChannelView): void {
  const missing = channel.secrets.find(({ required, is_set }) => required && !is_set);
  channel.standing = !channel.enabled ? { state: "disabled" } : missing ? { state: "secret_missing", part: missing.part } : { state: "ready" };
  channel.callback_ready = channel.config["callback"] === true && channel.secrets.every(({ part, is_set }) => !part.startsWith("callback_") || is_set);
}

function failing(code: string, message: string, remedy: string, params: Record<string, string> = {}): Failing {
  return { class: "config", code, message, remedy, params };
}

function copy<T>(value: T): T {
  return structuredClone(value);
}

const templates: TemplateInfo[] = [
  {
    template_id: "ngqIpbwh8bUfcSsECmogfXcV14J0tQlEpBO27izEYtY",
    title: "设备告警通知",
    content: "告警内容：{{thing1.DATA}}\n告警时间：{{time2.DATA}}\n告警级别：{{phrase3.DATA}}",
    example: "告警内容：磁盘已满\n告警时间：2026-01-02 09:06\n告警级别：紧急",
    fields: [
      { name: "thing1", kind: "thing" },
      { name: "time2", kind: "time" },
      { name: "phrase3", kind: "phrase" },
    ],
  },
  { template_id: "Kx8w2o0yU1vT4sR7qP9nM3lJ6hG5fD2aZ0cV1bN4mL7", title: "任务提醒", content: "{{thing2.DATA}}", example: "", fields: [{ name: "thing2", kind: "thing" }] },
];
