// @vitest-environment node
import { describe, expect, test } from "vitest";
import { BACKOFF_MOST_MS, CLIMB_FIRST_MS, CLIMB_SOON_MS, OPEN_MS, STABLE_MS } from "../../src/stream/stream";
import { at, bench, message, settled } from "./fakes";

describe("which transport", () => {
  test("begins with a WebSocket and falls to SSE, then to poll, without waiting", async () => {
    const b = bench();
    await b.stream.start();
    expect(b.last().transport).toBe("websocket");
    b.last().sink.ended({ kind: "broken" });
    expect(b.last().transport).toBe("sse");
    b.last().sink.ended({ kind: "broken" });
    expect(b.last().transport).toBe("poll");
    b.last().sink.opened({ cursor: undefined });
    expect(b.link()).toMatchObject({ state: "online", transport: "poll" });
  });

  test("a transport that stays silent is taken for buffered and given up", async () => {
    const b = bench();
    await b.stream.start();
    await b.clock.pass(OPEN_MS);
    expect(b.lines[0]!.closed).toBe(true);
    expect(b.last().transport).toBe("sse");
  });

  test("when the server is not there, it waits instead of trying the others, and begins where it worked", async () => {
    const b = bench();
    await b.stream.start();
    b.last().sink.ended({ kind: "broken" });
    b.last().sink.ended({ kind: "unreachable" });
    expect(b.link()).toMatchObject({ state: "offline" });
    expect(b.lines).toHaveLength(2);
    await b.clock.pass(250);
    expect(b.last().transport).toBe("websocket");
  });

  test("three short lives and the next transport is taken", async () => {
    const b = bench({ random: 0 });
    await b.stream.start();
    for (let life = 0; life < 3; life++) {
      expect(b.last().transport).toBe("websocket");
      b.last().sink.opened({ cursor: at(1), heartbeatMs: 15_000 });
      b.last().sink.ended({ kind: "broken" });
      await b.clock.pass(0);
    }
    expect(b.last().transport).toBe("sse");
  });

  test("climbs back beside the working stream, which ends only after hello", async () => {
    const b = bench();
    await b.stream.start();
    b.last().sink.ended({ kind: "broken" });
    const sse = b.last();
    sse.sink.opened({ cursor: at(5) });
    await b.clock.pass(CLIMB_FIRST_MS);
    const probe = b.last();
    expect(probe.transport).toBe("websocket");
    expect(sse.closed).toBe(false);
    sse.sink.item({ type: "message", message: message(6) });
    await settled();
    probe.sink.opened({ cursor: at(5), heartbeatMs: 15_000 });
    expect(sse.closed).toBe(true);
    probe.sink.item({ type: "message", message: message(6) });
    probe.sink.item({ type: "message", message: message(7) });
    await settled();
    expect(b.link()).toMatchObject({ state: "online", transport: "websocket" });
    expect(b.shown()).toEqual([at(6), at(7)]);
  });

  test("climbs soon to what worked before the server went away", async () => {
    const b = bench();
    await b.stream.start();
    b.last().sink.opened({ cursor: at(5) });
    await b.clock.pass(20_000);
    b.last().sink.ended({ kind: "broken" });
    await b.clock.pass(250);
    b.last().sink.ended({ kind: "broken" });
    b.last().sink.opened({ cursor: at(5) });
    expect(b.link()).toMatchObject({ transport: "sse" });
    await b.clock.pass(CLIMB_SOON_MS);
    expect(b.last().transport).toBe("websocket");
  });

  test("a failed climb leaves the working stream alone and waits twice as long", async () => {
    const b = bench();
    await b.stream.start();
    b.last().sink.ended({ kind: "broken" });
    const sse = b.last();
    sse.sink.opened({ cursor: at(5) });
    await b.clock.pass(CLIMB_FIRST_MS);
    b.last().sink.ended({ kind: "broken" });
    expect(sse.closed).toBe(false);
    await b.clock.pass(CLIMB_FIRST_MS);
    expect(b.lines).toHaveLength(3);
    await b.clock.pass(CLIMB_FIRST_MS);
    expect(b.lines).toHaveLength(4);
  });
});

