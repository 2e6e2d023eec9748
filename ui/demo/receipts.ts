/** Who has the messages of a small team, and the server's answers about it. */
import { Failure } from "../src/backend/backend";
import type { Cancelled, Counts, DeliveryState, Escalation, MessageView, PersonReceipt, Receipt, ReceiptSummary, ResendMessage, ResentMessage, State, User, Way } from "../src/protocol";

const MINUTE = 60_000;
const PAGE = 200;

export interface ReceiptOptions {
  /** A message to four people, or to so many that they come in pages. */
  people?: "few" | "many";
}

interface Told {
  message: MessageView;
  people: PersonReceipt[];
  groups: Way[];
  escalation?: Escalation;
}

export class DemoReceipts {
  readonly told: Told[] = [];
  readonly #zh: boolean;
  #ways = 0;

  constructor(
    lang: "en" | "zh-CN",
    private readonly data: { messages: MessageView[]; users: User[] },
    options: ReceiptOptions,
  ) {
    this.#zh = lang === "zh-CN";
    this.#fill(options.people === "many");
  }

  answer(parts: string[], query: URLSearchParams, body: unknown): unknown {
    if (parts[1] === "receipts") return this.#list(query);
    const told = this.told.find(({ message }) => message.id === parts[2]);
    if (!told) throw new Failure("not_found", "no such message", 404);
    switch (parts[3]) {
      case "receipt":
        return this.#receipt(told, query);
      case "resend":
        return this.#resend(told, body as ResendMessage);
      default:
        return this.#cancel(told);
    }
  }

