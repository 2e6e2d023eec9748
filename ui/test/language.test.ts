/** Which language the page speaks. */
import { afterEach, expect, test } from "vitest";
import { Failure } from "../src/backend/backend";
import { describe } from "../src/state/toasts.svelte";
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

test("what went wrong is told in one language", () => {
  const quiet = new Failure("invalid_field", "quiet hours are minutes of the day, 0 to 1439", 400, undefined, "quiet_hours");
  const field = new Failure("invalid_field", "topics: at most 100", 422);
  const taken = new Failure("conflict", "the name bo is taken", 409);
  const newer = new Failure("conflict", "the moon is full", 409, undefined, "moon_full");
  expect([quiet, field, taken, newer].map(describe)).toEqual([
    "Quiet hours begin and end at a time of day.",
    "A field is not valid. (topics: at most 100)",
    "That name is taken, or the last admin would go. (the name bo is taken)",
    "That name is taken, or the last admin would go. (the moon is full)",
  ]);
  i18n.chosen = "zh-CN";
  expect([quiet, field, taken, newer].map(describe)).toEqual([
    "免打扰时段的起止必须是一天中的时刻。",
    "有字段填写不正确。（topics）",
    "名称已被占用，或者这是最后一位管理员。",
    "名称已被占用，或者这是最后一位管理员。",
  ]);
});
