// @vitest-environment node
import { IDBFactory } from "fake-indexeddb";
import { expect, test } from "vitest";
import { learned, openStore } from "../../src/stream/store";
import { at, message } from "./fakes";

test("position and messages survive the page, and what is there is not fresh", async () => {
  const factory = new IDBFactory();
  const store = await openStore("inst", "ann", factory);
  expect(store.durable).toBe(true);
  expect(await store.load()).toEqual({ cursor: undefined, from: undefined });
  expect(await store.commit({ messages: [message(4), message(5)], changes: [{ cursor: at(6), id: message(4).id, read_at: 1 }], cursor: at(6), from: at(3) })).toEqual([message(4), message(5)]);

  const again = await openStore("inst", "ann", factory);
  expect(await again.load()).toEqual({ cursor: at(6), from: at(3) });
  expect(await again.commit({ messages: [message(5), message(7)], changes: [], cursor: at(7), from: undefined })).toEqual([message(7)]);
  expect(await again.load()).toEqual({ cursor: at(7), from: at(3) });
});

test("what somebody did for all is kept with its message; that it is shown again changes nothing", () => {
  const settled = { by: "bo", at: 7 };
  expect(learned({ cursor: at(6), id: message(4).id, settled, read_at: 5 })).toEqual({ settled, read_at: 5 });
  expect(learned({ cursor: at(6), id: message(4).id, remind_at: 9 })).toEqual({});
});

test("two people at one browser do not mix", async () => {
  const factory = new IDBFactory();
  await (await openStore("inst", "ann", factory)).commit({ messages: [], changes: [], cursor: at(6), from: at(3) });
  expect(await (await openStore("inst", "bo", factory)).load()).toEqual({ cursor: undefined, from: undefined });
});

test("a browser that stores nothing is not durable", async () => {
  const refusing = { open: () => { throw new DOMException("private window"); } } as unknown as IDBFactory;
  expect((await openStore("inst", "ann", refusing)).durable).toBe(false);
});

test("a write that fails leaves everything as it was", async () => {
  const store = await openStore("inst", "ann", new IDBFactory());
  await store.commit({ messages: [message(4)], changes: [], cursor: at(4), from: at(3) });
  const unstorable = { ...message(5), tags: [(() => {}) as unknown as string] };
  await expect(store.commit({ messages: [unstorable], changes: [], cursor: at(5), from: at(3) })).rejects.toThrow();
  expect((await store.load()).cursor).toBe(at(4));
});
