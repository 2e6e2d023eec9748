/** Escalation policies and topics as an admin sets them up, over a server in memory. */
import { describe, expect, test } from "vitest";
import type { DemoBackend } from "../../demo/backend";
import type { DryRun, PolicySettings } from "../../src/protocol";
import { button, called, fill, find, go, idle, open, text, until } from "./harness";

const plan = () => find("[data-testid=dry-run]").textContent ?? "";
const runs = (backend: DemoBackend) => called(backend, "POST", "/v1/policies/dry-run").map(({ body }) => body as DryRun);

async function editor(options: Parameters<typeof open>[0] = {}, press = "Change: On call") {
  const opened = await open(options);
  await go("#/settings/policies");
  await until(() => text().includes(options.lang === "zh-CN" ? "值班" : "On call"));
  button(press).click();
  await until(() => document.querySelector("[data-testid=dry-run]") !== null);
  return opened;
}

describe("policies", () => {
  test("are an admin's alone", async () => {
    await open({ role: "member" });
    await go("#/settings/policies");
    await idle();
    expect(document.querySelector('a[href="#/settings/policies"]')).toBeNull();
    expect(text()).not.toContain("On call");
  });

  test("are listed with their topics; deleting asks and names them", async () => {
    const { backend } = await open();
    await go("#/settings/policies");
    await until(() => text().includes("3 steps"));
    button("Delete: On call").click();
    await idle();
    expect(find("dialog").textContent).toContain("Messages of ops no longer escalate");
    expect(called(backend, "DELETE", "/v1/policies/on-call")).toHaveLength(0);
    find<HTMLButtonElement>("dialog .danger").click();
    await until(() => !text().includes("On call"));
    expect(called(backend, "DELETE", "/v1/policies/on-call")).toHaveLength(1);
  });

  test("the timeline is asked for when typing pauses, and says what goes wrong", async () => {
    const { backend } = await editor();
    await until(() => plan().includes("Step 2, repetition 2"));
    expect(runs(backend)).toHaveLength(1);
    expect(runs(backend)[0]).toMatchObject({ topic: "ops", priority: 4, at: expect.any(Number) });
    expect(plan()).toContain("+5 min");
    expect(plan()).toContain("Step 2: tells Bo Lindqvist over Harbour WeCom");
    expect(plan()).toContain("Put off to the end of the quiet hours");
    expect(plan()).toContain("Dora Marsh: no address at Harbour WeCom.");
    await fill("[name=step-after-1]", "6");
    await fill("[name=step-after-1]", "7");
    await until(() => plan().includes("+7 min"));
    expect(runs(backend)).toHaveLength(2);
    expect(runs(backend)[1]!.policy.steps[1]).toMatchObject({ after_s: 420 });
    await fill("[name=dry-topic]", "");
    await until(() => plan().includes("Step 1: there is nobody to tell"));
    expect(runs(backend).at(-1)).not.toHaveProperty("topic");
  });

  test("what makes no sense is said at its field, and nothing is asked or saved", async () => {
    const { backend } = await editor();
    await until(() => runs(backend).length === 1);
    await fill("[name=step-after-0]", "10");
    expect(find("[data-step='1']").textContent).toContain("This is before the step above.");
    expect(find<HTMLInputElement>("[name=step-after-1]").getAttribute("aria-invalid")).toBe("true");
    expect(button("Save").disabled).toBe(true);
    expect(plan()).toContain("First mend what is marked.");
    button("Move up: Step 2").click();
    await until(() => !text().includes("This is before the step above."));
    expect(button("Save").disabled).toBe(false);
    await until(() => runs(backend).length === 2);
    expect(runs(backend)[1]!.policy.steps.map(({ after_s }) => after_s)).toEqual([300, 600, 1800]);
  });

  test("a new one: steps, people in their order, ways, repetitions, quiet hours, topics", async () => {
    const { backend } = await editor({}, "New policy");
    expect(button("Save").disabled).toBe(true);
    await fill("[name=policy-name]", "on-call");
    expect(text()).toContain("There is a policy of this name.");
    await fill("[name=policy-name]", "night");
    find<HTMLInputElement>("[aria-label='For messages of these topics'] input[value=ci]").click();
    find<HTMLInputElement>("[data-step='0'] input[value=next]").click();
    await idle();
    expect(text()).toContain("Add at least one person.");
    for (const user of ["chen", "bo"]) await fill("[name=step-person-0]", user);
    button("Move up: Bo Lindqvist").click();
    find<HTMLInputElement>("[data-step='0'] input[value=wecom]").click();
    await fill("[name=step-repeat-0]", "3");
    await fill("[name=step-every-0]", "2");
    button("Add a step").click();
    await idle();
    await fill("[name=step-unless-1]", "read_by_all");
    find<HTMLInputElement>("[name=policy-quiet]").click();
    await idle();
    await fill("[name=quiet-zone]", "Asia/Shanghai");
    button("Save").click();
    await until(() => text().includes("night") && document.querySelector("[data-testid=dry-run]") === null);
    expect(called(backend, "PUT", "/v1/policies/night")[0]!.body).toEqual({
      steps: [
        { after_s: 120, unless: "acknowledged_by_any", notify: { who: "next", people: ["bo", "chen"] }, via: ["desktop", "wecom"], repeat: 3, every_s: 120 },
        { after_s: 420, unless: "read_by_all", notify: { who: "missing" }, via: ["desktop", "wecom"] },
      ],
      quiet: { from: "22:00", to: "07:00", zone: "Asia/Shanghai" },
    } satisfies PolicySettings);
    expect(called(backend, "PATCH", "/v1/topics/ci")[0]!.body).toEqual({ policy: "night" });
    expect(backend.calls.filter(({ method }) => method === "PATCH")).toHaveLength(1);
  });

  test("what only the server knows stands at its step, and goes away when it is mended", async () => {
    const { backend } = await editor();
    const { Failure } = await import("../../src/backend/backend");
    const request = backend.request.bind(backend);
    backend.request = ((method, path, body) => (method === "PUT" ? Promise.reject(new Failure("invalid_field", "step 2: chen is gone", 422)) : request(method, path, body))) as typeof backend.request;
    button("Save").click();
    await until(() => find("[data-step='1']").textContent!.includes("chen is gone"));
    button("Remove: Chen Wei").click();
    await until(() => !text().includes("chen is gone"));
  });

  test("in Chinese", async () => {
    await editor({ lang: "zh-CN" }, "编辑: 值班");
    await until(() => plan().includes("第 2 步：通过海港企业微信通知 林博"));
    expect(plan()).toContain("马多拉 没有绑定海港企业微信");
  });
});

