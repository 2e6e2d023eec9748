/** Who has a message and who has not, and once more to those who have not, over a server in memory. */
import { describe, expect, test } from "vitest";
import type { DemoBackend } from "../../demo/backend";
import { Failure } from "../../src/backend/backend";
import type { ResendMessage } from "../../src/protocol";
import { i18n } from "../../src/text/i18n.svelte";
import { nothing, resent } from "../../src/text/resent";
import { button, called, fill, go, idle, open, text, until } from "./harness";

const ID = "Demo00000120";
const people = () => [...document.querySelectorAll<HTMLElement>("[data-person]")].map((row) => row.dataset["person"]);
const person = (name: string) => document.querySelector<HTMLElement>(`[data-person=${name}]`)!;
const segment = (begins: string) => [...document.querySelectorAll("button")].find((each) => each.textContent?.startsWith(begins))!;
const orders = (backend: DemoBackend, id = ID) => called(backend, "POST", `/v1/messages/${id}/resend`).map(({ body }) => body as ResendMessage);

async function receipt(options: Parameters<typeof open>[0] = {}) {
  const opened = await open(options);
  await go(`#/receipts/${ID}`);
  await until(() => people().length > 0);
  return opened;
}

describe("a receipt", () => {
  test("is people down and ways across, the furthest state first, with why somebody is missing", async () => {
    await receipt();
    expect([...document.querySelectorAll("thead th")].map((cell) => cell.textContent)).toEqual(["Person", "State", "App and page", "Harbour service account", "Harbour WeCom"]);
    expect(people()).toEqual(["ann", "bo", "chen", "dora"]);
    expect(person("dora").querySelector(".state")?.textContent).toContain("Acknowledged");
    expect(person("chen").querySelector(".state")?.textContent).toContain("Missing");
    expect(person("chen").textContent).toContain("A channel could not deliver it");
    expect(person("chen").textContent).toMatch(/offline since (today|yesterday) \d\d:\d\d/);
    expect(person("chen").textContent).toContain("The platform says: userid not found (60111)");
    expect(person("bo").textContent).toMatch(/Reminded (today|yesterday) \d\d:\d\d/);
    expect(document.querySelector("[data-testid=missing]")?.textContent).toContain("Not received by chen");
  });

  test("is narrowed to who is missing, has not read, has not acknowledged", async () => {
    await receipt();
    expect(segment("Missing").textContent).toBe("Missing 1");
    segment("Missing").click();
    await until(() => people().join() === "chen");
    segment("Unread").click();
    await until(() => people().join() === "bo,chen");
    segment("Not acknowledged").click();
    await until(() => people().join() === "ann,bo,chen");
    segment("All").click();
    await until(() => people().length === 4);
  });

  test("of more people than a page begins with who is missing, wherever they stand", async () => {
    const { backend } = await receipt({ people: "many" });
    await until(() => people().length === 7);
    expect(people()).toEqual(["chen", "p007", "p047", "p087", "p127", "p167", "p207"]);
    expect(called(backend, "GET", `/v1/messages/${ID}/receipt?after=p195`)).toHaveLength(1);
    segment("All").click();
    await until(() => people().length === 240);
    expect(text()).not.toContain("More people");
  });

  test("says what happened and what comes next", async () => {
    await receipt();
    const history = [...document.querySelectorAll("[data-entry]")].map((entry) => entry.textContent ?? "");
    expect(history[0]).toContain("Sent to 4 people");
    expect(history[1]).toContain("First received by Dora Marsh");
    expect(history[2]).toContain("Received by 3, last by Bo Lindqvist");
    expect(history[4]).toContain("Step 1: told Bo Lindqvist, Chen Wei over App and page, Harbour WeCom");
    expect(document.querySelector("[data-entry=next]")?.textContent).toMatch(/Step 2 in (4 min|3 min \d+ s)After it at most 2 more\./);
    await go("#/receipts/Demo00000119");
    await until(() => text().includes("All steps ran, and nobody answered"));
    expect(text()).toContain("3 min late: it was planned for");
  });

  test("counts as sent to whom it went at first, not whom a step brought in", async () => {
    const sent = () => document.querySelector("[data-entry]")?.textContent ?? "";
    const { backend } = await open({ people: "many" });
    const told = backend.receipts.told[0]!;
    told.people.find(({ user }) => user === "dora")!.escalated = "Copy00000001";
    for (const each of told.people) if (each.state === "missing") each.state = each.user === "chen" ? "withdrawn" : "received";
    await go(`#/receipts/${ID}`);
    // As long as some rows are not known, nobody can tell how many of them were brought in.
    await until(() => people().length === 200);
    expect(sent()).toMatch(/^\s*Sent (today|yesterday)/);
    button("More people").click();
    await until(() => people().length === 240);
    expect(sent()).toContain("Sent to 239 people");
    await go("#/receipts/Demo00000118");
    await until(() => sent().includes("Sent to 2 people"));
  });

  test("reminds one person over the chosen way, once however often it is pressed", async () => {
    const { backend } = await receipt();
    await until(() => document.querySelectorAll("[name=again-way] option").length > 3);
    await fill("[name=again-way]", "wecom");
    const remind = button("Remind Chen Wei over Harbour WeCom");
    remind.click();
    remind.click();
    await until(() => text().includes("1 delivery is queued."));
    remind.click();
    await idle();
    expect(orders(backend)).toEqual([{ via: ["wecom"], until: expect.any(Number), people: ["chen"] }]);
  });

  test("reminds all who are missing, and shows how many have it meanwhile", async () => {
    const { backend } = await receipt({ people: "many" });
    await until(() => people().length === 7);
    button("Remind 7 missing people").click();
    await until(() => text().includes("Shown again to 7 people."));
    expect(orders(backend)).toEqual([{ via: ["desktop"], until: expect.any(Number) }]);
    expect(text()).toContain("0 of 7 have it now");
    for (const each of backend.receipts.told[0]!.people.filter(({ state }) => state === "missing").slice(0, 3)) each.state = "received";
    await until(() => text().includes("3 of 7 have it now"));
  });

  test("names whom a way does not reach", async () => {
    await receipt();
    await until(() => document.querySelectorAll("[name=again-way] option").length > 3);
    await fill("[name=again-way]", "wechat");
    button("Remind 1 missing person").click();
    await until(() => text().includes("No address there: chen."));
  });

  test("stops the escalation, after asking", async () => {
    const { backend } = await receipt();
    button("Stop escalation").click();
    await idle();
    expect(called(backend, "POST", `/v1/messages/${ID}/cancel`)).toHaveLength(0);
    document.querySelector<HTMLButtonElement>("dialog .danger")!.click();
    await until(() => text().includes("Escalation stopped by Ann Keller"));
    expect(called(backend, "POST", `/v1/messages/${ID}/cancel`)).toHaveLength(1);
    expect(document.querySelector("[data-entry=next]")).toBeNull();
  });

  test("shows a member who was only sent it their own row, and nothing to press", async () => {
    const { backend } = await open({ role: "member" });
    const request = backend.request.bind(backend);
    backend.request = (async (method, path, body) => {
      const answer = await request(method, path, body);
      return path.includes("/receipt") ? { ...(answer as object), whole: false, people: (answer as { people: { user: string }[] }).people.slice(0, 1), missing: [], groups: [], escalation: undefined } : answer;
    }) as typeof backend.request;
    await go(`#/message/${ID}`);
    await until(() => people().length === 1);
    expect(text()).toContain("Only the sender and admins see who else has this message.");
    expect(document.querySelector("[name=again-way]")).toBeNull();
    expect(text()).not.toContain("What happened");
  });
});

