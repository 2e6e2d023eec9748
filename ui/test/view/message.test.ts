/** A message that is open or asked for again while other things happen to it, over a server in memory. */
import { describe, expect, test } from "vitest";
import { button, called, fill, go, idle, open, rows, text, until } from "./harness";

const ID = "Demo00000120";
const has = (name: string) => [...document.querySelectorAll("button")].some((each) => each.textContent?.trim() === name);
const cursor = "k3v9x0ab-940";
const message = (id: string, extra: object = {}) => ({ id, cursor: `k3v9x0ab-${id.slice(-3)}`, sender: "ops", title: id, format: "text" as const, priority: 3 as const, thread: id, created_at: Date.now(), ...extra });

describe("asked for again", () => {
  test("and acknowledged or settled in one batch: nothing is asked any more", async () => {
    const { backend } = await open();
    for (const done of [{ acknowledged_at: Date.now() }, { settled: { by: "bo", at: Date.now() } }]) {
      backend.tell({ type: "state", change: { cursor, id: "Demo00000119", remind_at: Date.now() } });
      backend.tell({ type: "state", change: { cursor, id: "Demo00000119", ...done } });
      await idle();
      expect(document.querySelector("[data-reminder]")).toBeNull();
    }
  });

  test("the answer about one that is not in the list is older than what comes meanwhile", async () => {
    const { backend } = await open();
    const request = backend.request.bind(backend);
    let answer = () => {};
    const late = new Promise<unknown>((resolve) => (answer = () => resolve(message("Other0000950", { priority: 5 }))));
    backend.request = ((method, path, body) => (path === "/v1/messages/Other0000950" ? late : request(method, path, body))) as typeof backend.request;
    backend.tell({ type: "state", change: { cursor, id: "Other0000950", remind_at: Date.now() } });
    backend.tell({ type: "state", change: { cursor, id: "Other0000950", acknowledged_at: Date.now() } });
    answer();
    await idle();
    expect(document.querySelector("[data-reminder]")).toBeNull();
  });
});

describe("an open message", () => {
  test("that was acknowledged elsewhere stays so when a search hides its row", async () => {
    const { backend } = await open();
    await go(`#/message/${ID}`);
    expect(has("Acknowledge")).toBe(true);
    backend.tell({ type: "state", change: { cursor, id: ID, acknowledged_at: Date.now() } });
    await until(() => !has("Acknowledge"));
    await fill("[name=search]", "shift");
    await until(() => rows().length === 1);
    expect(document.querySelector("h1")?.textContent).toBe("Disk almost full on db-1");
    expect(has("Acknowledge")).toBe(false);
    expect(text()).toContain("Acknowledged today");
  });

  test("that has no row is changed by what happens elsewhere", async () => {
    const { backend } = await open();
    await fill("[name=search]", "shift");
    await until(() => rows().length === 1);
    await go(`#/message/${ID}`);
    await until(() => has("Acknowledge"));
    backend.tell({ type: "message", message: message("Newer0000960", { thread: ID, supersedes: ID }) });
    await until(() => text().includes("A newer version replaced this message."));
    backend.tell({ type: "state", change: { cursor, id: ID, settled: { by: "bo", at: Date.now() } } });
    await until(() => text().includes("Handled by bo"));
    backend.tell({ type: "state", change: { cursor, id: ID, acknowledged_at: Date.now() } });
    await until(() => !has("Acknowledge"));
  });

  test("is fetched once, whatever happens to the list", async () => {
    const { backend } = await open();
    await fill("[name=search]", "shift");
    await until(() => rows().length === 1);
    await go(`#/message/${ID}`);
    await until(() => has("Acknowledge"));
    backend.tell({ type: "message", message: message("Other0000961", { title: "shift" }) });
    await until(() => rows().length === 2);
    await fill("[name=search]", "");
    await until(() => rows().length > 2);
    expect(called(backend, "GET", `/v1/messages/${ID}`)).toHaveLength(1);
    expect(called(backend, "POST", `/v1/messages/${ID}/read`)).toHaveLength(1);
  });
});

test("what an escalation brought to the next person is to be acknowledged, at any priority", async () => {
  const { backend } = await open();
  backend.tell({ type: "message", message: message("Next00000970", { escalates: ID }) });
  await until(() => rows().length === 9);
  expect(document.querySelector("[data-row=Next00000970]")?.textContent).toContain("To acknowledge");
  await go("#/message/Next00000970");
  expect(button("Acknowledge").classList.contains("primary")).toBe(true);
});
