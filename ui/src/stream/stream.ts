/**
 * The page's one stream: which transport, when to come back, what is acknowledged.
 *
 *     connecting ──► open ──► waiting ──► connecting …
 *          └─ another transport ─┘            └─► stopped (refused; only the person starts it again)
 *
 * - Falls back WebSocket → SSE → poll when one does not open or keeps breaking, and climbs back by opening the better one
 *   beside the working one, which is given up only when the better one has said hello.
 * - Order: stored, then shown, then acknowledged. A failed write acknowledges nothing: the line is closed and
 *   everything since the stored position comes again.
 * - Nothing is shown twice: what is at or before the stored position is dropped, and so are ids that the store has.
 * - Comes back with full jitter between 0 and a limit that doubles from 0.5 s to 30 s; a minute of calm resets it.
 */
import type { Ack, Connection, Cursor, Message, Reset, ShownReport, StateChange, Transport } from "../protocol";
import type { Store } from "./store";
import { covered, position, transports, type Clock, type Ending, type Item, type Line, type Open, type Opened, type Refusal } from "./transport";

export type Link = Connection | { state: "stopped"; since: number; why: Refusal };

export type StreamEvent =
  | { type: "link"; link: Link }
  | { type: "message"; message: Message }
  | { type: "state"; change: StateChange }
  | { type: "reset"; reset: Reset };

export interface StreamParts {
  open: Record<Transport, Open>;
  store: Store;
  clock: Clock;
  /** In [0, 1). */
  random: () => number;
  emit: (event: StreamEvent) => void;
  /** `POST /v1/ack`. */
  acknowledge: (ack: Ack) => Promise<unknown>;
  /** Whether the person sees the page now: what arrives then counts as shown. */
  visible: () => boolean;
}

/** A first sign must come within this time, or the transport is taken for blocked (a proxy that buffers). */
export const OPEN_MS = 10_000;
export const BACKOFF_FIRST_MS = 500;
export const BACKOFF_MOST_MS = 30_000;
/** So long must a stream live before the waiting starts from the beginning again. */
export const STABLE_MS = 60_000;
/** A stream that ends sooner was cut by something on the way; so many in a row and the next transport is tried. */
export const SHORT_MS = 10_000;
export const SHORT_LIVES = 3;
/** Climbing back is tried after this time, then twice as long each time. */
export const CLIMB_FIRST_MS = 60_000;
/** The first climb to a transport that worked before: it only failed because the server was just coming back. */
export const CLIMB_SOON_MS = 5_000;
export const CLIMB_MOST_MS = 15 * 60_000;
/** Silence for this many heartbeats means a dead connection. */
const SILENT_HEARTBEATS = 2;

interface Attempt {
  level: number;
  line: Line;
  /** Where it started. */
  from: Cursor | undefined;
  opened: boolean;
  openedAt: number;
  silenceMs: number | undefined;
}

export class Stream {
  #cursor: Cursor | undefined;
  /** Range of the stream before, acknowledged again on resume in case the last acknowledgement was lost. */
  #unsure: Ack | undefined;
  #running = false;
  #level = 0;
  /** Where the next round of attempts begins: the transport that worked last. */
  #home = 0;
  /** The best that ever worked here. */
  #proven: number = transports.length;
  #failures = 0;
  #shortLives = 0;
  #climbs = 0;
  #offlineSince: number | undefined;
  #current: Attempt | undefined;
  #probe: Attempt | undefined;
  #queue: { item: Item; attempt: Attempt }[] = [];
  #pumping = false;
  #cancelOpen = () => {};
  #cancelProbe = () => {};
  #cancelRetry: (() => void) | undefined;
  #cancelSilence = () => {};
  #cancelStable = () => {};
  #cancelClimb = () => {};

  constructor(private readonly parts: StreamParts) {}

  async start(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    this.#link({ state: "connecting" });
    const { cursor, from } = await this.parts.store.load().catch(() => ({ cursor: undefined, from: undefined }));
    if (!this.#running) return;
    this.#cursor = cursor;
    if (cursor !== undefined && from !== undefined && from !== cursor && covered(from, cursor)) this.#unsure = { from, cursor };
    this.#connect();
  }

  stop(): void {
    this.#running = false;
    this.#drop();
  }

  /** The person asks for it, or the network is back, or the computer woke up. */
  wake(): void {
    if (this.#running && this.#cancelRetry) {
      this.#cancelRetry();
      this.#connect();
    }
  }

  /** The clock jumped (sleep): whatever looks open is not. */
  suspect(): void {
    if (!this.#running) return;
    if (this.#cancelRetry) return this.wake();
    this.#drop();
    this.#connect();
  }

  /** After `stopped`. */
  again(): void {
    if (this.#running) return;
    this.#failures = 0;
    void this.start();
  }

  #connect(): void {
    this.#cancelRetry = undefined;
    const attempt = this.#open(this.#level);
    this.#current = attempt;
    this.#cancelOpen = this.parts.clock.after(OPEN_MS, () => {
      attempt.line.close();
      this.#ended(attempt, { kind: "broken" });
    });
  }

  #open(level: number): Attempt {
    const name = transports[level] ?? "poll";
    const attempt: Attempt = { level, line: NO_LINE, from: this.#cursor, opened: false, openedAt: 0, silenceMs: undefined };
    attempt.line = this.parts.open[name](this.#cursor, {
      opened: (opened) => this.#opened(attempt, opened),
      item: (item) => {
        this.#alive(attempt);
        this.#take(item, attempt);
      },
      alive: () => this.#alive(attempt),
      ended: (ending) => this.#ended(attempt, ending),
    });
    return attempt;
  }