  #receipt({ message, people, groups, escalation }: Told, query: URLSearchParams): Receipt {
    const after = query.get("after") ?? "";
    const rest = people.filter(({ user }) => user > after).sort((a, b) => (a.user < b.user ? -1 : 1));
    const page = rest.slice(0, Number(query.get("limit") ?? PAGE));
    const names = (states: State[]) => people.filter(({ state }) => states.includes(state)).map(({ user }) => user).slice(0, 100);
    return structuredClone({
      id: message.id,
      seq: 120,
      topic: message.topic,
      title: message.title ?? "",
      created_at: message.created_at,
      expires_at: message.expires_at,
      superseded_by: message.superseded_by,
      whole: true,
      counts: counted(people),
      missing: names(["missing"]),
      unread: names(["missing", "sent", "received"]),
      unacknowledged: names(["missing", "sent", "received", "read"]),
      people: page,
      ...(page.length < rest.length ? { next: page.at(-1)?.user } : {}),
      escalation,
      groups,
      as_of: "k3v9x0ab-121",
      as_of_ms: Date.now(),
    });
  }

  #list(query: URLSearchParams): { items: ReceiptSummary[] } {
    const filter = query.get("filter");
    const items = this.told.map((each) => this.#summary(each)).filter(
      (row) =>
        (filter === "all" ||
          (filter === "undelivered" && row.counts.missing > 0) ||
          (filter === "unacknowledged" && row.priority >= 4 && row.counts.unacknowledged > 0) ||
          (filter === "failed" && row.failed > 0) ||
          (filter === "unknown" && row.unknown > 0) ||
          (filter === "expired" && row.expires_at !== undefined && row.expires_at < Date.now())) &&
        (!query.has("topic") || row.topic === query.get("topic")) &&
        (!query.has("user") || row.missing.includes(query.get("user") ?? "")) &&
        (!query.has("since") || row.created_at >= Number(query.get("since"))),
    );
    return { items };
  }

  #summary({ message, people, groups, escalation }: Told): ReceiptSummary {
    const ways = [...groups, ...people.flatMap(({ ways }) => ways ?? [])];
    return {
      id: message.id,
      seq: Number(message.cursor.split("-")[1]),
      topic: message.topic,
      sender: message.sender,
      title: message.title ?? "",
      priority: message.priority,
      created_at: message.created_at,
      expires_at: message.expires_at,
      superseded_by: message.superseded_by,
      counts: counted(people),
      missing: people.filter(({ state }) => state === "missing").map(({ user }) => user),
      failed: ways.filter(({ state }) => state === "failed").length,
      unknown: ways.filter(({ state }) => state === "unknown").length,
      escalation: escalation?.state,
    };
  }

  #resend({ people }: Told, { people: wanted, via, until }: ResendMessage): ResentMessage {
    const result: ResentMessage = { reminded: 0, queued: 0, already: 0, unreachable: [] };
    for (const person of people.filter(({ user, state }) => (wanted ? wanted.includes(user) : state === "missing"))) {
      if ((person.reminded_at ?? 0) > until) {
        result.already += 1;
        continue;
      }
      for (const name of via) {
        if (name === "desktop") result.reminded += 1;
        else if (name === "wechat" && person.user !== "ann") result.unreachable.push(person.user);
        else result.queued += 1;
      }
      person.reminded_at = Date.now();
    }
    return result;
  }

  #cancel({ escalation }: Told): Cancelled {
    const running = escalation?.state === "running";
    if (escalation && running) Object.assign(escalation, { state: "cancelled", ended_at: Date.now(), by: "ann", next: undefined });
    return { escalation: running, deliveries: running ? 1 : 0 };
  }

  #fill(many: boolean): void {
    const now = Date.now();
    const pick = (english: string, chinese: string) => (this.#zh ? chinese : english);
    const [ann, bo, chen, dora] = this.data.users as [User, User, User, User];
    const person = (user: User, more: Partial<PersonReceipt>): PersonReceipt => ({ user: user.name, display_name: user.display_name, state: "missing", ...more });
    const way = (channel: string, display_name: string, state: DeliveryState, more: Partial<Way> = {}): Way => ({ channel, display_name, state, since: now - MINUTE, attempts: 1, delivery: ++this.#ways, round: 0, ...more });
    const wecom = (state: DeliveryState, more: Partial<Way> = {}) => way("wecom", pick("Harbour WeCom", "海港企业微信"), state, more);
    const laptop = { device: "chen-laptop", online: false, last_seen_at: now - 95 * MINUTE };
    const crowd = Array.from({ length: 236 }, (_, index): PersonReceipt => {
      const user = `p${String(index).padStart(3, "0")}`;
      const name = pick(`Person ${index}`, `员工 ${index}`);
      return index % 40 === 7 ? { user, display_name: name, state: "missing", why: "offline", devices: [{ device: "desk", online: false, last_seen_at: now - index * MINUTE }] } : { user, display_name: name, state: "received", received_at: now - 30_000, device: "desk", shown: "shown" };
    });
    const messages = this.data.messages;
    const tell = (index: number, told: Omit<Told, "message" | "groups"> & { groups?: Way[] }) => {
      const message = messages[index];
      if (message) this.told.push({ groups: [], ...told, message });
    };
    tell(0, {
      people: [
        person(ann, { state: "read", received_at: now - 50_000, read_at: now - 20_000, device: "browser-k2x9", shown: "shown", devices: [{ device: "browser-k2x9", online: true, last_seen_at: now }], ways: [way("wechat", pick("Harbour service account", "海港服务号"), "queued", { attempts: 2, due_at: now + 4 * MINUTE, gives_up_at: now + 23 * 60 * MINUTE })] }),
        person(bo, { state: "received", received_at: now - 35_000, device: "bo-laptop", shown: "suppressed", reminded_at: now - 15_000, devices: [{ device: "bo-laptop", online: true, last_seen_at: now }], ways: [wecom("accepted")] }),
        person(chen, { why: "delivery_failed", devices: [laptop], ways: [wecom("failed", { code: "60111", reason: "userid not found" })] }),
        person(dora, { state: "acknowledged", received_at: now - 55_000, acknowledged_at: now - 30_000, device: "desk-7", shown: "shown", devices: [{ device: "desk-7", online: true, last_seen_at: now }] }),
        ...(many ? crowd : []),
      ],
      groups: [way("ops-group", pick("Ops group", "运维群"), "accepted", { kind: "wecom-robot" })],
      escalation: {
        policy: "on-call",
        state: "running",
        next: { step: 2, repeat: 0, at: now + 4 * MINUTE, left: 2 },
        steps: [{ step: 1, repeat: 0, due_at: now - 20_000, at: now - 15_000, outcome: "notified", people: ["bo", "chen"], told: 2, via: ["desktop", "wecom"] }],
      },
    });
    tell(1, { people: [person(ann, { state: "received", received_at: now - 8 * MINUTE, device: "browser-k2x9" }), person(bo, { why: "offline", devices: [{ device: "bo-laptop", online: false, last_seen_at: now - 12 * MINUTE }] }), person(chen, { why: "no_way" }), person(dora, { state: "sent", sent_at: now - 9 * MINUTE, ways: [wecom("unknown", { code: "unknown", reason: "no answer within 15 s" })] })], escalation: { policy: "on-call", state: "exhausted", ended_at: now - 2 * MINUTE, steps: [{ step: 1, repeat: 0, due_at: now - 7 * MINUTE, at: now - 4 * MINUTE, outcome: "notified", people: ["bo"], told: 1, via: ["wecom"] }] } });
    tell(2, { people: [person(ann, { state: "read", received_at: now - 26 * MINUTE, read_at: now - 20 * MINUTE, device: "browser-k2x9" }), person(chen, { why: "unconfirmed", devices: [{ ...laptop, online: true }] })] });
    tell(3, { people: [person(ann, { state: "received", received_at: now - 47 * MINUTE, device: "browser-k2x9" })] });
    tell(4, { people: [person(ann, { state: "acknowledged", received_at: now - 75 * MINUTE, acknowledged_at: now - 60 * MINUTE, device: "browser-k2x9" }), person(bo, { state: "received", received_at: now - 74 * MINUTE, device: "bo-laptop" })], escalation: { policy: "on-call", state: "acknowledged", ended_at: now - 60 * MINUTE, by: "ann", steps: [] } });
    for (const index of [5, 6, 7]) tell(index, { people: [person(ann, { state: "received", received_at: now - 26 * 60 * MINUTE, device: "browser-k2x9" })] });
  }
}

function counted(people: PersonReceipt[]): Counts {
  const in_ = (...states: State[]) => people.filter(({ state }) => states.includes(state)).length;
  const received = in_("received", "read", "acknowledged");
  return {
    owed: people.length,
    sent: in_("sent"),
    received,
    shown: people.filter(({ shown }) => shown === "shown").length,
    read: in_("read", "acknowledged"),
    acknowledged: in_("acknowledged"),
    missing: in_("missing"),
    withdrawn: in_("withdrawn"),
    given_up: in_("expired", "superseded", "lost_to_retention"),
    unread: in_("missing", "sent", "received"),
    unacknowledged: in_("missing", "sent", "received", "read"),
  };
}
