/** Channels and routing as an admin uses them, over a server in memory. */
import { describe, expect, test } from "vitest";
import { Failure } from "../../src/backend/backend";
import type { Failing, Route } from "../../src/protocol";
import { at, button, called, fill, find, go, idle, last, open, text, until } from "./harness";

const SECRET = "canary-5f1d0c7a";

async function submit(inside: string): Promise<void> {
  (find(inside).closest("form") as HTMLFormElement).requestSubmit();
  await idle();
}

function failing(more: Partial<Failing>): Failing {
  return { class: "config", code: "60020", message: "not allow to access from your ip", remedy: "trust_ip", params: { ip: "203.0.113.7" }, ...more };
}

describe("channels", () => {
  test("are an admin's alone", async () => {
    await at("wecom", { role: "member" });
    expect(document.querySelector('a[href="#/settings/wecom"]')).toBeNull();
    expect(document.querySelector("[data-channel]")).toBeNull();
  });

  test("a new one: ids, then its secret, which does not stay in the page", async () => {
    const { backend } = await at("wecom", { channels: "none" });
    expect(text()).toContain("应用管理 → 自建");
    expect(button("Add").disabled).toBe(true);
    await fill("[name=corp_id]", " wwd3a9c0 ");
    await fill("[name=agent_id]", "1000002");
    await fill("[name=channel-secret]", SECRET);
    await submit("[name=corp_id]");
    await until(() => document.querySelector("[data-channel=wecom]") !== null);
    expect(last(backend, "PUT", "/v1/channels/wecom")).toEqual({ kind: "wecom", display_name: "wecom", config: { corp_id: "wwd3a9c0", agent_id: 1000002 } });
    expect(last(backend, "PUT", "/v1/channels/wecom/secrets/secret")).toEqual({ secret: SECRET });
    expect(find<HTMLDetailsElement>("[data-channel=wecom]").open).toBe(true);
    expect([...document.querySelectorAll("input")].some((input) => input.value.includes(SECRET))).toBe(false);
    expect(document.body.innerHTML).not.toContain(SECRET);
  });

  test("where the server takes its secrets from its environment, the channel is made and that is said", async () => {
    const { backend } = await at("wecom", { channels: "none" });
    const request = backend.request.bind(backend);
    backend.request = ((method, path, body) => (path.includes("/secrets/") ? Promise.reject(new Failure("conflict", "set TOCSIN_CHANNEL_WECOM_SECRET", 409)) : request(method, path, body))) as typeof backend.request;
    await fill("[name=corp_id]", "wwd3a9c0");
    await fill("[name=agent_id]", "1000002");
    await fill("[name=channel-secret]", SECRET);
    await submit("[name=corp_id]");
    await until(() => document.querySelector("[data-channel=wecom]") !== null);
    expect(text()).toContain("not from this page: set TOCSIN_CHANNEL_WECOM_SECRET");
    expect(text()).toContain("“Secret” is missing.");
    expect([...document.querySelectorAll("input")].some((input) => input.value.includes(SECRET))).toBe(false);
  });

  test("a name that is taken would change another channel: it is refused here", async () => {
    await at("wecom");
    button("Add another").click();
    await idle();
    expect(find<HTMLInputElement>("[name=channel-name]").value).toBe("wecom-2");
    await fill("[name=channel-name]", "ops-group");
    expect(text()).toContain("There is a channel of this name.");
  });

  test("saving keeps what the form does not show, and leaves out what was emptied", async () => {
    const { backend } = await at("wechat");
    await fill("[name=proxy]", "socks5://10.0.0.9:1080");
    await submit("[name=app_id]");
    await until(() => called(backend, "PUT", "/v1/channels/wechat").length === 1);
    expect(last(backend, "PUT", "/v1/channels/wechat")).toMatchObject({ enabled: true, display_name: "Harbour service account", config: { app_id: "wx5823bf96d3bd56c7", proxy: "socks5://10.0.0.9:1080", fields: { thing1: "title", time2: "time" } } });
    await fill("[name=proxy]", "");
    await submit("[name=app_id]");
    await until(() => called(backend, "PUT", "/v1/channels/wechat").length === 2);
    expect(Object.keys((last(backend, "PUT", "/v1/channels/wechat") as { config: object }).config)).not.toContain("proxy");
  });

  test("a secret is replaced and deleted, never read", async () => {
    const { backend } = await at("wecom");
    expect(find("[data-secret=secret]").textContent).toContain("Stored");
    button("Replace: Secret").click();
    await idle();
    await fill("[data-secret=secret] input", SECRET);
    await submit("[data-secret=secret] input");
    await until(() => called(backend, "PUT", "/v1/channels/wecom/secrets/secret").length === 1);
    expect(last(backend, "PUT", "/v1/channels/wecom/secrets/secret")).toEqual({ secret: SECRET });
    await until(() => document.querySelector("[data-secret=secret] input") === null);
    button("Delete: Secret").click();
    await idle();
    expect(called(backend, "DELETE", "/v1/channels/wecom/secrets/secret")).toHaveLength(0);
    find<HTMLButtonElement>("dialog .danger").click();
    await until(() => text().includes("“Secret” is missing."));
    expect(called(backend, "DELETE", "/v1/channels/wecom/secrets/secret")).toHaveLength(1);
  });

  test("a secret that could not be kept does not stay in the field", async () => {
    const { backend } = await at("wecom");
    const request = backend.request.bind(backend);
    backend.request = ((method, path, body) => (path.includes("/secrets/") ? Promise.reject(new Failure("keyring", "locked", 503)) : request(method, path, body))) as typeof backend.request;
    button("Replace: Secret").click();
    await idle();
    await fill("[data-secret=secret] input", SECRET);
    await submit("[data-secret=secret] input");
    await until(() => text().includes("The keyring is locked or does not work."));
    expect(find<HTMLInputElement>("[data-secret=secret] input").value).toBe("");
  });

  test("what stopped says until when, what to do, and tries again when told", async () => {
    const { backend } = await at("wechat");
    expect(text()).toContain("Nothing is sent until");
    expect(text()).toContain("Add 203.0.113.7 to the trusted addresses");
    expect(text()).toContain("99,588 of 100,000");
    button("Try again now").click();
    await until(() => text().includes("The next message goes out alone"));
    expect(called(backend, "POST", "/v1/channels/wechat/reopen")).toHaveLength(1);
  });

  test("removing asks first", async () => {
    const { backend } = await at("wecom");
    button("Remove this channel").click();
    await idle();
    expect(called(backend, "DELETE", "/v1/channels/wecom")).toHaveLength(0);
    find<HTMLButtonElement>("dialog .danger").click();
    await until(() => document.querySelector("[data-channel=wecom]") === null);
    expect(called(backend, "DELETE", "/v1/channels/wecom")).toHaveLength(1);
  });
});

