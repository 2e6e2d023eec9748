/** `?native&lang=zh-CN&mode=unset&link=offline…`: see `DemoOptions`. */
import { mountApp } from "../src/entry/mount";
import { DemoBackend, type DemoOptions } from "./backend";

const query = new URLSearchParams(location.search);
const options = Object.fromEntries(query) as DemoOptions & Record<string, unknown>;
if (!query.has("native")) {
  localStorage.setItem("tocsin.language", query.get("lang") ?? "en");
  localStorage.setItem("tocsin.theme", query.get("theme") ?? "system");
}
const backend = new DemoBackend({ ...options, native: query.has("native"), empty: query.has("empty"), reachable: query.has("reachable") });
Object.assign(globalThis, { demo: backend });
mountApp(backend);