describe("a topic", () => {
  test("says that it is silent; its policy and what is expected of it are set", async () => {
    const { backend } = await open();
    await go("#/people");
    await until(() => text().includes("Silent: due"));
    expect(text()).toContain("escalates: on-call");
    button("Settings: backup").click();
    await until(() => document.querySelector("[name=topic-policy] option[value=gentle]") !== null);
    expect(find<HTMLInputElement>("[name=topic-every]").value).toBe("1");
    await fill("[name=topic-policy]", "gentle");
    await fill("[name=topic-every-unit]", "seconds");
    expect(text()).toContain("At least 10 s.");
    await fill("[name=topic-every]", "90");
    button("Save").click();
    await until(() => document.querySelector("dialog") === null);
    expect(called(backend, "PATCH", "/v1/topics/backup")[0]!.body).toEqual({ policy: "gentle", expect_every_s: 90 });
    button("Settings: backup").click();
    await until(() => document.querySelector("[name=topic-expects]") !== null);
    find<HTMLInputElement>("[name=topic-expects]").click();
    await idle();
    await until(() => !button("Save").disabled);
    button("Save").click();
    await until(() => called(backend, "PATCH", "/v1/topics/backup").length === 2);
    expect(called(backend, "PATCH", "/v1/topics/backup")[1]!.body).toEqual({ policy: "gentle", expect_every_s: 0 });
    await until(() => !text().includes("Silent: due"));
  });
});

test("who is there: by person over all devices, and by device", async () => {
  await open();
  await go("#/people");
  await until(() => text().includes("chen-laptop"));
  const line = (name: string) => [...document.querySelectorAll(".entries li")].find((each) => each.textContent?.includes(name))?.textContent ?? "";
  expect(line("Bo Lindqvist")).toContain("online");
  expect(line("Chen Wei")).toMatch(/offline since (today|yesterday) \d\d:\d\d/);
  expect(line("chen-laptop")).toMatch(/offline since/);
});
