/** What channels are made of, and what is said about them. */
import { readFileSync } from "node:fs";
import { beforeEach, describe, expect, test } from "vitest";
import { Failure } from "../src/backend/backend";
import { i18n, known } from "../src/text/i18n.svelte";
import { refused, remedy } from "../src/text/remedy";
import { kinds, label, written, type Slug } from "../src/view/channels/kinds";
import { called, guess, source, SOURCES } from "../src/view/channels/template";
import { why } from "../src/view/deliveries/words";
import { chosen, upwards } from "../src/view/routing/rule";

beforeEach(() => (i18n.chosen = "en"));

test("every part of every kind has its label, and says where it is found", () => {
  for (const { slug, fields, advanced, secret, steps, group } of Object.values(kinds)) {
    const secrets = group ? [secret] : [secret, "callback_token", "callback_key"];
    const found = [...fields.map(({ name }) => [slug, name]), ...secrets.map((name) => [slug, name]), ...advanced.map(({ name }) => ["network", name]), ["network", "proxy_password"]];
    for (const [where, name] of found) for (const key of [where === "network" ? `channels.field.${name}` : label(where as Slug, name!), `channels.where.${where}.${name}`]) expect(known(key), key).toBe(true);
    for (const { name, options } of [...fields, ...advanced]) for (const option of options ?? []) expect(known(`channels.option.${name}.${option}`), option).toBe(true);
    for (let step = 1; step <= steps; step++) expect(known(`channels.steps.${slug}.${step}`), `${slug} ${step}`).toBe(true);
    for (const key of [`channels.kind.${slug}`, `channels.intro.${slug}`, `channels.rate.${slug}`]) expect(known(key), key).toBe(true);
  }
  for (const each of SOURCES) expect(known(`channels.template.source.${each}`), each).toBe(true);
});

test("every state of a delivery, every end of a try and every code of ours has its words", () => {
  const codes = /pub mod codes \{([\s\S]*?)\n\}/.exec(readFileSync("../crates/store/src/outbox/mod.rs", "utf8"))?.[1] ?? "";
  const ours = [...codes.matchAll(/= "(\w+)"/g)].map(([, code]) => code!);
  expect(ours.length).toBeGreaterThan(8);
  // What never was answered has a code of its own, too.
  const unanswered = /fn cause\([\s\S]*?\n\}/.exec(readFileSync("../crates/delivery/src/wechat/failing.rs", "utf8"))?.[0] ?? "";
  ours.push(...[...unanswered.matchAll(/=> "(\w+)"/g)].map(([, code]) => code!), "invaliduser", "unlicenseduser", "unfit", "not_sent");
  expect(ours.length).toBeGreaterThan(20);
  for (const code of ours) expect(known(`deliveries.code.${code}`), code).toBe(true);
  for (const [file, prefix] of [["DeliveryState", "deliveries.state"], ["AttemptResult", "deliveries.result"]] as const) {
    for (const [, word] of readFileSync(`src/protocol/${file}.ts`, "utf8").matchAll(/"(\w+)"/g)) expect(known(`${prefix}.${word}`), word).toBe(true);
  }
});

describe("remedies", () => {
  test("with and without the detail, and none where nothing is to be done", () => {
    expect(remedy({ remedy: "trust_ip", params: { ip: "203.0.113.7" } })).toContain("Add 203.0.113.7 to");
    expect(remedy({ remedy: "trust_ip", params: {} })).toContain("this server's public address");
    expect(remedy({ remedy: "trust_ip", params: { ip: "203.0.113.7" } }, "wecom")).not.toContain("IP白名单");
    expect(remedy({ remedy: "trust_ip", params: {} }, "wechat")).not.toContain("企业可信IP");
    expect(remedy({ remedy: "bind" }, "wecom")).toBe(remedy({ remedy: "bind" }));
    expect(remedy({ remedy: "none" })).toBeUndefined();
    expect(remedy({})).toBeUndefined();
    expect(remedy({ remedy: "of_a_newer_server" })).toBeUndefined();
  });

  test("are named by the server when the platform refuses a question", () => {
    expect(refused(new Failure("busy", "60020: not allow", 503, "remedy: trust_ip"))).toContain("this server's public address");
    expect(refused(new Failure("busy", "60020: not allow", 503, "remedy: trust_ip"))).toContain("60020: not allow");
    expect(refused(new Failure("busy", "", 503))).toBe("The server is busy. Try again in a moment.");
  });
});

test("a config: numbers are numbers, what is empty is left out, what is not shown stays", () => {
  expect(written({ callback: true, proxy: "none", template_id: "T" }, [...kinds.wecom.fields, ...kinds.wecom.advanced], { corp_id: " ww1 ", agent_id: "7", proxy: "" })).toEqual({ callback: true, template_id: "T", corp_id: "ww1", agent_id: 7 });
});

test("what a template's field takes is guessed from its name", () => {
  expect(["thing1", "thing2", "time4", "date1", "phrase3", "first", "keyword1", "keyword2", "remark", "character_string5"].map(guess)).toEqual(["title", "body", "time", "time", "priority", "title", "title", "body", "body", "id"]);
  expect([source("body"), source("=always"), source("of a newer server")]).toEqual(["body", "fixed", "title"]);
});

test("a field is called as the template's text calls it", () => {
  const content = "{{first.DATA}}\n告警内容：{{thing1.DATA}}\n 时间: {{time2.DATA}}";
  expect(["thing1", "time2", "first", "thing11"].map((field) => called(content, field))).toEqual(["告警内容", "时间", "", ""]);
});

test("above the highest priority there is nothing", () => {
  expect([upwards(4), upwards(5)]).toEqual(["from High", "only Critical"]);
  i18n.chosen = "zh-CN";
  expect([upwards(4), upwards(5)]).toEqual(["高及以上", "仅紧急"]);
});

test("no rule, never, and from a priority are three things", () => {
  const routes = [{ channel: "a", topic: "ops" }, { channel: "a", from_priority: 4 as const }];
  expect([chosen(routes, "a"), chosen(routes, "a", "ops"), chosen(routes, "a", undefined, "bo"), chosen(routes, "b")]).toEqual(["4", "never", "", ""]);
});

test("why: our sentence, the platform's words, or its bare code", () => {
  expect(why({ code: "given_up" })).toBe("It was tried for too long and given up.");
  expect(why({ code: "unknown", reason: "no answer" })).toBe("It was handed over, and no answer came. (no answer)");
  i18n.chosen = "zh-CN";
  expect(why({ code: "unknown", reason: "no answer" })).toMatch(/。（no answer）$/);
  i18n.chosen = "en";
  expect(why({ code: "60111", reason: "userid not found" })).toBe("The platform says: userid not found (60111)");
  expect(why({ code: "93000" })).toBe("Code 93000");
  expect(why({})).toBe("");
});
