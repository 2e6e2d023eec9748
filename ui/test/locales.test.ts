// @vitest-environment node
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import en from "../src/locales/en.json";
import zhCN from "../src/locales/zh-CN.json";
import { flatten } from "../src/text/i18n.svelte";

const [english, chinese] = [flatten(en), flatten(zhCN)];
const placeholders = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

test("both languages have the same keys", () => {
  expect([...chinese.keys()].sort()).toEqual([...english.keys()].sort());
});

test("both languages have the same placeholders", () => {
  for (const [key, text] of english) expect(placeholders(chinese.get(key) ?? ""), key).toEqual(placeholders(text));
});

test("no sentence is empty, and Chinese is Chinese with full-width punctuation", () => {
  for (const [key, text] of [...english, ...chinese]) expect(text.trim(), key).not.toBe("");
  for (const [key, text] of chinese) expect(text, key).not.toMatch(/[\u4e00-\u9fff][,;?!](?!\S*[A-Za-z]{2})|(?<!:\/\/\S*)[\u4e00-\u9fff][:;]/);
});

test("every key that the page uses exists", () => {
  const used = sources("src").flatMap(({ path, text }) => [...text.matchAll(/\b(?:t|plural)\(\s*(["`'])([\w.${}]+)\1/g)].map(([, , key]) => ({ path, key: key! })));
  expect(used.length).toBeGreaterThan(200);
  for (const { path, key } of used) {
    // `${…}` stands for one word: something must fit.
    const pattern = new RegExp(`^${key.replace(/\./g, "\\.").replace(/\$\{[^}]*\}/g, "\\w+")}(\\.one)?$`);
    expect([...english.keys()].some((known) => pattern.test(known)), `${key} in ${path}`).toBe(true);
  }
});

test("every problem and every error code has its sentences", () => {
  for (const [file, prefix, suffixes] of [
    ["ProblemCode", "problem", [".title", ".remedy"]],
    ["Code", "error", [""]],
    ["Refusal", "refusal", [""]],
    ["State", "receipt.states", [""]],
    ["Shown", "receipt.shownState", [""]],
    ["Transport", "connection", [""]],
  ] as const) {
    const codes = [...readFileSync(`src/protocol/${file}.ts`, "utf8").matchAll(/"(\w+)"/g)].map(([, code]) => code);
    expect(codes.length).toBeGreaterThan(2);
    for (const code of codes) for (const suffix of suffixes) expect(english.has(`${prefix}.${code}${suffix}`), `${prefix}.${code}${suffix}`).toBe(true);
  }
});

/** Remedies whose detail the platform does not always name. */
const PLAIN = ["trust_ip", "trust_ip_wechat", "trust_ip_wecom", "confirm_ip", "ip_refused", "fix_field"];

test("every remedy of the WeChat platforms has its sentence, also without the detail", () => {
  const list = /NAMES: &\[&str\] = &\[([^\]]*)\]/.exec(readFileSync("../crates/wechat/src/errcode/remedy.rs", "utf8"))?.[1] ?? "";
  const names = [...list.matchAll(/"(\w+)"/g)].map(([, name]) => name!);
  expect(names.length).toBeGreaterThan(40);
  for (const name of names) expect(english.has(`remedy.${name}`), name).toBe(true);
  for (const name of PLAIN) expect(placeholders(english.get(`remedy.${name}_plain`) ?? "{missing}"), name).toEqual([]);
});

test("no sentence stands in the views", () => {
  for (const { path, text } of sources("src").filter(({ path }) => path.endsWith(".svelte"))) {
    const markup = text.replace(/<script[\s\S]*?<\/script>|<style[\s\S]*?<\/style>|<!--[\s\S]*?-->/g, "").replace(/\{[^{}]*(\{[^{}]*(\{[^{}]*\}[^{}]*)*\}[^{}]*)*\}/g, "");
    for (const [, words] of markup.matchAll(/>([^<>]*)</g)) expect(words, `${path}: ${words}`).not.toMatch(/[A-Za-z]{3}|[\u4e00-\u9fff]/);
  }
});

function sources(folder: string): { path: string; text: string }[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === "protocol" || entry.name === "locales" ? [] : sources(path);
    return /\.(ts|svelte)$/.test(entry.name) ? [{ path, text: readFileSync(path, "utf8") }] : [];
  });
}
