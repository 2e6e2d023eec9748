/**
 * Pictures of every view in both languages, with what the browser complained about (the policy is as strict as the
 * server's) and what axe finds: labels, roles, contrast. `npm run demo` first.
 */
import { chromium } from "playwright-core";
import axe from "axe-core";
import { preview } from "vite";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const only = process.argv[2];
const server = await preview({ configFile: `${here}vite.config.ts`, preview: { port: 0, host: "127.0.0.1" }, logLevel: "error" });
const origin = server.resolvedUrls?.local[0] ?? `http://127.0.0.1:${server.httpServer.address().port}/`;
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });

const WINDOW = { width: 900, height: 640 };
const PHONE = { width: 390, height: 780 };
const message = "Demo00000120";
const shots = [
  ["inbox-en", "?lang=en#/inbox", WINDOW],
  ["message-en", `?lang=en#/message/${message}`, WINDOW],
  ["message-tall-zh", `?lang=zh-CN#/message/${message}`, { width: 1040, height: 1300 }],
  // Those of the README: `convert NAME.png +dither -colors 128 PNG8:docs/images/NAME.png`.
  ["page-en", `?lang=en#/message/${message}`, { width: 1000, height: 960 }],
  ["page-zh-CN", `?lang=zh-CN#/message/${message}`, { width: 1000, height: 960 }],
  ["message-dark-zh", `?lang=zh-CN&theme=dark#/message/${message}`, WINDOW],
  ["inbox-phone-zh", "?lang=zh-CN#/inbox", PHONE],
  ["message-phone-en", `?lang=en&theme=dark#/message/${message}`, PHONE],
  ["inbox-empty-en", "?lang=en&empty&link=offline#/inbox", WINDOW],
  ["compose-en", "?lang=en#/compose", WINDOW],
  ["compose-phone-zh", "?lang=zh-CN#/compose", PHONE],
  ["receipts-en", "?lang=en#/receipts", { width: 1000, height: 700 }],
  ["receipts-zh", "?lang=zh-CN&theme=dark#/receipts", { width: 1000, height: 700 }],
  ["receipts-phone-zh", "?lang=zh-CN#/receipts", { width: 390, height: 1000 }],
  ["receipt-en", `?lang=en#/receipts/${message}`, { width: 1100, height: 1200 }],
  ["receipt-zh", `?lang=zh-CN#/receipts/${message}`, { width: 1100, height: 1200 }],
  ["receipt-many-en", `?lang=en&people=many&theme=dark#/receipts/${message}`, { width: 1100, height: 900 }],
  ["receipt-phone-zh", `?lang=zh-CN#/receipts/${message}`, { width: 390, height: 1700 }],
  ["message-receipt-en", `?lang=en#/message/${message}`, { width: 900, height: 1700 }],
  ["escalated-en", "?lang=en#/inbox", { width: 900, height: 700 }, escalates],
  ["escalated-zh", "?lang=zh-CN&theme=dark#/inbox", { width: 900, height: 700 }, escalates],
  ["settled-zh", "?lang=zh-CN#/message/Demo00000119", WINDOW, () => globalThis.demo.tell({ type: "state", change: { cursor: "k3v9x0ab-914", id: "Demo00000119", settled: { by: "bo", at: Date.now() } } })],
  ["receipt-again-zh", `?lang=zh-CN&people=many#/receipts/${message}`, { width: 1000, height: 700 }, "section.card .tools button"],
  ["policies-en", "?lang=en#/settings/policies", { width: 1100, height: 700 }],
  ["policy-en", "?lang=en#/settings/policies", { width: 1100, height: 1500 }, "[aria-label='Change: On call']"],
  ["policy-zh", "?lang=zh-CN&theme=dark#/settings/policies", { width: 1100, height: 1500 }, "[aria-label='编辑: 值班']"],
  ["policy-phone-zh", "?lang=zh-CN#/settings/policies", { width: 390, height: 2900 }, "[aria-label='编辑: 值班']"],
  ["topic-en", "?lang=en#/people", { width: 900, height: 900 }, "[aria-label='Settings: backup']"],
  ["channels-webhook-en", "?lang=en#/settings/webhook", { width: 900, height: 1500 }],
  ["channels-webhook-new-zh", "?lang=zh-CN&channels=none#/settings/webhook", { width: 900, height: 1100 }, "form .field .button.small"],
  ["people-en", "?lang=en#/people", { width: 900, height: 1500 }],
  ["people-phone-zh", "?lang=zh-CN#/people", { width: 390, height: 1900 }],
  ["settings-native-en", "?lang=en&native#/settings", { width: 900, height: 1300 }],
  ["settings-native-zh-dark", "?lang=zh-CN&native&theme=dark&link=offline&problem=keyring_missing#/settings", { width: 900, height: 1300 }],
  ["settings-browser-zh", "?lang=zh-CN#/settings", WINDOW],
  ["channels-wecom-en", "?lang=en&native#/settings/wecom", { width: 900, height: 2700 }],
  ["channels-wecom-zh", "?lang=zh-CN&reachable#/settings/wecom", { width: 900, height: 3000 }],
  ["channels-wecom-phone-zh", "?lang=zh-CN&theme=dark#/settings/wecom", { width: 390, height: 3600 }],
  ["channels-wechat-en", "?lang=en&reachable&theme=dark#/settings/wechat", { width: 900, height: 3200 }],
  ["channels-wechat-zh", "?lang=zh-CN&native#/settings/wechat", { width: 900, height: 3000 }],
  ["channels-robot-en", "?lang=en#/settings/wecom-robot", { width: 900, height: 1900 }],
  ["channels-robot-zh", "?lang=zh-CN&native#/settings/wecom-robot", { width: 900, height: 1900 }],
  ["channels-new-en", "?lang=en&channels=none#/settings/wecom", { width: 900, height: 1200 }],
  ["channels-new-zh", "?lang=zh-CN&channels=none#/settings/wechat", { width: 900, height: 1200 }],
  ["routing-en", "?lang=en#/settings/routing", { width: 900, height: 1500 }],
  ["routing-zh", "?lang=zh-CN&theme=dark#/settings/routing", { width: 900, height: 1500 }],
  ["routing-phone-zh", "?lang=zh-CN#/settings/routing", { width: 390, height: 1900 }],
  ["deliveries-en", "?lang=en#/settings/deliveries", { width: 900, height: 800 }],
  ["deliveries-zh", "?lang=zh-CN#/settings/deliveries", { width: 900, height: 800 }],
  ["deliveries-phone-en", "?lang=en&theme=dark#/settings/deliveries", { width: 390, height: 1100 }],
  ["first-run-en", "?lang=en&native&mode=unset", WINDOW],
  ["first-run-zh", "?lang=zh-CN&native&mode=unset", PHONE],
  ["sign-in-en", "?lang=en&session=none", WINDOW],
  ["sign-in-zh", "?lang=zh-CN&session=none&theme=dark", PHONE],
  ["stopped-en", "?lang=en&link=stopped#/inbox", WINDOW],
];

