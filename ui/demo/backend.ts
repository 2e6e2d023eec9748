/** A server in memory, for looking at the page and for tests of the views. Never part of the build. */
import { Failure, Listeners, type Backend, type BackendEvent, type Method } from "../src/backend/backend";
import type { MessageView, Settings, Status, Topic, TopicChange } from "../src/protocol";
import type { Link } from "../src/stream/stream";
import { DemoChannels, type ChannelOptions } from "./channels";
import { DemoPolicies } from "./policies";
import { DemoReceipts, type ReceiptOptions } from "./receipts";
import { sample } from "./sample";

export interface DemoOptions extends ChannelOptions, ReceiptOptions {
  native?: boolean;
  lang?: "en" | "zh-CN";
  mode?: "unset" | "host" | "join";
  session?: "open" | "none";
  link?: "online" | "offline" | "stopped";
  role?: "admin" | "member";
  empty?: boolean;
  problem?: string;
  theme?: "light" | "dark";
}

export class DemoBackend implements Backend {
  readonly native: boolean;
  readonly calls: { method: Method; path: string; body: unknown }[] = [];
  readonly opened: string[] = [];
  readonly channels: DemoChannels;
  readonly receipts: DemoReceipts;
  readonly policies: DemoPolicies;
  #listeners = new Listeners<BackendEvent>();
  #data: ReturnType<typeof sample>;
  #settings: Settings;

  constructor(private readonly options: DemoOptions = {}) {
    this.native = options.native ?? false;
    this.#data = sample(options.lang ?? "en", options.role ?? "admin");
    if (options.empty) this.#data.messages = [];
    this.channels = new DemoChannels(options.lang ?? "en", options);
    this.receipts = new DemoReceipts(options.lang ?? "en", this.#data, options);
    this.policies = new DemoPolicies(options.lang ?? "en", this.#data.topics);
    this.#settings = {
      language: options.lang ?? "en",
      theme: options.theme ?? "system",
      autostart: true,
      notifications: { min_priority: 2, quiet_hours: { from: 1320, to: 420 }, critical_overrides: true, muted_topics: ["ci"] },
      hosting: { port: 8722, lan: true, lan_port: 8723, name: this.#data.me.server.name, stay_awake: false },
    };
  }

  start(): Promise<void> {
    this.#listeners.tell({ type: "session", session: this.options.session ?? "open" });
    if (this.native) this.#listeners.tell({ type: "status", status: this.#status() });
    this.#listeners.tell({ type: "link", link: this.#link() });
    return Promise.resolve();
  }

  /** What comes from outside. */
  tell(event: BackendEvent): void {
    if (event.type === "message") this.#data.messages.unshift(event.message);
    this.#listeners.tell(event);
  }

  request<T>(method: Method, path: string, body?: unknown): Promise<T> {
    this.calls.push({ method, path, body });
    try {
      return Promise.resolve(this.#answer(method, path, body) as T);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  events(handler: (event: BackendEvent) => void): () => void {
    return this.#listeners.add(handler);
  }

  openUrl(url: string): Promise<void> {
    this.opened.push(url);
    return Promise.resolve();
  }

  reconnect(): void {
    this.#listeners.tell({ type: "link", link: { state: "online", transport: "websocket", since: Date.now() } });
  }

  signIn(token: string): Promise<void> {
    if (!token.startsWith("tcs_")) return Promise.reject(new Failure("unauthorised", "unknown token", 401));
    this.#listeners.tell({ type: "session", session: "open" });
    return Promise.resolve();
  }

  signOut(): Promise<void> {
    this.#listeners.tell({ type: "session", session: "none" });
    return Promise.resolve();
  }

  #answer(method: Method, path: string, body: unknown): unknown {
    const url = new URL(path, "http://demo");
    const parts = url.pathname.split("/").slice(1);
    const { messages, users, topics, tokens, devices, me } = this.#data;
    if (parts[0] === "native") return this.#native(method, parts[1] ?? "", body);
    switch (parts[1]) {
      case "me":
        return { ...me, unread: messages.filter(({ read_at }) => read_at === undefined).length };
      case "messages":
        if (method === "POST" && parts.length === 2) return { id: messages[0]?.id ?? "a".repeat(12), seq: 99, audience: 3 };
        if (parts.length === 2) return { items: messages.filter((message) => matches(message, url.searchParams)), next: this.options.empty ? undefined : 1 };
        if (parts[3] === "receipt" || parts[3] === "resend" || parts[3] === "cancel") return this.receipts.answer(parts, url.searchParams, body);
        return this.#message(parts[2] ?? "", parts[3]);
      case "users":
        return users;
      case "topics":
        if (method === "PATCH") return this.#topic(parts[2] ?? "", body as TopicChange);
        return parts[3] === "members" ? users.slice(0, 3) : topics.map((topic) => ({ ...topic }));
      case "tokens":
        if (method === "POST") return { ...tokens[0], name: (body as { name: string }).name, secret: `tcs_${"Zx9".repeat(14)}Q` };
        return tokens;
      case "devices":
        return devices;
      case "receipts":
        return this.receipts.answer(parts, url.searchParams, body);
      case "policies":
        return this.policies.answer(method, parts, body);
      case "channels":
      case "routes":
      case "deliveries":
        return this.channels.answer(method, parts, url.searchParams, body);
      case "invites":
        return { invite: `tocsin:https://10.0.0.5:8723#Yk3VtQ8ZrLw.${"q7B".repeat(14)}x`, expires_at: Date.now() + 3_600_000 };
      default:
        return {};
    }
  }

  #topic(name: string, { policy, expect_every_s }: TopicChange): Topic {
    const topic = this.#data.topics.find((each) => each.name === name);
    if (!topic) throw new Failure("unknown_topic", "no such topic", 404);
    if (policy !== undefined) topic.policy = policy === "" ? undefined : policy;
    if (expect_every_s !== undefined) topic.expect_every_s = expect_every_s === 0 ? undefined : expect_every_s;
    if (expect_every_s === 0) delete topic.silent_since;
    return { ...topic };
  }

  #message(id: string, verb: string | undefined): MessageView {
    const message = this.#data.messages.find((each) => each.id === id);
    if (!message) throw new Failure("not_found", "no such message", 404);
    if (verb !== undefined) message.read_at ??= Date.now();
    if (verb === "acknowledge") message.acknowledged_at = Date.now();
    return { ...message };
  }

  #native(method: Method, route: string, body: unknown): unknown {
    if (route === "status") return this.#status();
    if (route === "settings") {
      if (method === "PATCH") this.#settings = { ...this.#settings, ...(body as Partial<Settings>) };
      return this.#settings;
    }
    return {};
  }