describe("a test", () => {
  const result = () => find("[data-testid=test-result]").textContent ?? "";

  test("of the access, then of a message to whom was chosen", async () => {
    const { backend } = await at("wecom");
    await submit("[name=test-whom]");
    await until(() => result().includes("it works"));
    expect(last(backend, "POST", "/v1/channels/wecom/test")).toEqual({});
    expect(result()).toContain("not tried");
    await fill("[name=test-whom]", "ann");
    await submit("[name=test-whom]");
    await until(() => result().includes("Look at the phone"));
    expect(last(backend, "POST", "/v1/channels/wecom/test")).toEqual({ user: "ann" });
    await fill("[name=test-whom]", "@");
    await fill("[name=test-address]", " zhangsan ");
    await submit("[name=test-whom]");
    await until(() => called(backend, "POST", "/v1/channels/wecom/test").length === 3);
    expect(last(backend, "POST", "/v1/channels/wecom/test")).toEqual({ address: "zhangsan" });
  });

  test("of a robot goes into its group", async () => {
    const { backend } = await at("wecom-robot");
    button("Test").click();
    await until(() => called(backend, "POST", "/v1/channels/ops-group/test").length === 1);
    expect(last(backend, "POST", "/v1/channels/ops-group/test")).toEqual({ group: true });
  });

  test("that fails says what to do, with the address where the platform named it", async () => {
    const { backend } = await at("wecom");
    backend.channels.next = { token: { result: "failed", failing: failing({}) }, message: { result: "skipped" } };
    await submit("[name=test-whom]");
    await until(() => result().includes("Add 203.0.113.7 to the trusted addresses"));
    expect(result()).toContain("not allow to access from your ip (60020)");
    backend.channels.next = { token: { result: "failed", failing: failing({ params: {} }) }, message: { result: "skipped" } };
    await submit("[name=test-whom]");
    await until(() => result().includes("Add this server's public address"));
    backend.channels.next = { token: { result: "passed" }, message: { result: "failed", failing: failing({ class: "unknown", code: "timeout", remedy: "check_network", params: {} }) } };
    await submit("[name=test-whom]");
    await until(() => result().includes("no answer came, it may have arrived"));
  });

  test("in Chinese", async () => {
    const { backend } = await open({ lang: "zh-CN" });
    await go("#/settings/wecom");
    await until(() => document.querySelector("[name=test-whom]") !== null);
    backend.channels.next = { token: { result: "failed", failing: failing({}) }, message: { result: "skipped" } };
    await submit("[name=test-whom]");
    await until(() => result().includes("企业可信IP”中加入 203.0.113.7"));
  });
});