describe("what somebody has not received", () => {
  const lines = () => [...document.querySelectorAll<HTMLElement>("[data-receipt]")];
  const box = (id: string) => document.querySelector<HTMLInputElement>(`[data-receipt=${id}] input`)!;

  async function list(options: Parameters<typeof open>[0] = {}) {
    const opened = await open(options);
    await go("#/receipts");
    await until(() => lines().length > 0);
    return opened;
  }

  test("comes first, with names, failures and escalation; each leads to its receipt", async () => {
    const { backend } = await list();
    expect(lines()).toHaveLength(3);
    expect(lines()[0]!.textContent).toContain("Not received by chen");
    expect(lines()[0]!.textContent).toContain("1 delivery failed");
    expect(lines()[0]!.textContent).toContain("Escalating");
    expect(lines()[1]!.textContent).toContain("Nobody answered");
    expect(called(backend, "GET", "/v1/receipts?filter=undelivered&limit=50")).toHaveLength(1);
    lines()[0]!.querySelector("a")!.click();
    await until(() => people().length === 4);
    expect(location.hash).toBe(`#/receipts/${ID}`);
  });

  test("is filtered by the server", async () => {
    const { backend } = await list();
    button("Unknown").click();
    await until(() => lines().length === 1);
    button("All").click();
    await until(() => lines().length === 8);
    await fill("[name=where-topic]", "ci");
    await until(() => lines().length === 1);
    await until(() => document.querySelectorAll("[name=where-user] option").length > 2 && document.querySelectorAll("[name=where-channel] option").length > 2);
    await fill("[name=where-user]", "bo");
    await fill("[name=where-channel]", "wecom");
    await fill("[name=where-time]", "24");
    const path = backend.calls.findLast(({ path }) => path.startsWith("/v1/receipts"))!.path;
    expect(path).toMatch(/^\/v1\/receipts\?filter=all&topic=ci&user=bo&channel=wecom&since=\d+&limit=50$/);
    await until(() => text().includes("Nothing matches."));
  });

  test("is narrowed by who has not got it, also for a member who may not list people", async () => {
    const { backend } = await list({ role: "member" });
    expect([...document.querySelectorAll<HTMLOptionElement>("[name=where-user] option")].map(({ value }) => value)).toEqual(["", "bo", "chen"]);
    await fill("[name=where-user]", "bo");
    await until(() => lines().length === 1);
    expect(called(backend, "GET", "/v1/users")).toHaveLength(0);
  });

  test("is looked for further back where the server found nothing among the newer ones", async () => {
    const { backend } = await open();
    const request = backend.request.bind(backend);
    backend.request = (async (method, path, body) => {
      const answer = await request(method, path, body);
      const before = Number(/before=(\d+)/.exec(path)?.[1] ?? 900);
      return path.startsWith("/v1/receipts") && before > 500 ? { items: [], next: before - 100 } : answer;
    }) as typeof backend.request;
    await go("#/receipts");
    await until(() => lines().length === 3);
    expect(backend.calls.findLast(({ path }) => path.startsWith("/v1/receipts"))?.path).toContain("before=500");
  });

  test("several again, one after the other; what failed stays chosen", async () => {
    const { backend } = await list();
    expect(button("Send again to all missing").disabled).toBe(true);
    document.querySelector<HTMLInputElement>("[name=choose-all]")!.click();
    await until(() => text().includes("3 chosen"));
    box("Demo00000118").click();
    await until(() => text().includes("2 chosen"));
    const request = backend.request.bind(backend);
    let go: () => void = () => {};
    const gate = new Promise<void>((resolve) => (go = resolve));
    backend.request = (async (method, path, body) => {
      if (path === `/v1/messages/${ID}/resend`) throw new Failure("busy", "", 503);
      if (path.endsWith("/resend")) await gate;
      return request(method, path, body);
    }) as typeof backend.request;
    button("Send again to all missing").click();
    button("Send again to all missing").click();
    await until(() => text().includes("1 of 2 messages"));
    go();
    await until(() => text().includes("Shown again to 2 people."));
    expect(text()).toContain("The server is busy.");
    expect(orders(backend, "Demo00000119")).toEqual([{ via: ["desktop"], until: expect.any(Number) }]);
    await until(() => text().includes("1 chosen"));
    expect(box(ID).checked).toBe(true);
  });

  test("several again: who lacks two of them was shown two, and is no two people", () => {
    const told = (reminded: number, already: number, messages?: number) => resent({ ...nothing(), reminded, already }, messages);
    expect(told(96, 2, 12)).toBe("Shown again 96 times. Left out 2 times: told just before, or being told.");
    expect(told(1, 1, 2)).toBe("Shown again 1 time. Left out 1 time: told just before, or being told.");
    expect(told(8, 2)).toBe("Shown again to 8 people. 2 were told just before, or are being told.");
    i18n.chosen = "zh-CN";
    expect(told(96, 2, 12)).toBe("已再次提醒 96 次。 2 次刚刚已提醒或正在发送，未重复发送。");
    expect(told(8, 0)).toBe("已再次提醒 8 人。");
  });

  test("is shown as the newest answer has it: a late one brings nothing along", async () => {
    const { backend } = await list();
    const request = backend.request.bind(backend);
    let come: () => void = () => {};
    backend.request = ((method, path, body) => {
      if (path.includes("filter=expired")) return new Promise<unknown>((resolve) => (come = () => resolve({ items: [] })));
      return request(method, path, body);
    }) as typeof backend.request;
    button("Expired").click();
    await idle();
    button("Not received").click();
    await until(() => called(backend, "GET", "/v1/receipts?filter=undelivered&limit=50").length === 2);
    await idle();
    come();
    await idle();
    expect(lines()).toHaveLength(3);
    expect(button("Send again to all missing").disabled).toBe(true);
    document.querySelector<HTMLInputElement>("[name=choose-all]")!.click();
    await until(() => !button("Send again to all missing").disabled);
  });

  test("can be sent again too when it was found further back", async () => {
    const { backend } = await open();
    const request = backend.request.bind(backend);
    backend.request = ((method, path, body) => {
      const before = Number(/before=(\d+)/.exec(path)?.[1] ?? 900);
      return path.startsWith("/v1/receipts") && before > 300 ? Promise.resolve({ items: [], next: before - 100 }) : request(method, path, body);
    }) as typeof backend.request;
    await go("#/receipts");
    await until(() => text().includes("Nothing among the newer messages."));
    button("Load older messages").click();
    await until(() => lines().length === 3);
    box(ID).click();
    await until(() => !button("Send again to all missing").disabled);
    button("Send again to all missing").click();
    await until(() => orders(backend).length === 1);
    expect(orders(backend)[0]!.until).toBeGreaterThan(0);
  });

  test("several again are seen and can be stopped whatever is listed meanwhile; they go as ordered", async () => {
    const { backend } = await list();
    await until(() => document.querySelectorAll("[name=again-way] option").length > 3);
    document.querySelector<HTMLInputElement>("[name=choose-all]")!.click();
    await until(() => text().includes("3 chosen"));
    const sent: ResendMessage[] = [];
    let answer: () => void = () => {};
    const request = backend.request.bind(backend);
    backend.request = (async (method, path, body) => {
      if (path.endsWith("/resend")) {
        sent.push(body as ResendMessage);
        await new Promise<void>((resolve) => (answer = resolve));
      }
      return request(method, path, body);
    }) as typeof backend.request;
    button("Send again to all missing").click();
    await until(() => text().includes("0 of 3 messages"));
    button("Expired").click();
    await until(() => text().includes("Nothing expired before everybody had it."));
    expect(text()).toContain("0 of 3 messages");
    button("All").click();
    await until(() => lines().length === 8);
    // A second order waits for the end of the first.
    box(ID).click();
    await until(() => text().includes("1 chosen"));
    await fill("[name=again-way]", "wecom");
    button("Send again to all missing").click();
    answer();
    await until(() => text().includes("1 of 3 messages"));
    button("Cancel").click();
    answer();
    await until(() => text().includes("Shown again 3 times."));
    expect(sent).toEqual([sent[0], sent[0]]);
    expect(sent[0]).toEqual({ via: ["desktop"], until: expect.any(Number) });
    // What was left stays chosen.
    await until(() => text().includes("1 chosen"));
    expect(box("Demo00000118").checked).toBe(true);
  });

  test("in Chinese", async () => {
    await list({ lang: "zh-CN" });
    expect(lines()[1]!.textContent).toContain("尚未收到：bo、chen");
    expect(document.querySelector("h1")?.textContent).toBe("谁还没收到");
    expect(document.querySelector("nav a[href='#/receipts']")?.textContent?.trim()).toBe("未收到");
  });
});

