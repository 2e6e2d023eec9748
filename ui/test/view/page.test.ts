/** The page as a person uses it, over a server in memory. */
import { describe, expect, test, vi } from "vitest";
import type { DemoBackend } from "../../demo/backend";
import { Failure } from "../../src/backend/backend";
import { button, called, fill, go, idle, open, rows, text, until } from "./harness";

describe("inbox", () => {
  test("newest first, unread marked in words too", async () => {
    await open();
    expect(rows()).toHaveLength(8);
    expect(rows()[0]!.textContent).toContain("Disk almost full");
    expect(rows()[0]!.textContent).toContain("Unread");
    expect(rows()[3]!.textContent).not.toContain("Unread");
    expect(rows()[0]!.textContent).toContain("Critical");
  });

  test("opening a message reads it; Esc leads back", async () => {
    const { backend } = await open();
    await go("#/message/Demo00000120");
    expect(document.querySelector("h1")?.textContent).toBe("Disk almost full on db-1");
    expect(called(backend, "POST", "/v1/messages/Demo00000120/read")).toHaveLength(1);
    expect(rows()[0]!.textContent).not.toContain("Unread");
    window.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" }));
    await until(() => location.hash === "#/inbox");
  });

  test("acknowledge, once", async () => {
    const { backend } = await open();
    await go("#/message/Demo00000120");
    button("Acknowledge").click();
    await until(() => text().includes("Acknowledged today"));
    expect(called(backend, "POST", "/v1/messages/Demo00000120/acknowledge")).toHaveLength(1);
    expect([...document.querySelectorAll("button")].some((each) => each.textContent?.trim() === "Acknowledge")).toBe(false);
  });

  test("a failed acknowledgement is taken back and told", async () => {
    const { backend } = await open();
    await go("#/message/Demo00000120");
    const { Failure } = await import("../../src/backend/backend");
    backend.request = () => Promise.reject(new Failure("offline", "since 10:02", 503));
    button("Acknowledge").click();
    await until(() => text().includes("There is no connection to the server right now."));
    expect(button("Acknowledge")).toBeDefined();
  });

  test("the receipt names who is missing and shows every person", async () => {
    await open();
    await go("#/message/Demo00000120");
    await until(() => document.querySelector("[data-testid=missing]") !== null);
    expect(document.querySelector("[data-testid=missing]")?.textContent).toContain("chen");
    expect(document.querySelectorAll("tbody tr").length).toBeGreaterThanOrEqual(4);
  });

  test("what arrives stands on top, once, and is told to the screen reader", async () => {
    const { backend } = await open();
    const message = { id: "Live00000001", cursor: "k3v9x0ab-900", sender: "bo", title: "It is live", format: "text", priority: 3, thread: "Live00000001", created_at: Date.now() } as const;
    backend.tell({ type: "message", message });
    backend.tell({ type: "message", message });
    await idle();
    expect(rows().filter((row) => row.textContent?.includes("It is live"))).toHaveLength(1);
    expect(rows()[0]!.textContent).toContain("It is live");
    await until(() => document.querySelector("[data-testid=feed]")?.textContent === "New message from bo: It is live");
  });

  test("a newer version marks the older as replaced", async () => {
    const { backend } = await open();
    backend.tell({ type: "message", message: { id: "Live00000002", cursor: "k3v9x0ab-901", sender: "alertmanager", title: "Disk fine again", format: "text", priority: 5, thread: "Demo00000120", supersedes: "Demo00000120", resolved: true, created_at: Date.now() } });
    await go("#/message/Demo00000120");
    expect(text()).toContain("A newer version replaced this message.");
    expect(document.querySelector<HTMLAnchorElement>('.note a[href="#/message/Live00000002"]')).not.toBeNull();
  });

  test("filters are asked of the server", async () => {
    const { backend } = await open();
    button("Unread").click();
    await until(() => rows().length === 3);
    await fill("[name=search]", "shift");
    await until(() => rows().length === 1);
    expect(backend.calls.at(-1)?.path).toBe("/v1/messages?q=shift&unread=true");
    await fill("[name=search]", "nothing like it");
    await until(() => rows().length === 0);
    button("Clear filters").click();
    await until(() => rows().length === 8);
  });

  test("read elsewhere is read here", async () => {
    const { backend } = await open();
    backend.tell({ type: "state", change: { cursor: "k3v9x0ab-902", id: "Demo00000120", read_at: Date.now() } });
    await idle();
    expect(rows()[0]!.textContent).not.toContain("Unread");
  });

  test("links and images of Markdown go through the backend, or nowhere", async () => {
    const { backend } = await open();
    await go("#/message/Demo00000120");
    expect(document.querySelector(".markdown img")).toBeNull();
    document.querySelector<HTMLAnchorElement>(".markdown a")!.click();
    expect(backend.opened).toEqual(["https://grafana.example/d/disk"]);
    button("Load images").click();
    await idle();
    expect(document.querySelector(".markdown img")?.getAttribute("src")).toBe("https://img.example/load.png");
  });
});

