/** Once more, and what a receipt says of itself, over a server in memory. */
import { describe, expect, test } from "vitest";
import { Failure } from "../../src/backend/backend";
import type { Receipt } from "../../src/protocol";
import { at, button, called, find, go, idle, open, text, until } from "./harness";

const ID = "Demo00000120";
const buttons = () => [...document.querySelectorAll("button")].map((each) => each.getAttribute("aria-label") ?? each.textContent?.trim() ?? "");
/** As a screen reader has it. */
function spoken(selector: string): string {
  const copy = find(selector).cloneNode(true) as HTMLElement;
  for (const hidden of copy.querySelectorAll("[aria-hidden=true]")) hidden.remove();
  return copy.textContent ?? "";
}

async function receipt(change: Partial<Receipt> = {}, lang: "en" | "zh-CN" = "en") {
  const opened = await open({ lang });
  const request = opened.backend.request.bind(opened.backend);
  opened.backend.request = (async (method, path, body) => {
    const answer = await request(method, path, body);
    return path.includes("/receipt") ? { ...(answer as Receipt), ...change } : answer;
  }) as typeof opened.backend.request;
  await go(`#/receipts/${ID}`);
  await until(() => document.querySelector("[data-person]") !== null);
  return opened;
}

describe("a receipt", () => {
  test.each([
    ["of an older version", { superseded_by: "Newer0000001" }, "A newer version replaced it: people are reminded of that one."],
    ["of what expired", { expires_at: Date.now() - 1000 }, "It expired: nobody is reminded of it any more."],
    ["of what somebody took care of", { escalation: { policy: "on-call", state: "acknowledged", by: "dora", ended_at: Date.now(), steps: [] } }, "It was taken care of: nobody is reminded of it any more."],
  ] satisfies [string, Partial<Receipt>, string][])("%s offers nothing that the server would refuse, and says why", async (_, change, why) => {
    await receipt(change);
    expect(text()).toContain(why);
    expect(buttons().filter((name) => name.startsWith("Remind"))).toEqual([]);
    expect(document.querySelector("[name=again-way]")).toBeNull();
  });

  test("that still runs offers it, and says nothing of the kind", async () => {
    await receipt({ expires_at: Date.now() + 60_000 });
    expect(buttons()).toContain("Remind 1 missing person");
    expect(buttons().filter((name) => name.startsWith("Remind Chen Wei"))).toHaveLength(1);
    expect(text()).not.toContain("any more");
  });

  test("that could not be refreshed says so, and of when it is, until it can again", async () => {
    const { backend } = await receipt();
    expect(text()).not.toContain("could not be refreshed");
    const request = backend.request.bind(backend);
    backend.request = (() => Promise.reject(new Failure("network", "", 0))) as typeof backend.request;
    button("Refresh").click();
    await until(() => text().includes("could not be refreshed"));
    expect(find(".error[role=alert]").textContent).toMatch(/^This is as of today \d\d:\d\d: it could not be refreshed\. The server cannot be reached\.$/);
    expect(document.querySelectorAll("[data-person]")).toHaveLength(4);
    backend.request = request;
    button("Refresh").click();
    await until(() => !text().includes("could not be refreshed"));
  });

  test("has a table that is named by what it is of", async () => {
    await receipt();
    expect(find(".room[role=region]").getAttribute("aria-label")).toBe("Who has it: Disk almost full on db-1");
  });

  test("has a countdown that is heard", async () => {
    await receipt();
    expect(spoken("[data-entry=next]")).toMatch(/Next, if nobody answers: Step 2 in (4 min|3 min \d+ s)/);
  });

  test("in Chinese", async () => {
    await receipt({ superseded_by: "Newer0000001" }, "zh-CN");
    expect(text()).toContain("已有新版本，请在新版本中提醒。");
    expect(find(".room[role=region]").getAttribute("aria-label")).toBe("送达情况: db-1 磁盘即将写满");
    expect(spoken("[data-entry=next]")).toMatch(/第 2 步.*(4 分|3 分 \d+ 秒)/);
  });
});

describe("a delivery again", () => {
  const name = "Send again: Disk almost full on db-1, Bo Lindqvist";
  const resends = "/v1/deliveries/resend";

  async function deliveries(queued: number) {
    const opened = await at("deliveries");
    await until(() => buttons().includes(name));
    const request = opened.backend.request.bind(opened.backend);
    opened.backend.request = (async (method, path, body) => {
      if (path !== resends) return request(method, path, body);
      opened.backend.calls.push({ method, path, body });
      await idle();
      return { queued };
    }) as typeof opened.backend.request;
    return opened;
  }

  test("says when nothing was queued", async () => {
    await deliveries(0);
    button(name).click();
    await until(() => text().includes("Nothing was queued: it was already sent again meanwhile."));
    expect(text()).not.toContain("It is queued again.");
  });

  test("is asked for once, however often it is pressed", async () => {
    const { backend } = await deliveries(1);
    button(name).click();
    button(name).click();
    await until(() => text().includes("It is queued again."));
    button(name).click();
    await idle();
    expect(called(backend, "POST", resends)).toHaveLength(1);
  });
});
