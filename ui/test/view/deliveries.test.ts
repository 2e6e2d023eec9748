/** What is on its way over channels, what failed, and sending it again, over a server in memory. */
import { expect, test } from "vitest";
import { DemoChannels } from "../../demo/channels";
import type { ChannelView, DeliveryPage } from "../../src/protocol";
import { at, button, called, fill, find, go, idle, last, open, text, until } from "./harness";

const lines = () => [...document.querySelectorAll<HTMLElement>("[data-delivery]")];

test("begin with what went wrong, with its remedy; others are asked of the server", async () => {
  const { backend } = await at("deliveries");
  await until(() => lines().length === 3);
  expect(called(backend, "GET", "/v1/deliveries?state=failed%2Cunknown&limit=50").length).toBeGreaterThan(0);
  expect(lines()[0]!.textContent).toContain("to Bo Lindqvist over Harbour WeCom");
  expect(lines()[0]!.textContent).toContain("Bind them again.");
  expect(lines()[2]!.textContent).toContain("It was tried for too long and given up.");
  await fill("[name=deliveries-show]", "all");
  await until(() => lines().length === 6);
  // How often it was tried, when it is again, and until when.
  expect(lines().find((line) => line.dataset.delivery === "6")!.textContent).toMatch(/2 tries · next try .+ · tried until .+/);
  await fill("[name=where-channel]", "ops-group");
  await until(() => lines().length === 1);
  expect(lines()[0]!.textContent).toContain("to the group over Ops group");
});

test("one again: at once if it failed, after asking if it may have arrived", async () => {
  const { backend } = await at("deliveries");
  await until(() => lines().length === 3);
  button("Send again: Disk almost full on db-1, Bo Lindqvist").click();
  await until(() => lines().length === 2);
  expect(last(backend, "POST", "/v1/deliveries/resend")).toEqual({ what: "one", id: 8, round: 0 });
  button("Send again: Payments API: error rate 4.2 %, Dora Marsh").click();
  await idle();
  expect(called(backend, "POST", "/v1/deliveries/resend")).toHaveLength(1);
  expect(text()).toContain("may show it twice");
  find<HTMLButtonElement>("dialog .danger").click();
  await until(() => lines().length === 1);
  expect(last(backend, "POST", "/v1/deliveries/resend")).toEqual({ what: "one", id: 5, round: 0 });
});

test("all that failed again, the doubtful only when asked for", async () => {
  const { backend } = await at("deliveries");
  await until(() => lines().length === 3);
  button("Send all failed again").click();
  await idle();
  expect(text()).toContain("2 messages are sent again.");
  find<HTMLButtonElement>("dialog .danger").click();
  await until(() => lines().length === 1);
  expect(last(backend, "POST", "/v1/deliveries/resend")).toMatchObject({ what: "failed", unknown: false, until: expect.any(Number) });
  find("[name=resend-unknown]").click();
  await idle();
  button("Send all failed again").click();
  await idle();
  find<HTMLButtonElement>("dialog .danger").click();
  await until(() => text().includes("Nothing failed."));
  expect(last(backend, "POST", "/v1/deliveries/resend")).toMatchObject({ unknown: true });
});

test("all means all: portion after portion, and how far it is", async () => {
  const { backend } = await at("deliveries");
  await until(() => lines().length === 3);
  const request = backend.request.bind(backend);
  const portions = [1000, 1000, 7, 0];
  let next = () => {};
  const portion = () => new Promise<unknown>((answer) => (next = () => answer({ queued: portions.shift() })));
  backend.request = ((method, path, body) => (path.endsWith("/resend") ? portion() : request(method, path, body))) as typeof backend.request;
  button("Send all failed again").click();
  await idle();
  find<HTMLButtonElement>("dialog .danger").click();
  await until(() => text().includes("0 messages are queued again so far"));
  expect(button("Send all failed again").disabled).toBe(true);
  for (const so_far of ["1,000", "2,000", "2,007"]) {
    next();
    await until(() => text().includes(`${so_far} messages are queued again so far`));
  }
  next();
  await until(() => text().includes("2,007 messages are queued again."));
  expect(portions).toEqual([]);
  expect(text()).not.toContain("so far");
});

