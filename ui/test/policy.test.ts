/** What a policy is while it is written. */
import { readFileSync } from "node:fs";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { Failure } from "../src/backend/backend";
import type { Policy } from "../src/protocol";
import { i18n, known, span } from "../src/text/i18n.svelte";
import { another, bounds, draftOf, faultsOf, MILESTONES, nameFault, placed, settingsOf, type Draft } from "../src/view/policies/draft";

beforeEach(() => (i18n.chosen = "en"));

const policy: Policy = {
  name: "on-call",
  display_name: "On call",
  steps: [
    { after_s: 120, unless: "acknowledged_by_any", notify: { who: "missing" }, via: ["desktop"] },
    { after_s: 300, unless: "read_by_all", notify: { who: "next", people: ["bo", "ann"] }, via: ["wecom"], repeat: 2, every_s: 60 },
  ],
  quiet: { from: "22:00", to: "07:00", zone: "Asia/Shanghai" },
  topics: ["ops"],
  created_at: 0,
};
const changed = (change: (draft: Draft) => void) => {
  const draft = draftOf(policy);
  change(draft);
  return Object.fromEntries(faultsOf(draft));
};

test("the bounds are those of the protocol", () => {
  const source = readFileSync("../crates/protocol/src/escalation.rs", "utf8");
  const value = (name: string) => Function(`return ${new RegExp(`const ${name}: \\w+ = ([^;]+);`).exec(source)?.[1]}`)() as number;
  expect(bounds).toEqual({ steps: value("STEPS"), repeats: value("REPEATS"), afterS: value("AFTER_S"), everyS: value("EVERY_S"), stepPeople: value("STEP_PEOPLE"), expectS: value("EXPECT_S") });
});

test("a draft that nothing was done to is the policy", () => {
  expect(settingsOf(draftOf(policy))).toEqual({ display_name: "On call", steps: policy.steps, quiet: policy.quiet });
  expect(faultsOf(draftOf(policy)).size).toBe(0);
  expect(faultsOf(draftOf(undefined)).size).toBe(0);
});

test("the next step begins after the last, over the same ways", () => {
  expect(another(draftOf(policy).steps)).toMatchObject({ after_s: 600, unless: "read_by_all", via: ["wecom"], repeat: 0 });
});

describe("what is wrong is told at its field", () => {
  test("times", () => {
    expect(changed(({ steps }) => (steps[0]!.after_s = Number.NaN))).toEqual({ "steps[0].after_s": "Enter a time." });
    expect(changed(({ steps }) => (steps[0]!.after_s = 301))).toHaveProperty(["steps[1].after_s"]);
    expect(changed(({ steps }) => (steps[1]!.after_s = bounds.afterS + 1))).toHaveProperty(["steps[1].after_s"]);
    expect(changed(({ steps }) => (steps[1]!.every_s = 29))).toEqual({ "steps[1].every_s": "At least 30 s: a person needs that long to answer." });
    expect(changed(({ steps }) => Object.assign(steps[1]!, { repeat: 60, every_s: 86_400 }))).toHaveProperty(["steps[1].every_s"]);
  });

  test("people, ways, repetitions, steps", () => {
    expect(changed(({ steps }) => (steps[1]!.people = []))).toEqual({ "steps[1].notify": "Add at least one person." });
    expect(changed(({ steps }) => (steps[0]!.via = []))).toEqual({ "steps[0].via": "Choose at least one way." });
    for (const repeat of [-1, 1.5, 61, Number.NaN]) expect(changed(({ steps }) => (steps[0]!.repeat = repeat)), `${repeat}`).toHaveProperty(["steps[0].repeat"]);
    expect(changed((draft) => (draft.steps = []))).toHaveProperty("steps");
  });

  test("quiet hours", () => {
    expect(changed((draft) => (draft.quiet = { from: "", to: "07:00", zone: "UTC" }))).toHaveProperty("quiet");
    expect(changed((draft) => (draft.quiet = { from: "07:00", to: "07:00", zone: "UTC" }))).toHaveProperty("quiet");
    expect(changed((draft) => (draft.quiet = { from: "22:00", to: "07:00", zone: "Asia/Nowhere" }))).toHaveProperty(["quiet.zone"]);
    // Newer engines take an offset for a zone; the server does not.
    const { DateTimeFormat } = Intl;
    const lenient = vi.spyOn(Intl, "DateTimeFormat").mockImplementation(function (language, options) {
      return new DateTimeFormat(language, { ...options, timeZone: options?.timeZone === "+08:00" ? "Asia/Shanghai" : options?.timeZone });
    } as typeof DateTimeFormat);
    expect(changed((draft) => (draft.quiet = { from: "22:00", to: "07:00", zone: "+08:00" }))).toHaveProperty(["quiet.zone"]);
    lenient.mockRestore();
  });

  test("people and ways that are gone", () => {
    const known = { people: ["bo"], ways: ["desktop"] };
    expect(Object.fromEntries(faultsOf(draftOf(policy), known))).toEqual({ "steps[1].notify": "No longer here: ann. Remove them.", "steps[1].via": "There is no such channel any more: wecom. Untick it." });
    expect(faultsOf(draftOf(policy), { people: ["ann", "bo"], ways: ["wecom"] }).size).toBe(0);
  });

  test("a display name of more bytes than the server takes", () => {
    expect(changed((draft) => (draft.display_name = "值".repeat(43)))).toEqual({ display_name: "Too long: 129 of 128 bytes." });
    expect(changed((draft) => (draft.display_name = ` ${"值".repeat(42)} `))).toEqual({});
  });

  test("a name by the rule of the protocol", () => {
    for (const name of ["夜 班", "a b", "a/b", "_a", ".a", "-a", "x".repeat(65)]) expect(nameFault(name, []), name).toMatch(/^At most 64 letters/);
    for (const name of ["", "a", "7", "On-call_2.x", "x".repeat(64)]) expect(nameFault(name, []), name).toBeUndefined();
    expect(nameFault("a", ["a"])).toBe("There is a policy of this name.");
  });
});

test("a refusal of the server finds its step", () => {
  const at = (message: string) => [...(placed(new Failure("invalid_field", message, 422))?.keys() ?? [])][0];
  expect(at('step 2: there is no channel named "wecom"')).toBe("steps[1].via");
  expect(at("step 2: it names somebody twice")).toBe("steps[1]");
  expect(at('"Asia/Calcutta" is no time zone: Asia/Shanghai is one')).toBe("quiet.zone");
  expect(at("something else")).toBeUndefined();
  const gone = new Failure("unknown_user", 'no user named "ann"', 422);
  expect(Object.fromEntries(placed(gone, policy.steps)!)).toEqual({ "steps[1].notify": "No longer here: ann. Remove them." });
  expect(placed(gone, policy.steps.slice(0, 1))).toBeUndefined();
  expect(placed(new Failure("busy", "step 2: later", 503))).toBeUndefined();
});

test("every milestone has its words", () => {
  const names = [...readFileSync("src/protocol/Milestone.ts", "utf8").matchAll(/"(\w+)"/g)].map(([, name]) => name);
  expect([...MILESTONES].sort()).toEqual(names.sort());
  for (const name of names) expect(known(`policy.milestone.${name}`), name).toBe(true);
});

test("a span in its two largest units", () => {
  expect([0, 5, 60, 65, 3600, 3665, 90_000, 86_400 * 7].map(span)).toEqual(["0 s", "5 s", "1 min", "1 min 5 s", "1 h", "1 h 1 min", "1 d 1 h", "7 d"]);
  i18n.chosen = "zh-CN";
  expect(span(3665)).toBe("1 小时 1 分");
});