describe("send", () => {
  test("to a topic, with one key per draft", async () => {
    const { backend } = await open();
    const keys: (string | undefined)[] = [];
    const request = backend.request.bind(backend);
    backend.request = ((...args: Parameters<DemoBackend["request"]> & [never, never, unknown?, string?]) => {
      if (args[1] === "/v1/messages" && args[0] === "POST") keys.push(args[3]);
      return request(args[0], args[1], args[2]);
    }) as typeof backend.request;
    await go("#/compose");
    await fill("[name=title]", "Water is off");
    await fill("[name=body]", "Until noon.");
    document.querySelector("form")!.requestSubmit();
    await until(() => text().includes("Sent to 3 people."));
    expect(backend.calls.find(({ method, path }) => method === "POST" && path === "/v1/messages")?.body).toEqual({ topic: "ops", title: "Water is off", body: "Until noon.", format: "text", priority: 3 });
    expect(keys[0]).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("not without a text, not with one that is too long", async () => {
    const { backend } = await open();
    await go("#/compose");
    expect(button("Send").disabled).toBe(true);
    await fill("[name=title]", "警".repeat(86));
    expect(button("Send").disabled).toBe(true);
    expect(text()).toContain("Too long: 258 of 256 bytes.");
    document.querySelector("form")!.requestSubmit();
    expect(called(backend, "POST", "/v1/messages")).toHaveLength(0);
  });
});

describe("the next step", () => {
  const line = () => document.querySelector<HTMLTextAreaElement>("[aria-label='Ready to paste; it sends a message:']")?.value ?? "";

  test("an inbox that never held anything has the line that fills it; a filtered one does not", async () => {
    const { app } = await open({ empty: true });
    await until(() => line() !== "");
    expect(line()).toContain(`${location.origin}/v1/messages`);
    expect(line()).toContain('"Authorization: Bearer $TOCSIN_TOKEN"');
    expect(document.querySelector('.steps a[href="#/people"]')).not.toBeNull();
    app.inbox.set({ show: "unread" });
    await until(() => line() === "");
  });

  test("a member is not sent to a page that they do not have", async () => {
    await open({ empty: true, role: "member" });
    await until(() => line() !== "");
    expect(document.querySelector('.steps a[href="#/people"]')).toBeNull();
    expect(document.querySelector('.steps a[href="#/compose"]')).not.toBeNull();
  });
});

describe("people", () => {
  test("a look at who is there that failed is told until one is answered", async () => {
    const timers = vi.spyOn(globalThis, "setInterval");
    const { backend } = await open();
    await go("#/people");
    await until(() => text().includes("chen-laptop"));
    const look = timers.mock.calls.findLast(([, pause]) => pause === 20_000)![0];
    timers.mockRestore();
    const request = backend.request.bind(backend);
    const broken = (...paths: string[]) => {
      backend.request = ((method, path, body) => (paths.includes(path) ? Promise.reject(new Failure("network", "", 0)) : request(method, path, body))) as typeof backend.request;
    };
    const told = () => text().includes("The server cannot be reached.");
    broken("/v1/devices");
    look();
    await until(told);
    expect(text()).toContain("chen-laptop");
    broken();
    look();
    await until(() => !told());
    // Asked for by hand it is looked at as well.
    broken("/v1/devices");
    look();
    await until(told);
    broken();
    button("Try again").click();
    await until(() => !told());
  });

  test("a token's secret is shown once", async () => {
    await open();
    await go("#/people");
    await until(() => document.querySelector("[name=token-name]") !== null);
    await fill("[name=token-name]", "Grafana");
    const box = document.querySelector<HTMLInputElement>("[aria-label='Topics it may send to'] input")!;
    box.click();
    await idle();
    button("Create token").click();
    await until(() => document.querySelector("dialog textarea") !== null);
    expect(document.querySelector<HTMLTextAreaElement>("dialog textarea")!.value).toMatch(/^tcs_/);
    document.querySelector("dialog")!.close();
    await until(() => document.querySelector("dialog") === null);
    expect(document.body.innerHTML).not.toContain("tcs_");
  });

  test("removing a person asks first", async () => {
    const { backend } = await open();
    await go("#/people");
    await until(() => text().includes("Bo Lindqvist"));
    button("Remove: Bo Lindqvist").click();
    await idle();
    expect(called(backend, "DELETE", "/v1/users/bo")).toHaveLength(0);
    document.querySelector<HTMLButtonElement>("dialog .danger")!.click();
    await until(() => called(backend, "DELETE", "/v1/users/bo").length === 1);
  });

  test("only for admins", async () => {
    await open({ role: "member" });
    expect(document.querySelector('nav a[href="#/people"]')).toBeNull();
    await go("#/people");
    expect(document.querySelector("[name=token-name]")).toBeNull();
  });
});

describe("desktop", () => {
  test("first run: host here, with the settings before", async () => {
    const { backend } = await open({ native: true, mode: "unset" });
    [...document.querySelectorAll<HTMLButtonElement>(".choice")][0]!.click();
    await idle();
    await fill("[name=team]", "Harbour");
    document.querySelector("form")!.requestSubmit();
    await until(() => called(backend, "POST", "/native/host").length === 1);
    const settings = backend.calls.findIndex(({ method, path }) => method === "PATCH" && path === "/native/settings");
    expect(backend.calls[settings]?.body).toMatchObject({ hosting: { name: "Harbour" } });
    expect(settings).toBeLessThan(backend.calls.findIndex(({ path }) => path === "/native/host"));
  });

  test("first run: join with an invite, and only with one", async () => {
    const { backend } = await open({ native: true, mode: "unset" });
    [...document.querySelectorAll<HTMLButtonElement>(".choice")][1]!.click();
    await idle();
    await fill("[name=invite]", "https://10.0.0.5:8723");
    expect(text()).toContain("This is not an invite.");
    expect(button("Join").disabled).toBe(true);
    await fill("[name=invite]", ` tocsin:https://10.0.0.5:8723#abc_D-1.${"x".repeat(43)}\n`);
    document.querySelector("form")!.requestSubmit();
    await until(() => called(backend, "POST", "/native/join").length === 1);
    expect(called(backend, "POST", "/native/join")[0]!.body).toEqual({ invite: `tocsin:https://10.0.0.5:8723#abc_D-1.${"x".repeat(43)}` });
  });

  test("problems say what to do, and a missing keyring offers other places", async () => {
    const { backend } = await open({ native: true, problem: "keyring_missing" });
    expect(text()).toContain("This computer has no keyring");
    expect(text()).toContain("Install a keyring");
    button("Keep them for this run only").click();
    await until(() => called(backend, "POST", "/native/vault").length === 1);
    expect(called(backend, "POST", "/native/vault")[0]!.body).toEqual({ choice: "this_run_only" });
  });

  test("quiet hours, LAN with its warning, test notification", async () => {
    const { backend } = await open({ native: true });
    await go("#/settings");
    expect(text()).toContain("Everybody in the same network can then reach port 8723");
    document.querySelector<HTMLInputElement>("[name=lan]")!.click();
    await until(() => !text().includes("Everybody in the same network"));
    expect(backend.calls.findLast(({ method }) => method === "PATCH")?.body).toMatchObject({ hosting: { lan: false, port: 8722 } });
    document.querySelector<HTMLInputElement>("[name=quiet]")!.click();
    await idle();
    expect((backend.calls.findLast(({ method }) => method === "PATCH")?.body as { notifications: { quiet_hours?: unknown } }).notifications.quiet_hours).toBeUndefined();
    button("Send a test notification").click();
    await until(() => called(backend, "POST", "/native/test-notification").length === 1);
  });

  test("the address on the internet, at which platforms answer, is set and taken away", async () => {
    const { backend } = await open({ native: true });
    await go("#/settings");
    const address = () => (backend.calls.findLast(({ method }) => method === "PATCH")?.body as { hosting: { port: number; public_url?: string } }).hosting;
    const save = () => document.querySelector<HTMLInputElement>("[name=public-url]")!.closest("form")!.requestSubmit();
    expect(document.querySelector<HTMLInputElement>("[name=public-url]")!.value).toBe("");
    await fill("[name=public-url]", "push.example.org/hooks");
    expect(document.querySelector<HTMLInputElement>("[name=public-url]")!.validity.valid).toBe(false);
    await fill("[name=public-url]", "https://push.example.org");
    save();
    await until(() => text().includes("Saved"));
    expect(address()).toMatchObject({ public_url: "https://push.example.org", port: 8722 });
    await fill("[name=public-url]", "");
    save();
    await until(() => address().public_url === undefined);
    expect(address().port).toBe(8722);
  });

  test("remote images are not even offered", async () => {
    await open({ native: true });
    await go("#/message/Demo00000120");
    expect(text()).toContain("Images from other servers are not loaded");
    expect(text()).not.toContain("Load images");
  });
});

describe("the page", () => {
  test("says how the connection is, since when, and why it stays away", async () => {
    const { backend } = await open({ link: "stopped" });
    expect(document.querySelector("[data-state]")?.getAttribute("data-state")).toBe("stopped");
    expect(text()).toContain("Another connection took over this one.");
    backend.tell({ type: "link", link: { state: "offline", since: Date.now() - 60_000, reason: "" } });
    await idle();
    expect(text()).toMatch(/Offline since (today|yesterday) \d\d:\d\d/);
  });

  test("switches the language at once", async () => {
    const { app } = await open();
    await go("#/settings");
    expect(document.documentElement.lang).toBe("en");
    app.setLanguage("zh-CN");
    await idle();
    expect(document.documentElement.lang).toBe("zh-CN");
    expect(document.querySelector("h1")?.textContent).toBe("设置");
    expect(localStorage.getItem("tocsin.language")).toBe("zh-CN");
    expect(document.title).toContain("警钟");
  });

  test("without a session: sign in with a token", async () => {
    await open({ session: "none" });
    await fill("[name=token]", "nonsense");
    document.querySelector("form")!.requestSubmit();
    await until(() => text().includes("This token is unknown, expired or revoked."));
    await fill("[name=token]", "tcs_x");
    document.querySelector("form")!.requestSubmit();
    await until(() => rows().length === 8);
  });

  test("says that messages were lost, and reads the list anew", async () => {
    const { backend } = await open();
    backend.calls.length = 0;
    backend.tell({ type: "reset", reset: { cursor: "k3v9x0ab-950", reason: "retention", lost: 7 } });
    await idle();
    expect(text()).toContain("7 messages were deleted on the server");
    expect(called(backend, "GET", "/v1/messages")).toHaveLength(1);
  });
});
