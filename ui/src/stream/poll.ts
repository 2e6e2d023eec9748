/**
 * `GET /poll?wait=25`: the transport that passes everywhere. The cursor of each request acknowledges what the answer
 * before it carried, so the next one is asked only after that was stored.
 */
import type { Cursor, Poll } from "../protocol";
import { covered, endingOf, position, type Clock, type Ending, type Item, type Open, type Sink } from "./transport";

const WAIT_S = 25;
/** On top of the wait: a slow line, a busy server. */
const GRACE_MS = 15_000;

export function poll(url: (path: string) => URL, clock: Clock, get: typeof fetch = fetch): Open {
  return (cursor, sink) => {
    const abort = new AbortController();
    let stored: (cursor: Cursor) => void = () => {};
    const taken = (expected: Cursor) =>
      new Promise<void>((resolve) => {
        stored = (reached) => {
          if (reached === expected || covered(expected, reached)) resolve();
        };
      });
    void run(url, clock, get, abort, cursor, sink, taken);
    return {
      stored: (reached) => stored(reached),
      close: () => abort.abort(),
    };
  };
}

async function run(
  url: (path: string) => URL,
  clock: Clock,
  get: typeof fetch,
  abort: AbortController,
  start: Cursor | undefined,
  sink: Sink,
  taken: (expected: Cursor) => Promise<void>,
): Promise<void> {
  let cursor = start;
  let opened = false;
  while (!abort.signal.aborted) {
    const address = url("poll");
    // The first answer comes at once: it shows that polling works.
    address.searchParams.set("wait", String(opened ? WAIT_S : 0));
    if (cursor !== undefined) address.searchParams.set("cursor", cursor);
    const answer = await ask(clock, get, address, abort.signal);
    if (abort.signal.aborted) return;
    if ("kind" in answer) return sink.ended(answer);
    const next = answer.cursor;
    if (!opened) {
      opened = true;
      sink.opened({ cursor });
    }
    const done = taken(next);
    for (const item of itemsOf(answer)) sink.item(item);
    sink.item({ type: "position", cursor: next });
    await done;
    cursor = next;
  }
}

function itemsOf(answer: Poll): Item[] {
  const items: { seq: number; item: Item }[] = [
    ...answer.messages.map((message) => ({ seq: position(message.cursor).seq, item: { type: "message", message } as Item })),
    ...(answer.states ?? []).map((change) => ({ seq: position(change.cursor).seq, item: { type: "state", change } as Item })),
  ];
  items.sort((a, b) => a.seq - b.seq);
  const inOrder = items.map(({ item }) => item);
  return answer.reset ? [{ type: "reset", reset: answer.reset }, ...inOrder] : inOrder;
}

async function ask(clock: Clock, get: typeof fetch, address: URL, signal: AbortSignal): Promise<Poll | Ending> {
  const late = new AbortController();
  const cancel = clock.after(WAIT_S * 1000 + GRACE_MS, () => late.abort());
  const stop = () => late.abort();
  signal.addEventListener("abort", stop, { once: true });
  try {
    const answer = await get(address, { cache: "no-store", credentials: "same-origin", signal: late.signal });
    if (!answer.ok) return endingOf(answer.status, answer.headers.get("retry-after"));
    return (await answer.json()) as Poll;
  } catch (error) {
    // Not JSON: a proxy's page, not the server.
    return error instanceof SyntaxError ? { kind: "broken" } : { kind: "unreachable" };
  } finally {
    cancel();
    signal.removeEventListener("abort", stop);
  }
}