describe("a message that escalates", () => {
  const note = () => [...document.querySelectorAll(".note")].map((each) => each.textContent).join();

  test("was handled by somebody for all", async () => {
    const { backend } = await open();
    backend.tell({ type: "state", change: { cursor: "k3v9x0ab-910", id: ID, settled: { by: "bo", at: Date.now() } } });
    await idle();
    expect(document.querySelector(`[data-row=${ID}]`)?.textContent).toContain("Handled by bo");
    expect(document.querySelector(`[data-row=${ID}]`)?.textContent).not.toContain("To acknowledge");
    await go(`#/message/${ID}`);
    await until(() => /Handled by bo (today|yesterday) \d\d:\d\d/.test(note()));
    expect(button("Acknowledge").classList.contains("primary")).toBe(false);
  });

  test("asks again until something is done with it", async () => {
    const { backend } = await open();
    const reminder = () => document.querySelector(`[data-reminder=${ID}]`);
    const tell = (change: object) => backend.tell({ type: "state", change: { cursor: "k3v9x0ab-911", id: ID, ...change } });
    tell({ remind_at: Date.now() });
    await until(() => reminder() !== null);
    expect(document.querySelector("[role=alert]")?.textContent).toContain("Still waiting for your acknowledgement");
    tell({ remind_at: Date.now() });
    await idle();
    expect(document.querySelectorAll(`[data-reminder=${ID}]`)).toHaveLength(1);
    // Somebody took care of it; a reminder that was on its way comes too late.
    tell({ settled: { by: "bo", at: Date.now() } });
    await until(() => reminder() === null);
    tell({ remind_at: Date.now() });
    await idle();
    expect(reminder()).toBeNull();
  });

  test("asks no more when it expired or a newer version came", async () => {
    const { backend, app } = await open();
    const reminders = () => document.querySelectorAll("[data-reminder]").length;
    const message = (id: string, extra: object = {}) => ({ id, cursor: `k3v9x0ab-${id.slice(-3)}`, sender: "ci", title: id, format: "text" as const, priority: 5 as const, thread: "Thread000001", created_at: Date.now(), ...extra });
    const remind = (id: string) => backend.tell({ type: "state", change: { cursor: "k3v9x0ab-990", id, remind_at: Date.now() } });
    for (const [id, over] of [["Thread000921", { expires_at: Date.now() - 1 }], ["Thread000922", { superseded_by: "Thread000923" }]] as const) {
      backend.tell({ type: "message", message: message(id, over) });
      await idle();
      remind(id);
      await idle();
      expect(reminders()).toBe(0);
    }
    backend.tell({ type: "message", message: message("Thread000930") });
    await idle();
    remind("Thread000930");
    await until(() => reminders() === 1);
    backend.tell({ type: "message", message: message("Thread000931", { supersedes: "Thread000930" }) });
    await until(() => reminders() === 0);
    remind("Thread000930");
    await idle();
    expect(reminders()).toBe(0);
    remind("Thread000931");
    await until(() => reminders() === 1);
    app.inbox.dismiss("Thread000930");
    await until(() => reminders() === 0);
  });

  test("is seen when it is opened", async () => {
    const { backend } = await open();
    backend.tell({ type: "state", change: { cursor: "k3v9x0ab-912", id: ID, remind_at: Date.now() } });
    await until(() => document.querySelector("[data-reminder]") !== null);
    document.querySelector<HTMLAnchorElement>("[data-reminder] a")!.click();
    await until(() => document.querySelector("[data-reminder]") === null && document.querySelector("h1")?.textContent === "Disk almost full on db-1");
  });

  test("tells the next person that it is their turn", async () => {
    const { backend } = await open();
    backend.tell({ type: "message", message: { id: "Next00000001", cursor: "k3v9x0ab-913", sender: "tocsin", title: "Disk almost full on db-1", format: "text", priority: 5, thread: "Next00000001", escalates: ID, created_at: Date.now() } });
    await go("#/message/Next00000001");
    await until(() => note().includes("You are next in line for “Disk almost full on db-1”"));
    button("Acknowledge").click();
    await until(() => !note().includes("You are next in line"));
  });
});