describe("a webhook", () => {
  test("has an address and a signing secret that is made here, shown once for the receiver, and stored", async () => {
    const { backend } = await at("webhook", { channels: "none" });
    await fill("[name=url]", "https://tickets.example/hook");
    button("Make one").click();
    await idle();
    const made = find<HTMLTextAreaElement>("textarea[aria-label='Signing secret']").value;
    expect(made).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    await submit("[name=url]");
    await until(() => document.querySelector("[data-channel=webhook]") !== null);
    expect(last(backend, "PUT", "/v1/channels/webhook")).toEqual({ kind: "webhook", display_name: "webhook", config: { url: "https://tickets.example/hook" } });
    expect(last(backend, "PUT", "/v1/channels/webhook/secrets/key")).toEqual({ secret: made });
    expect(document.body.innerHTML).not.toContain(made);
    // One place for all: nobody is bound to it, and nothing comes back.
    expect(document.querySelector("[name=bind-user]")).toBeNull();
    expect(document.querySelector("[name=callback]")).toBeNull();
    expect(find("[data-secret=key]").textContent).toContain("Signing secret");
  });

  test("is tested with a message", async () => {
    const { backend } = await at("webhook");
    button("Test").click();
    await until(() => text().includes("The receiver answered with success."));
    expect(last(backend, "POST", "/v1/channels/reports/test")).toEqual({ group: true });
  });
});

describe("a template", () => {
  test("is picked, its fields are guessed and can be given a fixed text", async () => {
    const { backend } = await at("wechat");
    button("Fetch the account's templates").click();
    await until(() => document.querySelector("[name=template_id]") !== null);
    await until(() => document.querySelector("[name=field-phrase3]") !== null);
    expect(find<HTMLSelectElement>("[name=field-phrase3]").value).toBe("priority");
    expect(text()).toContain("at most 20 characters");
    await fill("[name=field-phrase3]", "fixed");
    await fill("[name=fixed-phrase3]", "告警");
    await submit("[name=template_id]");
    await until(() => called(backend, "PUT", "/v1/channels/wechat").length === 1);
    expect(last(backend, "PUT", "/v1/channels/wechat")).toMatchObject({ config: { template_id: "ngqIpbwh8bUfcSsECmogfXcV14J0tQlEpBO27izEYtY", fields: { thing1: "title", time2: "time", phrase3: "=告警" } } });
    await fill("[name=template_id]", "Kx8w2o0yU1vT4sR7qP9nM3lJ6hG5fD2aZ0cV1bN4mL7");
    await until(() => document.querySelector("[name=field-thing2]") !== null);
    expect(document.querySelector("[name=field-phrase3]")).toBeNull();
  });
});

test("what was chosen for a template outlives the channel's being read anew", async () => {
  const { backend } = await at("wechat");
  await fill("[name=field-thing1]", "body");
  find("[name=enabled]").click();
  await until(() => text().includes("Switched off"));
  expect(called(backend, "PUT", "/v1/channels/wechat")).toHaveLength(1);
  expect(find<HTMLSelectElement>("[name=field-thing1]").value).toBe("body");
  // Switched off, there is nothing to test.
  expect(button("Test").disabled).toBe(true);
  expect(text()).toContain("First complete what the state above names.");
});

