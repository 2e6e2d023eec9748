/**
 * What the three transports have in common, seen from the state machine in `stream.ts`.
 *
 * A transport opens one `Line`: it reports that it opened, then items in order, then exactly one ending. It never
 * reconnects and never decides anything: that is the state machine's.
 */
import type { Cursor, Message, Reset, ShownReport, StateChange, Transport } from "../protocol";

export type Item =
  | { type: "message"; message: Message }
  | { type: "state"; change: StateChange }
  | { type: "position"; cursor: Cursor }
  | { type: "reset"; reset: Reset };

/** Why a stream must not be opened again without the person. */
export type Refusal = "unauthorised" | "replaced" | "bad_frame" | "wrong_host";

export type Ending =
  /** The server cannot be reached at all: another transport would not help. */
  | { kind: "unreachable" }
  /** Broke off, or never opened: perhaps something on the way does not like this transport. */
  | { kind: "broken" }
  /** The server is there and asks to come back later. */
  | { kind: "busy"; retryAfterMs?: number }
  /** Do not come back. */
  | { kind: "refused"; why: Refusal };

export interface Opened {
  /** The stream starts after this position. */
  cursor: Cursor | undefined;
  /** Something comes at least this often; absent where the transport watches for itself. */
  heartbeatMs?: number;
}

export interface Sink {
  opened(opened: Opened): void;
  item(item: Item): void;
  /** A sign of life without content. */
  alive(): void;
  ended(ending: Ending): void;
}

export interface Line {
  /** Everything of this line up to `cursor` is stored durably; `owed` when that covers more than positions. */
  stored(cursor: Cursor, owed: boolean, shown: ShownReport[]): void;
  close(): void;
}

export type Open = (cursor: Cursor | undefined, sink: Sink) => Line;

export const transports = ["websocket", "sse", "poll"] as const satisfies readonly Transport[];

/** Time as the state machine sees it; tests pass their own. */
export interface Clock {
  now(): number;
  after(ms: number, run: () => void): () => void;
}

export const realClock: Clock = {
  now: () => Date.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

/** `epoch-seq` taken apart. */
export function position(cursor: Cursor): { epoch: string; seq: number } {
  const dash = cursor.lastIndexOf("-");
  return { epoch: cursor.slice(0, dash), seq: Number(cursor.slice(dash + 1)) };
}

/** Whether `cursor` is at or before `reached` in the same log. Positions of another epoch cannot be compared. */
export function covered(cursor: Cursor, reached: Cursor | undefined): boolean {
  if (reached === undefined) return false;
  const [a, b] = [position(cursor), position(reached)];
  return a.epoch === b.epoch && a.seq <= b.seq;
}

/** What an HTTP status means for a stream. */
export function endingOf(status: number, retryAfter: string | null): Ending {
  if (status === 401) return { kind: "refused", why: "unauthorised" };
  if (status === 421 || status === 403) return { kind: "refused", why: "wrong_host" };
  if (status === 429 || status === 503) {
    const seconds = Number(retryAfter);
    return { kind: "busy", ...(retryAfter && seconds >= 0 ? { retryAfterMs: seconds * 1000 } : {}) };
  }
  return { kind: "broken" };
}