describe("coming back", () => {
  test("full jitter that doubles to a limit and starts anew after a minute of calm", async () => {
    const b = bench({ random: 1 });
    await b.stream.start();
    const waits: number[] = [];
    for (let i = 0; i < 9; i++) {
      b.last().sink.ended({ kind: "unreachable" });
      const link = b.link();
      if (link?.state !== "offline") throw new Error("not offline");
      waits.push(link.retry_at! - b.clock.now());
      await b.clock.pass(waits.at(-1)!);
    }
    expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 16_000, BACKOFF_MOST_MS, BACKOFF_MOST_MS, BACKOFF_MOST_MS]);
    b.last().sink.opened({ cursor: at(1) });
    await b.clock.pass(STABLE_MS);
    b.last().sink.ended({ kind: "broken" });
    expect(b.link()).toMatchObject({ state: "offline", retry_at: b.clock.now() + 500 });
  });

  test("offline since the moment it was lost, not since the last attempt", async () => {
    const b = bench();
    await b.stream.start();
    b.last().sink.opened({ cursor: at(1) });
    await b.clock.pass(20_000);
    const lost = b.clock.now();
    b.last().sink.ended({ kind: "broken" });
    await b.clock.pass(250);
    b.last().sink.ended({ kind: "unreachable" });
    expect(b.link()).toMatchObject({ state: "offline", since: lost });
  });

  test("silence for two heartbeats is a dead connection", async () => {
    const b = bench();
    await b.stream.start();
    b.last().sink.opened({ cursor: at(1), heartbeatMs: 15_000 });
    await b.clock.pass(20_000);
    b.last().sink.item({ type: "position", cursor: at(1) });
    await b.clock.pass(29_000);
    expect(b.last().closed).toBe(false);
    await b.clock.pass(1_000);
    expect(b.lines[0]!.closed).toBe(true);
    expect(b.link()).toMatchObject({ state: "offline" });
  });

  test.each(["unauthorised", "replaced", "bad_frame"] as const)("never by itself when %s, but when the person asks", async (why) => {
    const b = bench();
    await b.stream.start();
    b.last().sink.opened({ cursor: at(1) });
    b.last().sink.ended({ kind: "refused", why });
    expect(b.link()).toMatchObject({ state: "stopped", why });
    await b.clock.pass(3_600_000);
    expect(b.lines).toHaveLength(1);
    b.stream.again();
    await settled();
    expect(b.lines).toHaveLength(2);
  });

  test("the server's wish to wait is kept", async () => {
    const b = bench({ random: 0 });
    await b.stream.start();
    b.last().sink.ended({ kind: "busy", retryAfterMs: 7000 });
    await b.clock.pass(6999);
    expect(b.lines).toHaveLength(1);
    await b.clock.pass(1);
    expect(b.lines).toHaveLength(2);
  });

  test("wakes at once when the network is back", async () => {
    const b = bench();
    await b.stream.start();
    b.last().sink.ended({ kind: "unreachable" });
    b.stream.wake();
    expect(b.lines).toHaveLength(2);
  });
});