describe("people", () => {
  test("are picked from the platform's members; who is bound cannot be taken twice", async () => {
    const { backend } = await at("wecom");
    expect(text()).toContain("The platform refuses it: 60111 userid not found.");
    button("Pick from the members").click();
    await until(() => document.querySelector("[name=bind-candidate]") !== null);
    const options = [...find<HTMLSelectElement>("[name=bind-candidate]").options];
    expect(options.find(({ value }) => value === "ann.keller")).toMatchObject({ disabled: true });
    await fill("[name=bind-user]", "chen");
    await fill("[name=bind-candidate]", "ChenWei");
    await submit("[name=bind-user]");
    await until(() => called(backend, "PUT", "/v1/channels/wecom/bindings/chen").length === 1);
    expect(last(backend, "PUT", "/v1/channels/wecom/bindings/chen")).toEqual({ address: "ChenWei" });
    await until(() => document.querySelector("[aria-label='Unbind: Chen Wei']") !== null);
    button("Unbind: Chen Wei").click();
    await idle();
    expect(called(backend, "DELETE", "/v1/channels/wecom/bindings/chen")).toHaveLength(0);
    find<HTMLButtonElement>("dialog .danger").click();
    await until(() => called(backend, "DELETE", "/v1/channels/wecom/bindings/chen").length === 1);
  });

  test("whoever is not among those listed can be typed", async () => {
    const { backend } = await at("wecom");
    button("Pick from the members").click();
    await until(() => document.querySelector("[name=bind-candidate]") !== null);
    expect(document.querySelector("[name=bind-address]")).toBeNull();
    await fill("[name=bind-user]", "chen");
    await fill("[name=bind-candidate]", "@");
    expect(button("Bind").disabled).toBe(true);
    await fill("[name=bind-address]", " follower.of.old ");
    await submit("[name=bind-user]");
    await until(() => called(backend, "PUT", "/v1/channels/wecom/bindings/chen").length === 1);
    expect(last(backend, "PUT", "/v1/channels/wecom/bindings/chen")).toEqual({ address: "follower.of.old" });
  });

  test("a typed address is proven by a code that was sent there", async () => {
    const { backend } = await at("wecom");
    const confirm = "/v1/channels/wecom/bindings/chen/confirm";
    expect(button("Send a code to check the address").disabled).toBe(true);
    await fill("[name=bind-user]", "chen");
    await fill("[name=bind-address]", " ChenWei ");
    button("Send a code to check the address").click();
    await until(() => document.querySelector("[name=bind-code]") !== null);
    expect(last(backend, "POST", "/v1/channels/wecom/bindings/chen/code")).toEqual({ address: "ChenWei" });
    await fill("[name=bind-code]", "654321");
    await submit("[name=bind-code]");
    await until(() => text().includes("That is not the code that was sent."));
    expect(called(backend, "PUT", "/v1/channels/wecom/bindings/chen")).toHaveLength(0);
    await fill("[name=bind-code]", "123456");
    await submit("[name=bind-code]");
    await until(() => text().includes("Chen Wei is bound."));
    expect(last(backend, "POST", confirm)).toEqual({ code: "123456" });
    await until(() => document.querySelector("[aria-label='Unbind: Chen Wei']") !== null);
  });

  test("a code that could not be sent says why, one that is over asks for a new one", async () => {
    const { backend } = await at("wecom");
    const request = backend.request.bind(backend);
    const answers: Record<string, () => unknown> = {
      code: () => ({ message: { result: "failed", failing: failing({}) } }),
      confirm: () => {
        throw new Failure("gone", "no code is waited for", 410);
      },
    };
    backend.request = (async (method, path, body) => {
      const answer = answers[path.split("/").at(-1) ?? ""];
      return answer ? answer() : request(method, path, body);
    }) as typeof backend.request;
    await fill("[name=bind-user]", "chen");
    await fill("[name=bind-address]", "ChenWei");
    button("Send a code to check the address").click();
    await until(() => text().includes("Add 203.0.113.7 to the trusted addresses"));
    expect(document.querySelector("[name=bind-code]")).toBeNull();
    find<HTMLDialogElement>("dialog").close();
    await idle();
    answers["code"] = () => ({ message: { result: "passed" }, expires_at: Date.now() + 600_000 });
    await fill("[name=bind-user]", "chen");
    await fill("[name=bind-address]", "ChenWei");
    button("Send a code to check the address").click();
    await until(() => document.querySelector("[name=bind-code]") !== null);
    await fill("[name=bind-code]", "123456");
    await submit("[name=bind-code]");
    await until(() => text().includes("This code does not work any more"));
    expect(document.querySelector("[name=bind-code]")).toBeNull();
  });

  test("an address of somebody else, and what the platform refuses, are said in words", async () => {
    const { backend } = await at("wecom");
    const request = backend.request.bind(backend);
    backend.request = ((method, path, body) =>
      path.endsWith("/candidates")
        ? Promise.reject(new Failure("busy", "60020: not allow to access", 503, "remedy: trust_ip"))
        : method === "PUT"
          ? Promise.reject(new Failure("conflict", "address", 409))
          : request(method, path, body)) as typeof backend.request;
    button("Pick from the members").click();
    await until(() => text().includes("Add this server's public address to the trusted addresses"));
    await fill("[name=bind-user]", "chen");
    await fill("[name=bind-address]", "linbo");
    await submit("[name=bind-user]");
    await until(() => text().includes("Somebody else is bound to this address."));
    expect(find<HTMLInputElement>("[name=bind-address]").value).toBe("linbo");
  });

  test("without a callback: no code to scan, and why", async () => {
    await at("wechat");
    await fill("[name=bind-user]", "bo");
    expect(button("Show a code to scan").disabled).toBe(true);
    expect(text()).toContain("without them nobody tells this server who scanned it");
    expect(text()).toContain("This server has no address on the internet");
    expect(text()).toContain("known to be accepted by the platform, not whether it was seen");
  });

  test("with a callback: a code is drawn, and the scan is noticed", async () => {
    const { backend } = await at("wechat", { reachable: true });
    expect(find<HTMLTextAreaElement>("[aria-label='Address for the console']").value).toBe("https://push.example/v1/hooks/wechat/wechat");
    for (const part of ["callback_token", "callback_key"]) {
      await fill(`[data-secret=${part}] input`, SECRET);
      await submit(`[data-secret=${part}] input`);
      await until(() => document.querySelector(`[data-secret=${part}] input`) === null);
    }
    find("[name=callback]").click();
    await until(() => text().includes("Set up: answers are taken."));
    expect(last(backend, "PUT", "/v1/channels/wechat")).toMatchObject({ config: { callback: true, app_id: "wx5823bf96d3bd56c7" } });
    await fill("[name=bind-user]", "bo");
    button("Show a code to scan").click();
    await until(() => document.querySelector("dialog svg[role=img]") !== null);
    expect(last(backend, "POST", "/v1/channels/wechat/qr")).toEqual({ user: "bo" });
    expect(find("dialog svg[role=img] path").getAttribute("d")!.length).toBeGreaterThan(1000);
    await until(() => text().includes("Bo Lindqvist is bound."));
  });
});

