/** The page over a server in memory, and hands and eyes for it. */
import { mount, tick, unmount } from "svelte";
import { afterEach, beforeEach } from "vitest";
import { DemoBackend, type DemoOptions } from "../../demo/backend";
import { App } from "../../src/state/app.svelte";
import { route } from "../../src/state/route.svelte";
import { i18n } from "../../src/text/i18n.svelte";
import Page from "../../src/view/Page.svelte";
// Fetched when they are first shown; here they are there already, so that a test waits for the page and not for files.
import "../../src/view/People.svelte";
import "../../src/view/receipts/ReceiptOf.svelte";
import "../../src/view/receipts/Receipts.svelte";
import "../../src/view/Settings.svelte";

let close: (() => Promise<void>) | undefined;

beforeEach(async () => {
  localStorage.clear();
  location.hash = "#/inbox";
  // The page hears of it a turn later; the next test must not begin where the last one ended.
  await until(() => route.at.message === undefined && route.at.place === "inbox");
  // jsdom has the element, not what it does.
  HTMLDialogElement.prototype.showModal = function () {
    this.open = true;
  };
  HTMLDialogElement.prototype.close = function () {
    this.open = false;
    this.dispatchEvent(new Event("close"));
  };
});
afterEach(async () => {
  await close?.();
  close = undefined;
  document.body.replaceChildren();
});

export async function open(options: DemoOptions = {}) {
  const backend = new DemoBackend({ lang: "en", ...options });
  i18n.chosen = options.lang ?? "en";
  localStorage.setItem("tocsin.language", options.lang ?? "en");
  const app = new App(backend);
  const page = mount(Page, { target: document.body, props: { app } });
  close = () => unmount(page);
  await app.start();
  await idle();
  return { backend, app };
}

export async function idle(): Promise<void> {
  for (let i = 0; i < 10; i++) {
    await new Promise((resolve) => setTimeout(resolve));
    await tick();
  }
}

export async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`it did not happen in time:\n${document.body.textContent}`);
    await idle();
  }
}

export const rows = () => [...document.querySelectorAll<HTMLElement>("[data-row]")];
export const text = () => document.body.textContent ?? "";
export function button(name: string): HTMLButtonElement {
  const found = [...document.querySelectorAll("button")].find((each) => each.textContent?.trim() === name || each.getAttribute("aria-label") === name);
  if (!found) throw new Error(`no button ${name}`);
  return found;
}
export async function go(hash: string): Promise<void> {
  location.hash = hash;
  await idle();
}
export async function fill(selector: string, value: string): Promise<void> {
  const field = document.querySelector<HTMLInputElement>(selector)!;
  field.value = value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.dispatchEvent(new Event("change", { bubbles: true }));
  await idle();
}
export const called = (backend: DemoBackend, method: string, path: string) => backend.calls.filter((call) => call.method === method && call.path === path);

export const find = <E extends Element = HTMLElement>(selector: string) => document.querySelector<E>(selector)!;
/** What was asked of a path last. */
export const last = (backend: DemoBackend, method: string, path: string) => called(backend, method, path).at(-1)?.body;

/** A page of the settings. */
export async function at(page: string, options: DemoOptions = {}) {
  const opened = await open(options);
  await go(`#/settings/${page}`);
  await until(() => document.querySelector("h2") !== null && !text().includes("Loading…"));
  return opened;
}