  #link(): Link {
    const since = Date.now() - 7 * 60_000;
    if (this.options.link === "offline") return { state: "offline", since, reason: "", retry_at: Date.now() + 12_000 };
    if (this.options.link === "stopped") return { state: "stopped", since, why: "replaced" };
    return { state: "online", transport: "websocket", since };
  }

  #status(): Status {
    const mode = this.options.mode ?? "host";
    const link = this.#link();
    return {
      hello: { version: "0.1.0", build: "demo", pid: 4711, kind: "tray" },
      mode:
        mode === "unset"
          ? { mode: "unset" }
          : mode === "host"
            ? { mode: "host", addresses: ["http://127.0.0.1:8722", "https://10.0.0.5:8723"], lan: true }
            : { mode: "join", origin: "https://10.0.0.5:8723", user: "ann" },
      connection: link.state === "stopped" ? { state: "idle" } : link,
      unread: this.#data.messages.filter(({ read_at }) => read_at === undefined).length,
      page: "http://127.0.0.1:8722",
      data_dir: "/home/ann/.local/share/tocsin",
      log_file: "/home/ann/.local/state/tocsin/tocsin.log",
      problems: this.options.problem ? [{ code: this.options.problem as "keyring_missing", since: Date.now() - 90_000, detail: "org.freedesktop.secrets: not activatable" }] : [],
    };
  }
}

function matches(message: MessageView, query: URLSearchParams): boolean {
  const text = (query.get("q") ?? "").toLowerCase();
  return (
    (!query.has("unread") || message.read_at === undefined) &&
    (!query.has("unacknowledged") || (message.acknowledged_at === undefined && message.priority >= 4)) &&
    (!query.has("topic") || message.topic === query.get("topic")) &&
    `${message.title ?? ""}${message.body ?? ""}`.toLowerCase().includes(text)
  );
}
