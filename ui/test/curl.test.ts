import { afterEach, expect, test } from "vitest";
import { curl } from "../src/text/curl";
import { i18n } from "../src/text/i18n.svelte";
import { href, parse } from "../src/state/route.svelte";

afterEach(() => (i18n.chosen = "en"));

test("a token that was just made stands in single quotes, a variable where the shell sees it", () => {
  i18n.chosen = "en";
  const app = { native: false, status: undefined };
  expect(curl(app, "tcs_x", "it's")).toContain("-H 'Authorization: Bearer tcs_x'");
  expect(curl(app)).toContain('-H "Authorization: Bearer $TOCSIN_TOKEN"');
  const body = /-d '([^']*)'$/.exec(curl(app, "tcs_x", "it's"))?.[1];
  expect(JSON.parse(body ?? "")).toEqual({ topic: "it's", title: "Hello from Tocsin" });
});

test("a page of the settings has an address", () => {
  expect(parse("#/settings/wecom-robot")).toEqual({ place: "settings", page: "wecom-robot" });
  expect(href(parse("#/settings/wecom"))).toBe("#/settings/wecom");
  expect(parse("#/settings/../x")).toEqual({ place: "settings" });
  expect(href({ place: "settings" })).toBe("#/settings");
});
