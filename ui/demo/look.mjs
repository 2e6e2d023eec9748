/**
 * Pictures of every view in both languages, with what the browser complained about (the policy is as strict as the
 * server's) and what axe finds: labels, roles, contrast. `npm run demo` first. Words after it choose pictures by name:
 * `npm run look -- channels routing`. They go to `demo/shots/`, or where TOCSIN_PICTURES says.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import axe from "axe-core";
import { chromium } from "playwright-core";
import { preview } from "vite";
import { pictures } from "./pictures.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const folder = process.env.TOCSIN_PICTURES ?? join(here, "shots");
const words = process.argv.slice(2);
const wanted = pictures.filter(([name]) => words.length === 0 || words.some((word) => name.includes(word)));
/** Most of a picture's time is waiting for the page to be quiet. */
const AT_ONCE = 4;

mkdirSync(folder, { recursive: true });
const server = await preview({ configFile: `${here}vite.config.ts`, preview: { port: 0, host: "127.0.0.1" }, logLevel: "error" });
const origin = server.resolvedUrls?.local[0] ?? `http://127.0.0.1:${server.httpServer.address().port}/`;
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
let complaints = 0;

/** Says what is wrong, under the name of the picture. */
function complain(name, what) {
  complaints += 1;
  console.log(`${name}: ${what}`);
}

async function look([name, address, viewport, act]) {
  // A context of its own: pages of one share the chosen language.
  const context = await browser.newContext({ viewport });
  const page = await context.newPage();
  page.on("console", (line) => {
    if (line.type() === "error" || line.type() === "warning") complain(name, line.text());
  });
  page.on("pageerror", (error) => complain(name, error));
  try {
    await page.goto(origin + address, { waitUntil: "networkidle" });
    await act?.(page);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (wide > 0) complain(name, `${wide}px too wide`);
    // Not through a script tag, which the policy forbids.
    await page.evaluate(axe.source);
    const { violations } = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"] }));
    for (const { id, help, nodes } of violations) {
      complain(name, `${id}: ${help}`);
      for (const node of nodes.slice(0, 3)) console.log(`    ${node.html.slice(0, 140)}\n    ${node.failureSummary?.split("\n").slice(1, 2).join(" ")}`);
    }
  } catch (error) {
    complain(name, error);
  }
  await page.screenshot({ path: join(folder, `${name}.png`) });
  await context.close();
}

if (wanted.length === 0) complain(words.join(" "), "there is no such picture");
const left = wanted.values();
await Promise.all(Array.from({ length: AT_ONCE }, async () => {
  for (const picture of left) await look(picture);
}));
await browser.close();
await server.close();
console.log(`${wanted.length} pictures in ${folder}, ${complaints} complaints`);
process.exitCode = complaints > 0 ? 1 : 0;
