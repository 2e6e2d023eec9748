/**
 * `GET /events`, read with `fetch` instead of `EventSource`, because that one hides what the guarantees need: blocks
 * that carry only an `id:` (the position, and the first of them is where the acknowledged range starts), and the status
 * of an answer that is not a stream. Same bytes on the wire.
 */
import type { Ack, Cursor, Message, Reset, StateChange } from "../protocol";
import { endingOf, type Open, type Sink } from "./transport";

/** The server sends something every 15 s. */
const HEARTBEAT_MS = 15_000;

export function sse(url: (path: string) => URL, acknowledge: (ack: Ack) => Promise<unknown>, get: typeof fetch = fetch): Open {
  return (cursor, sink) => {
    const address = url("events");
    if (cursor !== undefined) address.searchParams.set("cursor", cursor);
    const abort = new AbortController();
    // Where this stream starts: the id of its first event, or what was asked for if that never comes.
    const started: { at: Cursor | undefined } = { at: cursor };
    void read(get, address, abort.signal, sink, started);
    return {
      stored: (stored, owed, shown) => {
        if ((owed || shown.length > 0) && started.at !== undefined) {
          // A lost one is made good on resume, which acknowledges the range again.
          acknowledge({ from: started.at, cursor: stored, ...(shown.length > 0 ? { shown } : {}) }).catch(() => {});
        }
      },
      close: () => abort.abort(),
    };
  };
}

async function read(get: typeof fetch, address: URL, signal: AbortSignal, sink: Sink, started: { at: Cursor | undefined }): Promise<void> {
  let answer: Response;
  try {
    answer = await get(address, { headers: { accept: "text/event-stream" }, cache: "no-store", credentials: "same-origin", signal });
  } catch {
    if (!signal.aborted) sink.ended({ kind: "unreachable" });
    return;
  }
  const isStream = answer.headers.get("content-type")?.startsWith("text/event-stream") ?? false;
  if (!answer.ok || !isStream || !answer.body) {
    abandon(answer);
    if (!signal.aborted) sink.ended(endingOf(answer.status, answer.headers.get("retry-after")));
    return;
  }
  let opened = false;
  const blocks = new Blocks((block) => {
    // A refusal for now is a stream that holds nothing but `retry:`.
    if (!opened && (block.id !== undefined || block.data !== undefined)) {
      opened = true;
      started.at = block.id ?? started.at;
      sink.opened({ cursor: started.at, heartbeatMs: HEARTBEAT_MS });
    }
    deliver(block, sink);
  });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      sink.alive();
      blocks.push(value);
    }
  } catch {
    // The connection broke: the same as an end.
  }
  if (!signal.aborted) sink.ended(opened ? { kind: "broken" } : { kind: "busy", ...(blocks.retryMs !== undefined ? { retryAfterMs: blocks.retryMs } : {}) });
}

function abandon(answer: Response): void {
  answer.body?.cancel().catch(() => {});
}

interface Block {
  id?: string;
  event?: string;
  data?: string;
}

function deliver(block: Block, sink: Sink): void {
  if (block.data === undefined) {
    if (block.id !== undefined) sink.item({ type: "position", cursor: block.id });
    return;
  }
  let value: unknown;
  try {
    value = JSON.parse(block.data);
  } catch {
    return;
  }
  switch (block.event ?? "message") {
    case "message":
      return sink.item({ type: "message", message: value as Message });
    case "state":
      return sink.item({ type: "state", change: value as StateChange });
    case "reset":
      return sink.item({ type: "reset", reset: value as Reset });
  }
}

/** Cuts a stream of text into event blocks. Lines end with LF, CR LF or CR; a chunk may end anywhere. */
export class Blocks {
  retryMs: number | undefined;
  #rest = "";
  #block: Block = {};

  constructor(private readonly emit: (block: Block) => void) {}

  push(text: string): void {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#line(line);
  }

  #line(line: string): void {
    if (line === "") {
      const block = this.#block;
      this.#block = {};
      if (Object.keys(block).length > 0) this.emit(block);
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") this.#block.data = this.#block.data === undefined ? value : `${this.#block.data}\n${value}`;
    else if (name === "id" || name === "event") this.#block[name] = value;
    else if (name === "retry" && /^\d+$/.test(value)) this.retryMs = Number(value);
  }
}
