// @vitest-environment node
import { describe, expect, test } from "vitest";
import type { Ack } from "../../src/protocol";
import { poll } from "../../src/stream/poll";
import { Blocks, sse } from "../../src/stream/sse";
import type { Ending, Item, Opened, Sink } from "../../src/stream/transport";
import { endingOfCode, websocket } from "../../src/stream/websocket";
import { at, FakeClock, message, pollAnswer, settled } from "./fakes";

const url = (path: string) => new URL(`https://host.example/${path}?device=browser-a&instance=i`);

function sink() {
  const seen = { opened: [] as Opened[], items: [] as Item[], endings: [] as Ending[], signs: 0 };
  const to: Sink = {
    opened: (opened) => seen.opened.push(opened),
    item: (item) => seen.items.push(item),
    alive: () => (seen.signs += 1),
    ended: (ending) => seen.endings.push(ending),
  };
  return { seen, to };
}

class FakeSocket {
  readyState = 1;
  sent: unknown[] = [];
  closed = false;
  onopen: (() => void) | undefined;
  onmessage: ((event: { data: unknown }) => void) | undefined;
  onclose: ((event: { code: number }) => void) | undefined;
  constructor(readonly url: URL) {}
  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }
  close(): void {
    this.closed = true;
  }
  frame(frame: unknown): void {
    this.onmessage?.({ data: typeof frame === "string" ? frame : JSON.stringify(frame) });
  }
}

describe("WebSocket", () => {
  function open(cursor?: string) {
    const clock = new FakeClock();
    let socket!: FakeSocket;
    const { seen, to } = sink();
    const line = websocket(url, clock, (address) => (socket = new FakeSocket(address)) as unknown as WebSocket)(cursor, to);
    return { clock, socket, seen, line };
  }
  const hello = { type: "hello", cursor: at(3), user: "ann", device: "browser-a", heartbeat_s: 27 };

  test("names device, instance and position in its address", () => {
    const { socket } = open(at(3));
    expect(String(socket.url)).toBe(`wss://host.example/ws?device=browser-a&instance=i&cursor=${at(3)}`);
    expect(open().socket.url.searchParams.has("cursor")).toBe(false);
  });

  test("a new page says at once that it has no position, one with a position has said it", () => {
    const { socket } = open();
    socket.onopen?.();
    expect(socket.sent).toEqual([{ type: "resume" }]);
    const { socket: again } = open(at(3));
    again.onopen?.();
    expect(again.sent).toEqual([]);
  });

  test("takes frames apart, and a frame it does not know for a sign of life", () => {
    const { socket, seen } = open();
    for (const frame of [hello, { type: "message", ...message(4) }, { type: "state", cursor: at(5), id: message(4).id, read_at: 9 }, { type: "position", cursor: at(6) }, { type: "reset", cursor: at(7), reason: "epoch", lost: 0 }, { type: "from_the_future" }, "not json"]) socket.frame(frame);
    expect(seen.opened).toEqual([{ cursor: at(3), heartbeatMs: 27_000 }]);
    expect(seen.items).toEqual([
      { type: "message", message: message(4) },
      { type: "state", change: { cursor: at(5), id: message(4).id, read_at: 9 } },
      { type: "position", cursor: at(6) },
      { type: "reset", reset: { cursor: at(7), reason: "epoch", lost: 0 } },
    ]);
    expect(seen.signs).toBe(2);
  });

  test("acknowledges what is owed, keeps quiet about positions, and beats", async () => {
    const { socket, line, clock } = open();
    socket.frame(hello);
    line.stored(at(6), false, []);
    expect(socket.sent).toEqual([]);
    line.stored(at(7), true, [{ id: message(7).id, shown: "shown", at: 1 }]);
    line.stored(at(8), true, []);
    expect(socket.sent).toEqual([
      { type: "ack", cursor: at(7), shown: [{ id: message(7).id, shown: "shown", at: 1 }] },
      { type: "ack", cursor: at(8) },
    ]);
    await clock.pass(54_000);
    expect(socket.sent.slice(2)).toEqual([{ type: "heartbeat" }, { type: "heartbeat" }]);
  });

  test("close codes say whether to come back", () => {
    const kinds = Object.fromEntries([1000, 1006, 4000, 4001, 4002, 4003, 4100, 4101, 4102, 4199].map((code) => [code, endingOfCode(code)]));
    expect(kinds).toEqual({
      1000: { kind: "broken" },
      1006: { kind: "broken" },
      4000: { kind: "broken" },
      4001: { kind: "busy" },
      4002: { kind: "busy" },
      4003: { kind: "broken" },
      4100: { kind: "refused", why: "unauthorised" },
      4101: { kind: "refused", why: "replaced" },
      4102: { kind: "refused", why: "bad_frame" },
      4199: { kind: "refused", why: "bad_frame" },
    });
  });

  test("says nothing more after it was closed", () => {
    const { socket, line, seen } = open();
    line.close();
    socket.frame({ type: "message", ...message(4) });
    socket.onclose?.({ code: 1000 });
    expect(socket.closed).toBe(true);
    expect(seen).toMatchObject({ items: [], endings: [] });
  });
});