  #opened(attempt: Attempt, { cursor, heartbeatMs }: Opened): void {
    if (attempt.opened || !this.#mine(attempt)) return;
    attempt.opened = true;
    attempt.openedAt = this.parts.clock.now();
    attempt.from = cursor ?? attempt.from;
    attempt.silenceMs = heartbeatMs === undefined ? undefined : heartbeatMs * SILENT_HEARTBEATS;
    if (attempt === this.#probe) {
      this.#cancelProbe();
      this.#probe = undefined;
      this.#current?.line.close();
      this.#current = attempt;
    }
    this.#cancelOpen();
    this.#level = attempt.level;
    this.#home = attempt.level;
    this.#proven = Math.min(this.#proven, attempt.level);
    this.#offlineSince = undefined;
    this.#link({ state: "online", transport: transports[attempt.level] ?? "poll", since: attempt.openedAt });
    this.#alive(attempt);
    this.#cancelStable();
    this.#cancelStable = this.parts.clock.after(STABLE_MS, () => {
      this.#failures = 0;
      if (attempt.level === 0) this.#climbs = 0;
    });
    this.#scheduleClimb();
    this.#acknowledgeAgain();
  }

  #acknowledgeAgain(): void {
    const ack = this.#unsure;
    this.#unsure = undefined;
    if (!ack || !this.parts.store.durable) return;
    this.parts.acknowledge(ack).catch(() => {
      this.#unsure ??= ack;
    });
  }

  #alive(attempt: Attempt): void {
    if (attempt !== this.#current || !attempt.opened) return;
    this.#cancelSilence();
    if (attempt.silenceMs === undefined) return;
    this.#cancelSilence = this.parts.clock.after(attempt.silenceMs, () => {
      attempt.line.close();
      this.#ended(attempt, { kind: "broken" });
    });
  }

  #ended(attempt: Attempt, ending: Ending): void {
    if (!this.#mine(attempt)) return;
    if (attempt === this.#probe) return this.#probeFailed(ending);
    this.#cancelOpen();
    this.#cancelSilence();
    this.#cancelStable();
    this.#cancelClimb();
    this.#current = undefined;
    // The better transport is about to take over (the same `instance` replaces the old stream).
    if (this.#probe) return;
    if (ending.kind === "refused") return this.#refuse(ending.why);
    this.#offlineSince ??= this.parts.clock.now();
    if (attempt.opened) this.#countShortLife(attempt);
    else if (ending.kind === "broken" && this.#level + 1 < transports.length) {
      // Not this transport, perhaps another: no waiting.
      this.#level += 1;
      return this.#connect();
    }
    else if (ending.kind === "broken") {
      // None of them works: from the top again.
      this.#home = 0;
    }
    this.#level = this.#home;
    this.#wait(ending.kind === "busy" ? ending.retryAfterMs : undefined);
  }

  #countShortLife(attempt: Attempt): void {
    const short = this.parts.clock.now() - attempt.openedAt < SHORT_MS;
    this.#shortLives = short ? this.#shortLives + 1 : 0;
    if (this.#shortLives >= SHORT_LIVES && this.#level + 1 < transports.length) {
      this.#shortLives = 0;
      this.#home = this.#level + 1;
    }
  }

  #wait(atLeastMs = 0): void {
    const most = Math.min(BACKOFF_MOST_MS, BACKOFF_FIRST_MS * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 16);
    const delay = atLeastMs + this.parts.random() * most;
    const now = this.parts.clock.now();
    this.#link({ state: "offline", since: this.#offlineSince ?? now, reason: "", retry_at: Math.round(now + delay) });
    this.#cancelRetry = this.parts.clock.after(delay, () => this.#connect());
  }

  #refuse(why: Refusal): void {
    this.stop();
    this.#link({ state: "stopped", since: this.parts.clock.now(), why });
  }

  #scheduleClimb(): void {
    this.#cancelClimb();
    if (this.#level === 0) return;
    const soon = this.#climbs === 0 && this.#proven < this.#level;
    const delay = soon ? CLIMB_SOON_MS : Math.min(CLIMB_MOST_MS, CLIMB_FIRST_MS * 2 ** this.#climbs);
    this.#cancelClimb = this.parts.clock.after(delay, () => {
      this.#climbs += 1;
      this.#tryBetter(0);
    });
  }

  #tryBetter(level: number): void {
    const attempt = this.#open(level);
    this.#probe = attempt;
    this.#cancelProbe = this.parts.clock.after(OPEN_MS, () => {
      attempt.line.close();
      this.#ended(attempt, { kind: "broken" });
    });
  }

  #probeFailed(ending: Ending): void {
    this.#cancelProbe();
    const level = this.#probe?.level ?? 0;
    this.#probe = undefined;
    if (this.#current) {
      if (ending.kind === "broken" && level + 1 < this.#level) this.#tryBetter(level + 1);
      else this.#scheduleClimb();
      return;
    }
    // The working one ended meanwhile.
    if (ending.kind === "refused") return this.#refuse(ending.why);
    this.#offlineSince ??= this.parts.clock.now();
    this.#wait();
  }

  #take(item: Item, attempt: Attempt): void {
    if (!this.#mine(attempt)) return;
    this.#queue.push({ item, attempt });
    if (!this.#pumping) void this.#pump();
  }

  async #pump(): Promise<void> {
    this.#pumping = true;
    while (this.#queue.length > 0) {
      // One batch holds items of one line only, and a reset stands alone: it changes what positions mean.
      const { attempt } = this.#queue[0]!;
      const end = this.#queue.findIndex(({ item, attempt: other }, index) => other !== attempt || (index > 0 && item.type === "reset"));
      const taken = this.#queue.splice(0, end < 0 ? this.#queue.length : end);
      const first = taken[0]!.item;
      const rest = taken.slice(first.type === "reset" ? 1 : 0).map(({ item }) => item);
      try {
        if (first.type === "reset") await this.#reset(first.reset, attempt);
        if (rest.length > 0) await this.#store(rest, attempt);
      } catch {
        this.#queue = this.#queue.filter((waiting) => waiting.attempt !== attempt);
        attempt.line.close();
        this.#ended(attempt, { kind: "busy" });
      }
    }
    this.#pumping = false;
  }

  async #reset(reset: Reset, attempt: Attempt): Promise<void> {
    attempt.from = reset.cursor;
    this.#unsure = undefined;
    await this.parts.store.commit({ messages: [], changes: [], cursor: reset.cursor, from: reset.cursor });
    this.#cursor = reset.cursor;
    this.parts.emit({ type: "reset", reset });
    attempt.line.stored(reset.cursor, false, []);
  }

  async #store(items: Item[], attempt: Attempt): Promise<void> {
    const reached = this.#cursor;
    const fresh = items.filter((item) => !covered(cursorOf(item), reached));
    const cursor = fresh.reduce((furthest, item) => furthestOf(furthest, cursorOf(item)), reached ?? cursorOf(items[0]!));
    const messages = fresh.flatMap((item) => (item.type === "message" ? [item.message] : []));
    const changes = fresh.flatMap((item) => (item.type === "state" ? [item.change] : []));
    const owed = messages.length > 0 || changes.length > 0;
    let unseen: Message[] = [];
    if (fresh.length > 0) unseen = await this.parts.store.commit({ messages, changes, cursor, from: attempt.from });
    this.#cursor = cursor;
    for (const message of unseen) this.parts.emit({ type: "message", message });
    for (const change of changes) this.parts.emit({ type: "state", change });
    attempt.line.stored(cursor, owed && this.parts.store.durable, this.#shown(unseen));
    if (owed && attempt.from !== undefined) this.#unsure = { from: attempt.from, cursor };
  }

  #shown(messages: Message[]): ShownReport[] {
    if (!this.parts.store.durable || !this.parts.visible()) return [];
    const at = this.parts.clock.now();
    return messages.filter((message) => !message.expired && message.superseded_by === undefined).map(({ id }) => ({ id, shown: "shown", at }));
  }

  #mine(attempt: Attempt): boolean {
    return this.#running && (attempt === this.#current || attempt === this.#probe);
  }

  #drop(): void {
    for (const cancel of [this.#cancelOpen, this.#cancelProbe, this.#cancelSilence, this.#cancelStable, this.#cancelClimb]) cancel();
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    this.#current?.line.close();
    this.#probe?.line.close();
    this.#current = undefined;
    this.#probe = undefined;
    this.#queue = [];
  }

  #link(link: Link): void {
    this.parts.emit({ type: "link", link });
  }
}

const NO_LINE: Line = { stored: () => {}, close: () => {} };

function cursorOf(item: Item): Cursor {
  switch (item.type) {
    case "message":
      return item.message.cursor;
    case "state":
      return item.change.cursor;
    case "position":
      return item.cursor;
    case "reset":
      return item.reset.cursor;
  }
}

function furthestOf(a: Cursor, b: Cursor): Cursor {
  const [x, y] = [position(a), position(b)];
  return x.epoch === y.epoch && x.seq >= y.seq ? a : b;
}
