/**
 * The page: `fetch` to the same origin with the session cookie, and one stream per browser.
 *
 * A way in is either a one-time code in the address's fragment, which no server or proxy sees and which leaves the
 * history at once, or a client token that the person pastes; both become a cookie that scripts cannot read. The token is
 * not kept.
 */
import type { Ack, Me, NewSession } from "../protocol";
import { poll } from "../stream/poll";
import { sse } from "../stream/sse";
import { openStore } from "../stream/store";
import { Stream, type StreamEvent } from "../stream/stream";
import { realClock } from "../stream/transport";
import { websocket } from "../stream/websocket";
import { Failure, isWebLink, Listeners, settle, type Backend, type BackendEvent, type Method, type Session } from "./backend";
import { Leader } from "./leader";

const DEVICE_KEY = "tocsin.device";
/** How often the clock is looked at; a jump of more than this much extra is a sleep. */
const WATCH_MS = 5_000;
const JUMP_MS = 15_000;

export class HttpBackend implements Backend {
  readonly native = false;
  #listeners = new Listeners<BackendEvent>();
  #leader: Leader | undefined;
  #session: Session = "starting";
  /** Only the same page load replaces its own stream at the server. */
  readonly #instance = randomName();

  async start(): Promise<void> {
    const code = takeCode();
    if (code !== undefined) {
      try {
        await this.#open({ code });
      } catch (error) {
        // A link used twice is no harm while the session it made lives.
        if (await this.#look()) return;
        this.#set(error instanceof Failure && error.code !== "network" ? "code_failed" : "none");
        return;
      }
    }
    if (!(await this.#look())) this.#set("none");
  }

  async request<T>(method: Method, path: string, body?: unknown, key?: string): Promise<T> {
    const headers: Record<string, string> = { accept: "application/json" };
    if (body !== undefined) headers["content-type"] = "application/json";
    if (key !== undefined) headers["idempotency-key"] = key;
    let status: number;
    let answer: unknown;
    try {
      const response = await fetch(address(path), {
        method,
        headers,
        credentials: "same-origin",
        cache: "no-store",
        ...(body !== undefined ? { body: JSON.stringify(body) } : {}),
      });
      status = response.status;
      answer = await json(response);
    } catch (error) {
      throw new Failure("network", String(error));
    }
    if (status === 401 && this.#session === "open") this.#end();
    return settle<T>(status, answer);
  }

  events(handler: (event: BackendEvent) => void): () => void {
    const remove = this.#listeners.add(handler);
    handler({ type: "session", session: this.#session });
    return remove;
  }

  openUrl(url: string): Promise<void> {
    if (!isWebLink(url)) return Promise.reject(new Failure("invalid_field", "only http and https links are opened"));
    window.open(url, "_blank", "noopener,noreferrer");
    return Promise.resolve();
  }

  reconnect(): void {
    this.#leader?.reconnect();
  }

  async signIn(token: string): Promise<void> {
    await this.#open({ token: token.trim() });
    await this.#look();
  }

  async signOut(): Promise<void> {
    await this.request("DELETE", "/v1/session");
    this.#leader?.signOut();
    this.#leader = undefined;
    this.#set("none");
  }

  async #open(session: NewSession): Promise<void> {
    await this.request("POST", "/v1/session", session);
  }

  /** Whether there is a session; if so, the stream begins. */
  async #look(): Promise<boolean> {
    let me: Me;
    try {
      me = await this.request<Me>("GET", "/v1/me");
    } catch (error) {
      if (error instanceof Failure && error.code === "network") {
        this.#listeners.tell({ type: "link", link: { state: "offline", since: Date.now(), reason: "" } });
        // Ask again until somebody answers: without an answer there is nothing to show.
        await new Promise((resolve) => setTimeout(resolve, 1000 + Math.random() * 4000));
        return this.#look();
      }
      return false;
    }
    this.#set("open");
    if (me.user) this.#listen(me.server.instance, me.user.name);
    return true;
  }

  #listen(instance: string, user: string): void {
    this.#leader?.stop();
    const name = `tocsin-stream-${instance}-${user}`;
    const leader: Leader = new Leader(name, {
      locks: navigator.locks as LockManager | undefined,
      channel: () => (typeof BroadcastChannel === "undefined" ? undefined : new BroadcastChannel(name)),
      lead: () => this.#stream(leader, instance, user),
      hear: (event) => this.#heard(event),
      signedOut: () => this.#end(),
    });
    this.#leader = leader;
    leader.start();
  }

  #stream(leader: Leader, instance: string, user: string): { stop: () => void; reconnect: () => void } {
    const acknowledge = (ack: Ack) => this.request("POST", `/v1/ack?device=${device()}`, ack);
    const url = (path: string) => {
      const full = address(path);
      full.searchParams.set("device", device());
      full.searchParams.set("instance", this.#instance);
      return full;
    };
    let stream: Stream | undefined;
    let stopped = false;
    void openStore(instance, user).then((store) => {
      if (stopped) return;
      stream = new Stream({
        open: { websocket: websocket(url, realClock), sse: sse(url, acknowledge), poll: poll(url, realClock) },
        store,
        clock: realClock,
        random: Math.random,
        emit: (event) => leader.tell(event satisfies StreamEvent),
        acknowledge,
        visible: () => document.visibilityState === "visible",
      });
      void stream.start();
    });
    const stopWatching = watch(() => stream);
    return {
      stop: () => {
        stopped = true;
        stopWatching();
        stream?.stop();
      },
      reconnect: () => {
        stream?.again();
        stream?.wake();
      },
    };
  }

  #heard(event: BackendEvent): void {
    if (event.type === "link" && event.link.state === "stopped" && event.link.why === "unauthorised") return this.#end();
    this.#listeners.tell(event);
  }

  #end(): void {
    this.#leader?.stop();
    this.#leader = undefined;
    this.#set("ended");
  }

  #set(session: Session): void {
    this.#session = session;
    this.#listeners.tell({ type: "session", session });
  }
}

