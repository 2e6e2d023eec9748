/** What is said at the fields of a policy, over a server in memory. */
import { describe, expect, test } from "vitest";
import { Failure } from "../../src/backend/backend";
import type { DryRun, PolicySettings } from "../../src/protocol";
import { button, called, fill, find, go, idle, open, text, until } from "./harness";

type Opened = Awaited<ReturnType<typeof open>>;

async function editor(press: string, lang: "en" | "zh-CN" = "en", before: (opened: Opened) => unknown = () => {}) {
  const opened = await open({ lang });
  await before(opened);
  await go("#/settings/policies");
  await until(() => document.querySelector(".entries") !== null);
  button(press).click();
  await until(() => document.querySelector("[data-testid=dry-run]") !== null);
  return opened;
}
const runs = ({ backend }: Opened) => called(backend, "POST", "/v1/policies/dry-run").map(({ body }) => body as DryRun);
const field = (name: string) => find<HTMLInputElement>(`[name=${name}]`);
const step = (index: number) => find(`[data-step='${index}']`);
const ways = (index: number) => [...step(index).querySelectorAll<HTMLInputElement>(`[name=step-via-${index}]`)];
const way = (index: number, name: string) => ways(index).find(({ value }) => value === name);

describe("the name of a new policy", () => {
  test.each([
    ["en", "New policy", "Save", "At most 64 letters a to z, digits, dots, dashes and underscores"],
    ["zh-CN", "新建策略", "保存", "最多 64 个字符，只能用英文字母、数字、点、短横线和下划线"],
  ] as const)("is checked where it is written (%s)", async (lang, press, save, why) => {
    await editor(press, lang);
    for (const name of ["夜 班", "a b", "_night", "-x"]) {
      await fill("[name=policy-name]", name);
      expect(field("policy-name").closest("label")!.textContent, name).toContain(why);
      expect(field("policy-name").getAttribute("aria-invalid"), name).toBe("true");
      expect(document.getElementById(field("policy-name").getAttribute("aria-describedby")!)?.textContent, name).toContain(why);
      expect(button(save).disabled, name).toBe(true);
    }
    await fill("[name=policy-name]", " Night-2.x_ ");
    expect(field("policy-name").getAttribute("aria-invalid")).toBe("false");
    expect(button(save).disabled).toBe(false);
  });

  test("as people know it is counted in bytes", async () => {
    await editor("Change: On call");
    await fill("[name=policy-display-name]", "值".repeat(43));
    expect(field("policy-display-name").closest("label")!.textContent).toContain("Too long: 129 of 128 bytes.");
    expect(button("Save").disabled).toBe(true);
    await fill("[name=policy-display-name]", "值".repeat(42));
    expect(button("Save").disabled).toBe(false);
  });
});

describe("a channel that is switched off", () => {
  const off = ({ backend }: Opened) => backend.request("PUT", "/v1/channels/wecom", { kind: "wecom", display_name: "Harbour WeCom", enabled: false, config: {} });

  test("is shown where a step names it, can be taken out and put back, and is not offered elsewhere", async () => {
    const { backend } = await editor("Change: On call", "en", off);
    expect(way(1, "wecom")?.checked).toBe(true);
    expect(way(1, "wecom")?.closest("label")?.textContent).toBe("Harbour WeCom (switched off)");
    expect(way(2, "wecom")).toBeUndefined();
    way(1, "desktop")!.click();
    way(1, "wecom")!.click();
    await idle();
    expect(way(1, "wecom")?.checked).toBe(false);
    button("Save").click();
    await until(() => called(backend, "PUT", "/v1/policies/on-call").length === 1);
    expect((called(backend, "PUT", "/v1/policies/on-call")[0]!.body as PolicySettings).steps[1]?.via).toEqual(["desktop"]);
  });

  test("or was removed, is named as such, and has to go", async () => {
    await editor("Change: On call", "en", ({ backend }) => backend.request("DELETE", "/v1/channels/wecom"));
    expect(way(1, "wecom")?.closest("label")?.textContent).toBe("wecom (removed)");
    expect(step(1).textContent).toContain("There is no such channel any more: wecom.");
    expect(button("Save").disabled).toBe(true);
    for (const index of [0, 1]) way(index, "wecom")!.click();
    way(1, "desktop")!.click();
    await until(() => !button("Save").disabled);
  });
});

describe("what only the server can know stands at its field, in both languages", () => {
  const refuse = ({ backend }: Opened, error: Failure) => {
    const request = backend.request.bind(backend);
    backend.request = ((method, path, body) => (path.startsWith("/v1/policies/") ? (backend.calls.push({ method, path, body }), Promise.reject(error)) : request(method, path, body))) as typeof backend.request;
  };

  test("a person who is gone", async () => {
    const opened = await editor("Change: On call", "en", (opened) => refuse(opened, new Failure("unknown_user", 'no user named "chen"', 422)));
    await until(() => step(1).textContent!.includes("No longer here: chen."));
    expect(find("[data-testid=dry-run]").textContent).toContain("First mend what is marked.");
    expect(runs(opened)).toHaveLength(1);
    button("Remove: Chen Wei").click();
    await until(() => !text().includes("No longer here"));
  });

  test("a zone that the server does not know", async () => {
    await editor("编辑: 值班", "zh-CN", (opened) => refuse(opened, new Failure("invalid_field", '"Asia/Shanghai" is no time zone: Asia/Shanghai is one', 422)));
    await until(() => field("quiet-zone").closest("fieldset")!.textContent!.includes("没有这个时区"));
    expect(field("quiet-zone").getAttribute("aria-invalid")).toBe("true");
  });
});

test("a person whom the policy names and who is gone is said before anything is sent", async () => {
  const opened = await editor("Change: On call", "en", ({ backend }) => {
    const request = backend.request.bind(backend);
    backend.request = (async (method, path, body) => {
      const answer = await request(method, path, body);
      return path === "/v1/users" ? (answer as { name: string }[]).filter(({ name }) => name !== "chen") : answer;
    }) as typeof backend.request;
  });
  expect(step(1).textContent).toContain("No longer here: chen. Remove them.");
  expect(button("Save").disabled).toBe(true);
  button("Remove: chen").click();
  await until(() => !button("Save").disabled);
  await until(() => runs(opened).length === 1);
});
