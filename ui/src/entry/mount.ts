/** The same page, whichever backend it got. */
import { mount } from "svelte";
import type { Backend } from "../backend/backend";
import { App } from "../state/app.svelte";
import "../style.css";
import Page from "../view/Page.svelte";

export function mountApp(backend: Backend): void {
  const target = document.getElementById("app");
  if (!target) throw new Error("the page has no place for the app");
  const app = new App(backend);
  mount(Page, { target, props: { app } });
  void app.start();
}