/** Takes the one-time code out of the address and out of the history. */
export function takeCode(): string | undefined {
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  if (code === null || code === "") return undefined;
  history.replaceState(null, "", location.pathname + location.search);
  return code;
}

/** Beside the page, so that it also works below a path prefix. */
function address(path: string): URL {
  return new URL(path.replace(/^\//, ""), new URL(".", document.baseURI));
}

/** This browser's name among the person's devices, kept for as long as the browser keeps anything. */
export function device(): string {
  let name: string | null = null;
  try {
    name = localStorage.getItem(DEVICE_KEY);
    if (name === null || !/^browser-[a-z0-9]+$/.test(name)) {
      name = `browser-${randomName()}`;
      localStorage.setItem(DEVICE_KEY, name);
    }
  } catch {
    name ??= fallbackDevice;
  }
  return name;
}

function randomName(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return Array.from(bytes, (byte) => (byte % 36).toString(36)).join("");
}

const fallbackDevice = `browser-${randomName()}`;

async function json(response: Response): Promise<unknown> {
  if (response.status === 204) return undefined;
  try {
    return await response.json();
  } catch {
    // Empty, or not JSON: the status tells.
    return undefined;
  }
}

/** Network back, or the computer slept: look at once instead of at the next attempt. */
function watch(stream: () => Stream | undefined): () => void {
  let seen = Date.now();
  const online = () => stream()?.wake();
  const timer = setInterval(() => {
    const now = Date.now();
    if (now - seen > WATCH_MS + JUMP_MS && document.visibilityState === "visible") stream()?.suspect();
    seen = now;
  }, WATCH_MS);
  const visible = () => {
    if (document.visibilityState === "visible") stream()?.wake();
  };
  window.addEventListener("online", online);
  document.addEventListener("visibilitychange", visible);
  return () => {
    clearInterval(timer);
    window.removeEventListener("online", online);
    document.removeEventListener("visibilitychange", visible);
  };
}
