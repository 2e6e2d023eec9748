/**
 * One stream per browser. The tab that holds the lock runs it and passes on what comes; when it closes, the browser
 * gives the lock to another. Two tabs with a stream each would count as two connections and acknowledge twice.
 */
import type { BackendEvent } from "./backend";

type Word = { type: "event"; event: BackendEvent } | { type: "how_is_it" } | { type: "reconnect" } | { type: "signed_out" };

export interface LeaderParts {
  locks: LockManager | undefined;
  channel: () => BroadcastChannel | undefined;
  /** Starts the stream; called once, when this tab becomes the leader. */
  lead: () => { stop: () => void; reconnect: () => void };
  /** What this tab's page hears, from its own stream or from the leader's. */
  hear: (event: BackendEvent) => void;
  signedOut: () => void;
}

export class Leader {
  #channel: BroadcastChannel | undefined;
  #abort = new AbortController();
  #release: (() => void) | undefined;
  #stream: { stop: () => void; reconnect: () => void } | undefined;
  #link: BackendEvent | undefined;

  constructor(
    private readonly name: string,
    private readonly parts: LeaderParts,
  ) {}

  start(): void {
    this.#channel = this.parts.channel();
    if (this.#channel) this.#channel.onmessage = ({ data }: MessageEvent<Word>) => this.#heard(data);
    // No locks, as on a page without a secure context: every tab for itself.
    if (!this.parts.locks || !this.#channel) return this.#lead();
    this.#channel.postMessage({ type: "how_is_it" } satisfies Word);
    this.parts.locks
      .request(this.name, { signal: this.#abort.signal }, () => {
        if (this.#abort.signal.aborted) return;
        this.#lead();
        return new Promise<void>((resolve) => (this.#release = resolve));
      })
      .catch(() => {
        // Stopped while it waited for the lock.
      });
  }

  get leads(): boolean {
    return this.#stream !== undefined;
  }

  /** From this tab's stream: to its page and to the other tabs. */
  tell(event: BackendEvent): void {
    if (event.type === "link") this.#link = event;
    this.parts.hear(event);
    this.#channel?.postMessage({ type: "event", event } satisfies Word);
  }

  reconnect(): void {
    if (this.#stream) this.#stream.reconnect();
    else this.#channel?.postMessage({ type: "reconnect" } satisfies Word);
  }

  /** The session is over for every tab. */
  signOut(): void {
    this.#channel?.postMessage({ type: "signed_out" } satisfies Word);
    this.stop();
  }

  stop(): void {
    this.#abort.abort();
    this.#stream?.stop();
    this.#stream = undefined;
    this.#release?.();
    this.#channel?.close();
    this.#channel = undefined;
  }

  #lead(): void {
    this.#stream = this.parts.lead();
  }

  #heard(word: Word): void {
    switch (word.type) {
      case "event":
        if (!this.leads) this.parts.hear(word.event);
        return;
      case "how_is_it":
        if (this.leads && this.#link) this.#channel?.postMessage({ type: "event", event: this.#link } satisfies Word);
        return;
      case "reconnect":
        return this.#stream?.reconnect();
      case "signed_out":
        return this.parts.signedOut();
    }
  }
}
