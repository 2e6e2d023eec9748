import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { BackendEvent } from "../src/backend/backend";
import { Failure } from "../src/backend/backend";
import { bridgeRoutes, nativeRoutes } from "../src/protocol";

const ipc = vi.hoisted(() => ({
  calls: [] as { command: string; args: Record<string, unknown> }[],
  answer: (_args: Record<string, unknown>): unknown => ({ status: 200, body: {} }),
  hear: undefined as ((event: { payload: unknown }) => void) | undefined,
  name: "",
}));
vi.mock("@tauri-apps/api/core", () => ({
  invoke: async (command: string, args: Record<string, unknown>) => {
    ipc.calls.push({ command, args });
    return ipc.answer(args);
  },
}));
vi.mock("@tauri-apps/api/event", () => ({
  listen: async (name: string, handler: (event: { payload: unknown }) => void) => {
    ipc.name = name;
    ipc.hear = handler;
    return () => {};
  },
}));

const { DesktopBackend } = await import("../src/backend/desktop");
const { HttpBackend, takeCode, device } = await import("../src/backend/http");
const { Api } = await import("../src/backend/api");

const status = { hello: { version: "0", build: "b", pid: 1, kind: "tray" }, mode: { mode: "unset" }, connection: { state: "idle" }, unread: 0, data_dir: "/d", log_file: "/l", problems: [] };

describe("desktop", () => {
  beforeEach(() => {
    ipc.calls = [];
    ipc.answer = () => ({ status: 200, body: status });
  });

  test("one command with method, path and body", async () => {
    ipc.answer = () => ({ status: 201, body: { id: "x" } });
    expect(await new DesktopBackend().request("POST", "/v1/messages", { title: "t" })).toEqual({ id: "x" });
    await new DesktopBackend().request("GET", "/v1/me");
    expect(ipc.calls).toEqual([
      { command: "call", args: { method: "POST", path: "/v1/messages", body: { title: "t" } } },
      { command: "call", args: { method: "GET", path: "/v1/me", body: null } },
    ]);
  });

  test("a refusal is a failure with the server's code", async () => {
    ipc.answer = () => ({ status: 503, body: { error: { code: "offline", message: "since 10:02", hint: "wait" } } });
    await expect(new DesktopBackend().request("GET", "/v1/me")).rejects.toMatchObject({ code: "offline", status: 503, hint: "wait", message: "since 10:02" });
    ipc.answer = () => {
      throw new Error("the window's process is gone");
    };
    await expect(new DesktopBackend().request("GET", "/v1/me")).rejects.toMatchObject({ code: "network" });
  });

  test("the resident's events are the page's", async () => {
    const backend = new DesktopBackend();
    const events: BackendEvent[] = [];
    const stop = backend.events((event) => events.push(event));
    await backend.start();
    expect(ipc.name).toBe("tocsin://event");
    expect(events).toEqual([
      { type: "session", session: "open" },
      { type: "status", status },
      { type: "link", link: { state: "idle" } },
    ]);
    events.length = 0;
    ipc.hear?.({ payload: { type: "message", id: "a", title: "t" } });
    ipc.hear?.({ payload: { type: "state", id: "a", cursor: "c-1", read_at: 3 } });
    ipc.hear?.({ payload: { type: "show", view: { view: "message", id: "a" } } });
    ipc.hear?.({ payload: { type: "quit" } });
    expect(events).toEqual([
      { type: "message", message: { id: "a", title: "t" } },
      { type: "state", change: { id: "a", cursor: "c-1", read_at: 3 } },
      { type: "show", view: { view: "message", id: "a" } },
    ]);
    stop();
    ipc.hear?.({ payload: { type: "quit" } });
    expect(events).toHaveLength(3);
  });

  test("only web links are handed on", async () => {
    await new DesktopBackend().openUrl("https://example.org");
    expect(ipc.calls[0]?.args).toEqual({ method: "POST", path: "/native/open-url", body: { url: "https://example.org" } });
    await expect(new DesktopBackend().openUrl("javascript:alert(1)")).rejects.toBeInstanceOf(Failure);
    await expect(new DesktopBackend().openUrl("file:///etc/passwd")).rejects.toBeInstanceOf(Failure);
    expect(ipc.calls).toHaveLength(1);
  });

  test("every call of the API is on the bridge's list", async () => {
    ipc.answer = ({ path }) => ({ status: 200, body: String(path).includes("/v1/") ? Object.assign([], { items: [], failings: {} }) : {} });
    const api = new Api(new DesktopBackend());
    const id = "Abc123Abc123";
    for (const group of [api, api.channels, api.policies, api.receipts])
      for (const call of Object.values(group).filter((member): member is (...args: unknown[]) => Promise<unknown> => typeof member === "function")) await call(id, id);
    await api.messages({ before: 3, unread: true, q: "a b" });
    const listed = [...nativeRoutes, ...bridgeRoutes].map(([method, path]) => new RegExp(`^${method} ${path.replaceAll("{}", "[A-Za-z0-9._-]+")}$`));
    expect(ipc.calls.length).toBeGreaterThan(50);
    for (const { args } of ipc.calls) {
      const [path, query] = String(args["path"]).split("?");
      expect(listed.some((route) => route.test(`${String(args["method"])} ${path}`)), `${String(args["method"])} ${path}`).toBe(true);
      expect(query ?? "").toMatch(/^[!-~]*$/);
    }
  });
});