describe("what is acknowledged", () => {
  test("stored, then shown, then acknowledged", async () => {
    const b = bench();
    await b.stream.start();
    b.last().sink.opened({ cursor: at(3) });
    let release = () => {};
    b.store.gate = new Promise<void>((resolve) => (release = resolve));
    b.last().sink.item({ type: "message", message: message(4) });
    await settled();
    expect(b.last().stored).toEqual([]);
    expect(b.shown()).toEqual([]);
    release();
    await settled();
    expect(b.store.log).toEqual([`commit ${at(4)}`, `shown ${at(4)}`, `stored ${at(4)}`]);
    expect(b.last().stored).toEqual([{ cursor: at(4), owed: true, shown: [] }]);
  });

  test("a failed write acknowledges nothing, shows nothing, and the message comes again", async () => {
    const b = bench();
    await b.stream.start();
    b.last().sink.opened({ cursor: at(3) });
    b.last().sink.item({ type: "message", message: message(4) });
    await settled();
    b.store.failing = true;
    b.last().sink.item({ type: "message", message: message(5) });
    await settled();
    expect(b.lines[0]!.stored.map(({ cursor }) => cursor)).toEqual([at(4)]);
    expect(b.lines[0]!.closed).toBe(true);
    b.store.failing = false;
    await b.clock.pass(250);
    expect(b.last().cursor).toBe(at(4));
    b.last().sink.opened({ cursor: at(4) });
    b.last().sink.item({ type: "message", message: message(5) });
    await settled();
    expect(b.shown()).toEqual([at(4), at(5)]);
  });

  test("positions are stored without an acknowledgement", async () => {
    const b = bench();
    await b.stream.start();
    b.last().sink.opened({ cursor: at(3) });
    b.last().sink.item({ type: "position", cursor: at(9) });
    await settled();
    expect(b.last().stored).toEqual([{ cursor: at(9), owed: false, shown: [] }]);
    expect((await b.store.load()).cursor).toBe(at(9));
  });

  test("resumes from the stored position and acknowledges the range before once more", async () => {
    const b = bench();
    await b.store.commit({ messages: [message(8)], changes: [], cursor: at(8), from: at(5) });
    await b.stream.start();
    expect(b.last().cursor).toBe(at(8));
    b.last().sink.opened({ cursor: at(8) });
    expect(b.acks).toEqual([{ from: at(5), cursor: at(8) }]);
  });

  test("what arrives before the person's eyes is reported as shown, old versions are not", async () => {
    const b = bench({ visible: true });
    await b.stream.start();
    b.last().sink.opened({ cursor: at(3) });
    b.last().sink.item({ type: "message", message: message(4) });
    await settled();
    b.last().sink.item({ type: "message", message: message(5, { superseded_by: "m00000000009" }) });
    await settled();
    expect(b.last().stored.flatMap(({ shown }) => shown.map(({ id }) => id))).toEqual([message(4).id]);
  });
});

describe("nothing twice, nothing lost", () => {
  test("drops what is at or before the stored position, and ids that the store has", async () => {
    const b = bench();
    await b.store.commit({ messages: [message(8)], changes: [], cursor: at(8), from: at(5) });
    await b.stream.start();
    b.last().sink.opened({ cursor: at(8) });
    b.last().sink.item({ type: "message", message: message(7) });
    b.last().sink.item({ type: "message", message: message(8) });
    b.last().sink.item({ type: "message", message: { ...message(8), cursor: at(2, "newepoch") } });
    b.last().sink.item({ type: "message", message: message(9) });
    await settled();
    expect(b.shown()).toEqual([at(9)]);
  });

  test("a reset is stored, told, and its position is gone on from", async () => {
    const b = bench();
    await b.store.commit({ messages: [], changes: [], cursor: at(80), from: at(80) });
    await b.stream.start();
    b.last().sink.opened({ cursor: at(80) });
    const reset = { cursor: at(2, "newepoch"), reason: "epoch", lost: 0 } as const;
    b.last().sink.item({ type: "reset", reset });
    b.last().sink.item({ type: "message", message: { ...message(3), cursor: at(3, "newepoch") } });
    await settled();
    expect(b.events).toContainEqual({ type: "reset", reset });
    expect(b.shown()).toEqual([at(3, "newepoch")]);
    expect(await b.store.load()).toEqual({ cursor: at(3, "newepoch"), from: at(2, "newepoch") });
  });

  test("changes by other devices reach the page", async () => {
    const b = bench();
    await b.stream.start();
    b.last().sink.opened({ cursor: at(3) });
    const change = { cursor: at(4), id: message(1).id, read_at: 12 };
    b.last().sink.item({ type: "state", change });
    await settled();
    expect(b.events).toContainEqual({ type: "state", change });
    expect(b.last().stored).toEqual([{ cursor: at(4), owed: true, shown: [] }]);
  });
});
