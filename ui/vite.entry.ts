/**
 * One template, `index.html`, and a way in for each host: the entry named in it is replaced. What else stands in the
 * template (policy, icon, title) cannot drift between page, window and demo.
 */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Plugin } from "vite";

const TEMPLATE = resolve(import.meta.dirname, "index.html");
const SCRIPT = "./src/entry/index.ts";

/** The template with another script. */
export function withEntry(html: string, script: string): string {
  if (!html.includes(SCRIPT)) throw new Error(`index.html does not name ${SCRIPT}`);
  return html.replace(SCRIPT, script);
}

/** `name` beside the template, made out of it when the build asks for it. */
export function entry(name: string, script: string): Plugin {
  const id = resolve(import.meta.dirname, name);
  return {
    name: `entry:${name}`,
    enforce: "pre",
    resolveId: (source) => (source === name || source === id ? id : undefined),
    load: (asked) => (asked === id ? withEntry(readFileSync(TEMPLATE, "utf8"), script) : undefined),
  };
}

/** The template itself with another script, also in the development server. */
export function instead(script: string): Plugin {
  return { name: "entry", transformIndexHtml: { order: "pre", handler: (html) => withEntry(html, script) } };
}
