/** Which language the page speaks. */
import { afterEach, expect, test } from "vitest";
import { i18n, spoken, t } from "../src/text/i18n.svelte";

afterEach(() => {
  i18n.chosen = "system";
  i18n.told = undefined;
});

test("as the system is as the tray, when the tray said so", () => {
  expect(i18n.language).toBe("en");
  i18n.told = spoken("zh-CN");
  expect(t("app.loading")).toBe("正在加载…");
  i18n.chosen = "en";
  expect(i18n.language).toBe("en");
});

test("only a language that is spoken here is taken", () => {
  expect([spoken("en"), spoken("zh-CN"), spoken("system"), spoken("fr"), spoken(null)]).toEqual(["en", "zh-CN", undefined, undefined, undefined]);
});
