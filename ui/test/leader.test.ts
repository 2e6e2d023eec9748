// @vitest-environment node
import { afterEach, expect, test } from "vitest";
import type { BackendEvent } from "../src/backend/backend";
import { Leader } from "../src/backend/leader";

/** Web Locks as the specification has them: one holder, the others wait in order. */
class Locks {
  #waiting: { signal: AbortSignal; run: () => Promise<void> | undefined; reject: (reason: unknown) => void }[] = [];
  #held = false;

  request(_name: string, { signal }: { signal: AbortSignal }, run: () => Promise<void> | undefined): Promise<void> {
    return new Promise((_, reject) => {
      const waiter = { signal, run, reject };
      signal.addEventListener("abort", () => {
        if (!this.#waiting.includes(waiter)) return;
        this.#waiting = this.#waiting.filter((other) => other !== waiter);
        reject(signal.reason);
      });
      this.#waiting.push(waiter);
      void this.#next();
    });
  }

  async #next(): Promise<void> {
    if (this.#held) return;
    const next = this.#waiting.shift();
    if (!next) return;
    this.#held = true;
    await next.run();
    this.#held = false;
    void this.#next();
  }
}

const open: Leader[] = [];
afterEach(() => open.splice(0).forEach((leader) => leader.stop()));

function tab(locks: Locks, name: string) {
  const heard: BackendEvent[] = [];
  const log: string[] = [];
  const leader = new Leader(name, {
    locks: locks as unknown as LockManager,
    channel: () => new BroadcastChannel(name),
    lead: () => {
      log.push("lead");
      return { stop: () => log.push("stop"), reconnect: () => log.push("reconnect") };
    },
    hear: (event) => heard.push(event),
    signedOut: () => log.push("signed out"),
  });
  open.push(leader);
  leader.start();
  return { leader, heard, log };
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error("it did not happen in time");
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const online: BackendEvent = { type: "link", link: { state: "online", transport: "websocket", since: 1 } };

test("one tab holds the stream and the other hears what it hears", async () => {
  const locks = new Locks();
  const first = tab(locks, "two-tabs");
  await until(() => first.leader.leads);
  first.leader.tell(online);
  const second = tab(locks, "two-tabs");
  // It asked how the connection is, and was told.
  await until(() => second.heard.length === 1);
  expect(second.heard).toEqual([online]);
  const event: BackendEvent = { type: "state", change: { cursor: "k3v9x0ab-4", id: "Abc123Abc123", read_at: 1 } };
  first.leader.tell(event);
  await until(() => second.heard.length === 2);
  expect(first.heard).toEqual([online, event]);
  expect(second.heard).toEqual([online, event]);
  expect(second.log).toEqual([]);
});

test("when the leader goes, the other takes over", async () => {
  const locks = new Locks();
  const first = tab(locks, "succession");
  const second = tab(locks, "succession");
  await until(() => first.leader.leads);
  first.leader.stop();
  await until(() => second.leader.leads);
  expect(first.log).toEqual(["lead", "stop"]);
  expect(second.log).toEqual(["lead"]);
});

test("a follower can ask for the stream again, and signing out is for all tabs", async () => {
  const locks = new Locks();
  const first = tab(locks, "asking");
  const second = tab(locks, "asking");
  await until(() => first.leader.leads);
  second.leader.reconnect();
  await until(() => first.log.includes("reconnect"));
  second.leader.signOut();
  await until(() => first.log.includes("signed out"));
});
