import type { Ack, Cursor, Message, Poll, ShownReport, Transport } from "../../src/protocol";
import { MemoryStore, type Batch } from "../../src/stream/store";
import { Stream, type StreamEvent } from "../../src/stream/stream";
import type { Clock, Line, Open, Sink } from "../../src/stream/transport";

/** Time that moves when told. */
export class FakeClock implements Clock {
  time = 1_000_000;
  #timers: { at: number; run: () => void }[] = [];

  now(): number {
    return this.time;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.time + ms, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  async pass(ms: number): Promise<void> {
    const end = this.time + ms;
    for (;;) {
      await settled();
      const next = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.time = Math.max(this.time, next.at);
      next.run();
    }
    this.time = end;
    await settled();
  }
}

/** Lets everything that is ready run. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}

export interface FakeLine {
  transport: Transport;
  cursor: Cursor | undefined;
  sink: Sink;
  closed: boolean;
  stored: { cursor: Cursor; owed: boolean; shown: ShownReport[] }[];
}

/** Durable as far as the state machine can tell; can be told to fail. */
export class TestStore extends MemoryStore {
  override readonly durable = true;
  failing = false;
  log: string[] = [];
  gate: Promise<void> | undefined;

  override async commit(batch: Batch): Promise<Message[]> {
    await this.gate;
    if (this.failing) throw new Error("disk full");
    this.log.push(`commit ${batch.cursor}`);
    return super.commit(batch);
  }
}

export function message(seq: number, more: Partial<Message> = {}): Message {
  const id = `m${String(seq).padStart(11, "0")}`;
  return { id, cursor: at(seq), sender: "ann", title: `Message ${seq}`, format: "text", priority: 3, thread: id, created_at: seq, ...more };
}

export function at(seq: number, epoch = "k3v9x0ab"): Cursor {
  return `${epoch}-${seq}`;
}

export function bench(options: { random?: number; visible?: boolean } = {}) {
  const clock = new FakeClock();
  const store = new TestStore();
  const lines: FakeLine[] = [];
  const events: StreamEvent[] = [];
  const acks: Ack[] = [];
  const open =
    (transport: Transport): Open =>
    (cursor, sink): Line => {
      const line: FakeLine = { transport, cursor, sink, closed: false, stored: [] };
      lines.push(line);
      return {
        stored: (cursor, owed, shown) => {
          store.log.push(`stored ${cursor}`);
          line.stored.push({ cursor, owed, shown });
        },
        close: () => {
          line.closed = true;
        },
      };
    };
  const stream = new Stream({
    open: { websocket: open("websocket"), sse: open("sse"), poll: open("poll") },
    store,
    clock,
    random: () => options.random ?? 0.5,
    emit: (event) => {
      if (event.type === "message") store.log.push(`shown ${event.message.cursor}`);
      events.push(event);
    },
    acknowledge: (ack) => {
      acks.push(ack);
      return Promise.resolve();
    },
    visible: () => options.visible ?? false,
  });
  const last = () => lines.at(-1)!;
  const link = () => events.filter((event) => event.type === "link").at(-1)?.link;
  const shown = () => events.flatMap((event) => (event.type === "message" ? [event.message.cursor] : []));
  return { stream, clock, store, lines, events, acks, last, link, shown };
}

export function pollAnswer(more: Partial<Poll>): Poll {
  return { messages: [], cursor: at(0), more: false, ...more };
}