test("that match a topic, a person and a time are sent again one by one, with how far it is", async () => {
  const { backend } = await at("deliveries");
  await until(() => lines().length === 3);
  await until(() => document.querySelectorAll("[name=where-user] option").length > 2);
  await fill("[name=where-topic]", "ops");
  await fill("[name=where-user]", "chen");
  await until(() => lines().length === 1);
  await fill("[name=where-time]", "24");
  expect(backend.calls.findLast(({ path }) => path.startsWith("/v1/deliveries"))?.path).toMatch(/^\/v1\/deliveries\?state=failed%2Cunknown&topic=ops&user=chen&since=\d+&limit=50$/);
  await until(() => lines().length === 1);
  button("Send all failed again").click();
  await idle();
  expect(text()).toContain("1 message is sent again.");
  const request = backend.request.bind(backend);
  let go: () => void = () => {};
  const gate = new Promise<void>((resolve) => (go = resolve));
  backend.request = (async (method, path, body) => {
    if (path.endsWith("/resend")) await gate;
    return request(method, path, body);
  }) as typeof backend.request;
  find<HTMLButtonElement>("dialog .danger").click();
  await until(() => text().includes("Sent again: 0 of 1"));
  go();
  await until(() => lines().length === 0);
  expect(last(backend, "POST", "/v1/deliveries/resend")).toEqual({ what: "one", id: 4, round: 0 });
});

test("many at once: how many of them went out is looked at", async () => {
  const { backend } = await at("deliveries");
  await until(() => lines().length === 3);
  button("Send all failed again").click();
  await idle();
  find<HTMLButtonElement>("dialog .danger").click();
  await until(() => text().includes("Sent again: 0 of 2"));
  const channels = backend.channels;
  const answer = channels.answer.bind(channels);
  channels.answer = (method, parts, query, body) => {
    const found = answer(method, parts, query, body);
    return parts[1] === "channels" && parts.length === 2 ? (found as { health: { queued: number } }[]).map((each) => ({ ...each, health: { ...each.health, queued: 0 } })) : found;
  };
  await until(() => text().includes("Sent again: 2 of 2"));
});

test("many at once: what failed again does not count as sent", async () => {
  const { backend } = await at("deliveries");
  await until(() => lines().length === 3);
  // What failed since the list was read was there before, and is none of those that fail again.
  const health = (queued: number, more: number) => {
    const channels = backend.channels;
    const answer = DemoChannels.prototype.answer.bind(channels);
    channels.answer = (method, parts, query, body) => {
      const found = answer(method, parts, query, body);
      return parts[1] === "channels" && parts.length === 2 ? (found as ChannelView[]).map((each) => (each.name === "wecom" ? { ...each, health: { ...each.health, queued: each.health.queued - queued, failed: each.health.failed + more } } : each)) : found;
    };
  };
  health(0, 5);
  button("Send all failed again").click();
  await idle();
  find<HTMLButtonElement>("dialog .danger").click();
  await until(() => text().includes("Sent again: 0 of 2"));
  health(2, 6);
  await until(() => text().includes("Sent again: 1 of 2"));
  // None of them waits any longer, so that nothing is left to look at.
  await until(() => !text().includes("Sent again:"));
});

test("are shown as the newest answer has them: a late one brings nothing along", async () => {
  const { backend } = await at("deliveries");
  await until(() => lines().length === 3);
  const request = backend.request.bind(backend);
  let come: () => void = () => {};
  const late = new Promise<void>((resolve) => (come = resolve));
  backend.request = (async (method, path, body) => {
    if (!path.includes("state=queued")) return request(method, path, body);
    await late;
    return { items: [{ ...((await request("GET", "/v1/deliveries")) as DeliveryPage).items[0], since: Date.now() + 60_000 }], failings: {} };
  }) as typeof backend.request;
  await fill("[name=deliveries-show]", "waiting");
  await fill("[name=deliveries-show]", "problems");
  await idle();
  come();
  await idle();
  expect(lines()).toHaveLength(3);
  button("Send all failed again").click();
  await idle();
  find<HTMLButtonElement>("dialog .danger").click();
  await until(() => lines().length === 1);
  // Up to when the list that is shown was read, not the late one.
  expect((called(backend, "POST", "/v1/deliveries/resend")[0]!.body as { until: number }).until).toBeLessThanOrEqual(Date.now());
});

test("stand in the receipt of their message, by person and for groups", async () => {
  await open();
  await go("#/message/Demo00000120");
  await until(() => document.querySelector("[data-person=chen] [data-way=wecom]") !== null);
  expect(find("[data-person=chen] [data-way=wecom]").textContent).toContain("Failed");
  expect(find("[data-person=bo] [data-way=wecom]").textContent).toContain("Accepted");
  expect(find(".group [data-way=ops-group]").textContent).toContain("Accepted");
});

test("each with its tries", async () => {
  await at("deliveries");
  await until(() => lines().length === 3);
  button("Details: Disk almost full on db-1, Bo Lindqvist").click();
  await until(() => text().includes("Refused"));
  expect(find("dialog").textContent).toContain("userid not found");
  expect(document.querySelector("dialog a[href='#/message/Demo00000120']")).not.toBeNull();
});