describe("http", () => {
  const asked: { url: string; init: RequestInit }[] = [];
  let answer: (url: string, init: RequestInit) => Response | Error;

  beforeEach(() => {
    asked.length = 0;
    localStorage.clear();
    history.replaceState(null, "", "/");
    vi.stubGlobal("fetch", (url: URL, init: RequestInit) => {
      asked.push({ url: String(url), init });
      const got = answer(String(url), init);
      return got instanceof Error ? Promise.reject(got) : Promise.resolve(got);
    });
  });
  afterEach(() => vi.unstubAllGlobals());

  const me = { kind: "client", server: { name: "s", version: "0", instance: "inst", epoch: "k3v9x0ab" } };
  const unauthorised = () => Response.json({ error: { code: "unauthorised", message: "no session" } }, { status: 401 });
  const sessions = (backend: InstanceType<typeof HttpBackend>) => {
    const seen: string[] = [];
    backend.events((event) => event.type === "session" && seen.push(event.session));
    return seen;
  };

  test("JSON to the same origin with the cookie and, for a publish, its key", async () => {
    answer = () => Response.json({ id: "x" }, { status: 201 });
    await new HttpBackend().request("POST", "/v1/messages", { title: "t" }, "key-1");
    const { url, init } = asked[0]!;
    expect(url).toBe(`${location.origin}/v1/messages`);
    expect(init).toMatchObject({ method: "POST", credentials: "same-origin", body: '{"title":"t"}', headers: { "content-type": "application/json", "idempotency-key": "key-1" } });
    expect(Object.keys(init.headers as object)).not.toContain("authorization");
  });

  test("no content, a refusal, a proxy's page and no answer", async () => {
    const backend = new HttpBackend();
    answer = () => new Response(null, { status: 204 });
    expect(await backend.request("DELETE", "/v1/tokens/t1")).toBeUndefined();
    answer = () => Response.json({ error: { code: "conflict", message: "the name is taken" } }, { status: 409 });
    await expect(backend.request("POST", "/v1/users", {})).rejects.toMatchObject({ code: "conflict", message: "the name is taken", status: 409 });
    answer = () => new Response("<html>", { status: 502 });
    await expect(backend.request("GET", "/v1/me")).rejects.toMatchObject({ code: "busy", status: 502 });
    answer = () => new TypeError("failed to fetch");
    await expect(backend.request("GET", "/v1/me")).rejects.toMatchObject({ code: "network" });
  });

  test("a code in the fragment becomes a session and leaves the address before it is sent", async () => {
    history.replaceState(null, "", "/?x=1#code=abc-DEF_1");
    answer = (url) => {
      expect(location.hash).toBe("");
      return url.endsWith("/v1/session") ? new Response(null, { status: 204 }) : Response.json(me);
    };
    const backend = new HttpBackend();
    const seen = sessions(backend);
    await backend.start();
    expect(asked[0]?.init.body).toBe('{"code":"abc-DEF_1"}');
    expect(location.href).toBe(`${location.origin}/?x=1`);
    expect(seen.at(-1)).toBe("open");
  });

  test("a used code says so; without any session there is a way in", async () => {
    answer = (url) => (url.endsWith("/v1/session") ? Response.json({ error: { code: "gone", message: "used" } }, { status: 410 }) : unauthorised());
    history.replaceState(null, "", "/#code=abc");
    const backend = new HttpBackend();
    const seen = sessions(backend);
    await backend.start();
    expect(seen.at(-1)).toBe("code_failed");

    const other = new HttpBackend();
    const without = sessions(other);
    await other.start();
    expect(without.at(-1)).toBe("none");
  });

  test("a pasted token becomes a session and is kept nowhere", async () => {
    answer = (url) => (url.endsWith("/v1/session") ? new Response(null, { status: 204 }) : Response.json(me));
    const backend = new HttpBackend();
    const seen = sessions(backend);
    await backend.signIn(" tcs_CANARY ");
    expect(asked[0]?.init.body).toBe('{"token":"tcs_CANARY"}');
    expect(seen.at(-1)).toBe("open");
    expect(JSON.stringify({ ...localStorage }) + JSON.stringify({ ...sessionStorage }) + document.cookie + location.href).not.toContain("CANARY");
  });

  test("a session that ends shows the way in", async () => {
    answer = () => Response.json(me);
    const backend = new HttpBackend();
    const seen = sessions(backend);
    await backend.start();
    answer = unauthorised;
    await expect(backend.request("GET", "/v1/messages")).rejects.toMatchObject({ code: "unauthorised" });
    expect(seen.at(-1)).toBe("ended");
  });

  test("the fragment is a place otherwise", () => {
    history.replaceState(null, "", "/#/message/Abc123Abc123");
    expect(takeCode()).toBeUndefined();
    expect(location.hash).toBe("#/message/Abc123Abc123");
  });

  test("a browser has one name", () => {
    expect(device()).toMatch(/^browser-[a-z0-9]{8}$/);
    expect(device()).toBe(device());
  });
});
