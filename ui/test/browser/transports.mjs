/**
 * The page in Chromium against a real `tocsin serve`, with a proxy between that refuses Upgrade, then buffers SSE, then
 * lets everything through; a second tab; and the server killed and started again. Every message must be in the list
 * once, in order. `TOCSIN_BIN=… npm run test:browser`; it fails without the program rather than skip.
 */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const program = process.env.TOCSIN_BIN;
assert.ok(program, "TOCSIN_BIN must name the tocsin program");
const home = mkdtempSync(join(tmpdir(), "tocsin-page-"));
const ready = join(home, "ready.json");
const tocsin = (...words) => execFileSync(program, ["--data-dir", home, ...words], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();

let port = 0;
let server;
async function serve() {
  rmSync(ready, { force: true });
  server = spawn(program, ["--data-dir", home, "serve", "--listen", `127.0.0.1:${port}`, "--admin", "ann", "--ready-file", ready], { stdio: "ignore" });
  await until("the server is ready", () => existsSync(ready) && readFileSync(ready, "utf8").includes("}"));
  port = Number(new URL(JSON.parse(readFileSync(ready, "utf8")).origins[0]).port);
}

/** What the proxy does: nothing, refuse WebSockets, or keep event streams to itself as well. */
let manners = "clear";
const sockets = new Set();
const proxy = http.createServer((request, answer) => {
  const onward = http.request({ host: "127.0.0.1", port, path: request.url, method: request.method, headers: request.headers }, (got) => {
    if (manners === "buffers" && request.url.startsWith("/events")) return got.resume();
    answer.writeHead(got.statusCode, got.headers);
    got.pipe(answer);
    got.on("error", () => answer.destroy());
    answer.on("close", () => got.destroy());
  });
  onward.on("error", () => answer.destroy());
  request.pipe(onward);
});
proxy.on("connection", (socket) => {
  sockets.add(socket);
  socket.on("close", () => sockets.delete(socket));
});
proxy.on("upgrade", (request, socket) => {
  if (manners !== "clear") return socket.end("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n");
  const onward = net.connect(port, "127.0.0.1", () => {
    const headers = Object.entries(request.headers).map(([name, value]) => `${name}: ${value}\r\n`);
    onward.write(`${request.method} ${request.url} HTTP/1.1\r\n${headers.join("")}\r\n`);
    socket.pipe(onward).pipe(socket);
  });
  onward.on("error", () => socket.destroy());
  socket.on("error", () => onward.destroy());
});
/** From now on with these manners; what was open is cut. */
function behave(as) {
  manners = as;
  for (const socket of sockets) socket.destroy();
}

async function until(what, condition, ms = 90_000) {
  const deadline = Date.now() + ms;
  for (;;) {
    if (await condition()) return console.log(`ok: ${what}`);
    assert.ok(Date.now() < deadline, `in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

let sent = 0;
function send() {
  for (let i = 0; i < 3; i++) tocsin("send", "ops", "text", "--title", `Message ${++sent}.`);
}
const listed = async (page) => (await page.locator("[data-row] .title").allInnerTexts()).map((title) => Number(title.match(/\d+/)?.[0])).reverse();
const complete = (page) => async () => (await listed(page)).join() === Array.from({ length: sent }, (_, index) => index + 1).join();
const link = (page) => page.locator("header [data-state]").evaluate((mark) => `${mark.dataset.state} ${mark.title}`);
const by = (page, words) => async () => (await link(page)).includes(words);

let browser;
try {
  await serve();
  tocsin("topic", "add", "ops", "--member", "ann");
  await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${proxy.address().port}`;
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
  const context = await browser.newContext({ locale: "en-GB", viewport: { width: 900, height: 640 } });
  const complaints = [];
  const open = async (address) => {
    const page = await context.newPage();
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (line) => /Content.Security.Policy/i.test(line.text()) && complaints.push(line.text()));
    await page.goto(address);
    return page;
  };

  const first = await open(origin + new URL(tocsin("login").match(/http\S+/)[0]).hash);
  await until("WebSocket", by(first, "WebSocket"));
  assert.equal(new URL(first.url()).hash, "", "the code left the address");
  send();
  await until("live messages", complete(first));

  const second = await open(origin);
  let streams = 0;
  second.on("websocket", () => (streams += 1));
  await until("a second tab hears the first one's stream", by(second, "WebSocket"));
  send();
  await until("in the first tab", complete(first));
  await until("in the second tab", complete(second));
  assert.equal(streams, 0, "one stream per browser");

  behave("refuses upgrades");
  send();
  await until("SSE where Upgrade is refused", by(first, "Server-Sent Events"));
  send();
  await until("nothing lost, nothing twice", complete(first));

  behave("buffers");
  send();
  await until("long polling where SSE is buffered", by(first, "polling"));
  send();
  await until("nothing lost, nothing twice", complete(first));

  behave("clear");
  send();
  await until("climbs back to WebSocket", by(first, "WebSocket"), 200_000);
  send();
  await until("nothing lost, nothing twice", complete(first));

  server.kill("SIGKILL");
  await until("offline when the server is killed", by(first, "offline"));
  await serve();
  send();
  await until("online when it is back", by(first, "online"));
  await until("nothing lost, nothing twice", complete(first));

  await first.close();
  await until("the second tab takes the stream over", async () => streams > 0 && (await link(second)).includes("online"));
  send();
  await until("nothing lost, nothing twice", complete(second));
  const last = JSON.parse(tocsin("send", "ops", "text", "--title", `Message ${++sent}.`, "--json"));
  await until("the receipt says received", () => {
    const receipt = JSON.parse(tocsin("receipt", last.id, "--json"));
    return receipt.counts.received === 1 && receipt.counts.missing === 0;
  });
  assert.deepEqual(complaints, []);
  console.log(`passed with ${sent} messages`);
} finally {
  await browser?.close();
  proxy.close();
  behave("clear");
  if (server?.kill("SIGTERM")) await once(server, "exit");
  rmSync(home, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}