describe("routing", () => {
  const rule = (channel: string, topic = "", user = "") => `[name="route:${channel}:${topic}:${user}"]`;

  test("everyone, a topic, a person: set and taken back", async () => {
    const { backend } = await at("routing");
    await until(() => document.querySelector(rule("wecom")) !== null);
    expect(find<HTMLSelectElement>(rule("wecom")).value).toBe("4");
    expect(find<HTMLSelectElement>(rule("wecom", "ci")).value).toBe("never");
    await fill(rule("wecom", "office"), "5");
    expect(last(backend, "PUT", "/v1/routes")).toEqual({ channel: "wecom", topic: "office", from_priority: 5 });
    await fill(rule("wecom", "", "bo"), "never");
    expect(last(backend, "PUT", "/v1/routes")).toEqual({ channel: "wecom", user: "bo" });
    await fill(rule("wecom", "office"), "");
    expect(called(backend, "DELETE", "/v1/routes?channel=wecom&topic=office")).toHaveLength(1);
  });

  test("a group is no place for what is one person's", async () => {
    await at("routing");
    await until(() => document.querySelector(rule("ops-group", "ops")) !== null);
    expect(document.querySelector(rule("ops-group"))).toBeNull();
    expect(document.querySelector(rule("ops-group", "", "bo"))).toBeNull();
    expect([...find<HTMLSelectElement>(rule("ops-group", "ops")).options].map(({ value }) => value)).not.toContain("never");
  });

  test("one person in one topic", async () => {
    const { backend } = await at("routing");
    await until(() => document.querySelector("[name=route-user]") !== null);
    for (const [name, value] of [["user", "dora"], ["topic", "ops"], ["channel", "wechat"], ["from", "3"]] as const) await fill(`[name=route-${name}]`, value);
    await submit("[name=route-user]");
    await until(() => document.querySelector("[aria-label='Remove: Dora Marsh, ops']") !== null);
    expect(last(backend, "PUT", "/v1/routes")).toEqual({ channel: "wechat", topic: "ops", user: "dora", from_priority: 3 } satisfies Route);
    button("Remove: Dora Marsh, ops").click();
    await idle();
    find<HTMLButtonElement>("dialog .danger").click();
    await until(() => called(backend, "DELETE", "/v1/routes?channel=wechat&topic=ops&user=dora").length === 1);
  });

  test("a rule that the server refuses is taken back", async () => {
    const { backend } = await at("routing");
    await until(() => document.querySelector(rule("wecom", "ci")) !== null);
    const request = backend.request.bind(backend);
    backend.request = ((method, path, body) => (method === "PUT" ? Promise.reject(new Failure("busy", "", 503)) : request(method, path, body))) as typeof backend.request;
    await fill(rule("wecom", "ci"), "2");
    await until(() => text().includes("The server is busy."));
    expect(find<HTMLSelectElement>(rule("wecom", "ci")).value).toBe("never");
  });
});