/** In the page: somebody took care of one message, another is asked for again, and a third is this person's turn. */
function escalates() {
  const at = Date.now() - 60_000;
  const tell = (type, what) => globalThis.demo.tell(type === "message" ? { type, message: what } : { type, change: what });
  tell("message", { id: "Next00000001", cursor: "k3v9x0ab-913", sender: "tocsin", title: "Disk almost full on db-1", body: "Nobody acknowledged it within 10 minutes.", format: "text", priority: 5, thread: "Next00000001", escalates: "Demo00000120", created_at: at });
  tell("state", { cursor: "k3v9x0ab-914", id: "Demo00000119", settled: { by: "bo", at } });
  tell("state", { cursor: "k3v9x0ab-915", id: "Demo00000120", remind_at: at });
  location.hash = "#/message/Next00000001";
}

let complaints = 0;
for (const [name, address, viewport, press] of shots) {
  if (only && !name.includes(only)) continue;
  const page = await browser.newPage({ viewport });
  page.on("console", (line) => {
    if (line.type() === "error" || line.type() === "warning") {
      complaints += 1;
      console.log(`${name}: ${line.text()}`);
    }
  });
  page.on("pageerror", (error) => {
    complaints += 1;
    console.log(`${name}: ${error}`);
  });
  await page.goto(origin + address, { waitUntil: "networkidle" });
  if (press) {
    await (typeof press === "string" ? page.locator(press).first().click() : page.evaluate(press));
    // What is asked for when typing pauses.
    await page.waitForTimeout(900);
  }
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (wide > 0) console.log(`${name}: ${wide}px too wide`);
  if (wide > 0) complaints += 1;
  // Not through a script tag, which the policy forbids.
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"] }));
  for (const { id, help, nodes } of violations) {
    complaints += 1;
    console.log(`${name}: ${id}: ${help}`);
    for (const node of nodes.slice(0, 3)) console.log(`    ${node.html.slice(0, 140)}\n    ${node.failureSummary?.split("\n").slice(1, 2).join(" ")}`);
  }
  await page.screenshot({ path: `${here}shots/${name}.png` });
  await page.close();
}
await browser.close();
await server.close();
process.exitCode = complaints > 0 ? 1 : 0;