describe("SSE", () => {
  function body(...chunks: string[]) {
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk));
        controller.close();
      },
    });
    return new Response(stream, { headers: { "content-type": "text/event-stream" } });
  }
  async function read(answer: Response | Error, cursor?: string) {
    const asked: string[] = [];
    const acks: Ack[] = [];
    const { seen, to } = sink();
    const get = (address: URL) => {
      asked.push(String(address));
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    };
    const line = sse(url, (ack) => Promise.resolve(acks.push(ack)), get as typeof fetch)(cursor, to);
    await settled();
    return { seen, asked, acks, line };
  }

  test("the first id is where it starts, and what is acknowledged from", async () => {
    const text = `retry: 3000\nid: ${at(3)}\n\nid: ${at(4)}\ndata: ${JSON.stringify(message(4))}\n\n`;
    const { seen, acks, line, asked } = await read(body(text.slice(0, 25), text.slice(25, 60), text.slice(60)), at(3));
    expect(asked[0]).toContain(`cursor=${at(3)}`);
    expect(seen.opened).toEqual([{ cursor: at(3), heartbeatMs: 15_000 }]);
    expect(seen.items).toEqual([
      { type: "position", cursor: at(3) },
      { type: "message", message: message(4) },
    ]);
    line.stored(at(4), true, []);
    line.stored(at(5), false, []);
    expect(acks).toEqual([{ from: at(3), cursor: at(4) }]);
    expect(seen.endings).toEqual([{ kind: "broken" }]);
  });

  test("state and reset have names", async () => {
    const change = { cursor: at(5), id: message(4).id, read_at: 9 };
    const reset = { cursor: at(7), reason: "retention", lost: 2 };
    const { seen } = await read(body(`id: ${at(5)}\nevent: state\ndata: ${JSON.stringify(change)}\n\nid: ${at(7)}\nevent: reset\ndata: ${JSON.stringify(reset)}\n\n`));
    expect(seen.items).toEqual([
      { type: "state", change },
      { type: "reset", reset },
    ]);
  });

  test("a stream with nothing but retry is a refusal for now", async () => {
    expect((await read(body("retry: 9000\n\n"))).seen.endings).toEqual([{ kind: "busy", retryAfterMs: 9000 }]);
  });

  test("statuses and a missing server", async () => {
    expect((await read(new Response("", { status: 401 }))).seen.endings).toEqual([{ kind: "refused", why: "unauthorised" }]);
    expect((await read(new Response("", { status: 503, headers: { "retry-after": "5" } }))).seen.endings).toEqual([{ kind: "busy", retryAfterMs: 5000 }]);
    expect((await read(new Response("<html>", { headers: { "content-type": "text/html" } }))).seen.endings).toEqual([{ kind: "broken" }]);
    expect((await read(new TypeError("failed to fetch"))).seen.endings).toEqual([{ kind: "unreachable" }]);
  });

  test("blocks are the same wherever the chunks are cut", () => {
    const text = `: comment\nid: a-1\ndata: {"x":\ndata: 1}\n\nid: a-2\r\n\r\nevent: state\rdata: y\r\rx`;
    const whole: unknown[] = [];
    new Blocks((block) => whole.push(block)).push(text);
    expect(whole).toEqual([{ id: "a-1", data: '{"x":\n1}' }, { id: "a-2" }, { event: "state", data: "y" }]);
    for (let cut = 1; cut < text.length; cut++) {
      const parts: unknown[] = [];
      const blocks = new Blocks((block) => parts.push(block));
      blocks.push(text.slice(0, cut));
      blocks.push(text.slice(cut));
      expect(parts, `cut at ${cut}`).toEqual(whole);
    }
  });
});

describe("poll", () => {
  test("asks again only after what it got was stored, with the new cursor", async () => {
    const asked: URL[] = [];
    const answers = [pollAnswer({ messages: [message(4)], states: [{ cursor: at(3), id: message(1).id, read_at: 1 }], cursor: at(4) }), pollAnswer({ cursor: at(9) })];
    const { seen, to } = sink();
    const get = (address: URL) => {
      asked.push(address);
      const answer = answers.shift();
      return answer ? Promise.resolve(Response.json(answer)) : new Promise(() => {});
    };
    const line = poll(url, new FakeClock(), get as unknown as typeof fetch)(at(2), to);
    await settled();
    expect(seen.items).toEqual([
      { type: "state", change: { cursor: at(3), id: message(1).id, read_at: 1 } },
      { type: "message", message: message(4) },
      { type: "position", cursor: at(4) },
    ]);
    expect(asked).toHaveLength(1);
    line.stored(at(3), true, []);
    await settled();
    expect(asked).toHaveLength(1);
    line.stored(at(4), true, []);
    await settled();
    expect(asked.map(({ searchParams }) => [searchParams.get("cursor"), searchParams.get("wait")])).toEqual([
      [at(2), "0"],
      [at(4), "25"],
    ]);
  });

  test("a page that is not the server's is broken, no answer is unreachable", async () => {
    for (const [get, kind] of [
      [() => Promise.resolve(new Response("<html>")), "broken"],
      [() => Promise.reject(new TypeError("failed to fetch")), "unreachable"],
      [() => Promise.resolve(new Response("", { status: 404 })), "broken"],
    ] as const) {
      const { seen, to } = sink();
      poll(url, new FakeClock(), get)(undefined, to);
      await settled();
      expect(seen.endings).toEqual([{ kind }]);
    }
  });
});
