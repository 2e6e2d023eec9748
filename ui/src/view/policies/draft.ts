/**
 * A policy while it is written: what is typed need not make sense yet. What is wrong is told at its field (`steps[0].via`);
 * what only the server can know at the step that it names.
 */
import { Failure } from "../../backend/backend";
import type { Milestone, Policy, PolicySettings, Quiet, Step } from "../../protocol";
import { span, t } from "../../text/i18n.svelte";

/** As in crates/protocol/src/escalation.rs. */
export const bounds = { steps: 20, repeats: 60, afterS: 7 * 24 * 3600, everyS: 30, stepPeople: 50, expectS: 10 } as const;

export const MILESTONES: readonly Milestone[] = ["acknowledged_by_any", "acknowledged_by_all", "read_by_any", "read_by_all", "received_by_any", "received_by_all"];

export interface StepDraft {
  /** Stays with it when steps change places. */
  id: number;
  after_s: number;
  unless: Milestone;
  who: "missing" | "next";
  people: string[];
  via: string[];
  repeat: number;
  every_s: number;
}

export interface Draft {
  display_name: string;
  steps: StepDraft[];
  quiet: Quiet | undefined;
  topics: string[];
}

/** Field → what is wrong with it. */
export type Faults = ReadonlyMap<string, string>;

/** Ten in the evening to seven, where the person is. */
export const night = (): Quiet => ({ from: "22:00", to: "07:00", zone: Intl.DateTimeFormat().resolvedOptions().timeZone });

let made = 0;

/** Another step, some minutes after the last one. */
export function another(steps: readonly StepDraft[]): StepDraft {
  const last = steps.at(-1);
  return { id: ++made, after_s: last === undefined || Number.isNaN(last.after_s) ? 120 : last.after_s + 300, unless: last?.unless ?? "acknowledged_by_any", who: "missing", people: [], via: last?.via.slice() ?? ["desktop"], repeat: 0, every_s: 300 };
}

export function draftOf(policy: Policy | undefined): Draft {
  if (!policy) return { display_name: "", steps: [another([])], quiet: undefined, topics: [] };
  const steps = policy.steps.map(({ notify, repeat, every_s, ...step }): StepDraft => ({ ...step, id: ++made, via: [...step.via], who: notify.who, people: notify.who === "next" ? [...notify.people] : [], repeat: repeat ?? 0, every_s: every_s ?? 300 }));
  return { display_name: policy.display_name, steps, quiet: policy.quiet && { ...policy.quiet }, topics: [...policy.topics] };
}

export function settingsOf({ display_name, steps, quiet }: Draft): PolicySettings {
  return {
    ...(display_name.trim() !== "" ? { display_name: display_name.trim() } : {}),
    steps: steps.map(({ after_s, unless, who, people, via, repeat, every_s }): Step => ({ after_s, unless, notify: who === "missing" ? { who } : { who, people: [...people] }, via: [...via], ...(repeat > 0 ? { repeat, every_s } : {}) })),
    ...(quiet ? { quiet: { ...quiet } } : {}),
  };
}

export function faultsOf({ steps, quiet }: Draft): Faults {
  const faults = new Map<string, string>();
  if (steps.length === 0) faults.set("steps", t("policy.fault.noSteps"));
  if (steps.length > bounds.steps) faults.set("steps", t("policy.fault.tooManySteps", { most: bounds.steps }));
  steps.forEach((step, index) => {
    const at = (field: string, text: string) => faults.set(`steps[${index}].${field}`, text);
    const before = steps[index - 1]?.after_s;
    if (!(step.after_s >= 0)) at("after_s", t("policy.fault.noTime"));
    else if (step.after_s > bounds.afterS) at("after_s", t("policy.fault.tooLate", { most: span(bounds.afterS) }));
    else if (before !== undefined && step.after_s < before) at("after_s", t("policy.fault.order"));
    if (step.who === "next" && step.people.length === 0) at("notify", t("policy.fault.nobody"));
    if (step.people.length > bounds.stepPeople) at("notify", t("policy.fault.tooManyPeople", { most: bounds.stepPeople }));
    if (step.via.length === 0) at("via", t("policy.fault.noWay"));
    if (!Number.isInteger(step.repeat) || step.repeat < 0 || step.repeat > bounds.repeats) at("repeat", t("policy.fault.repeat", { most: bounds.repeats }));
    else if (step.repeat > 0 && !(step.every_s >= bounds.everyS)) at("every_s", t("policy.fault.every", { least: span(bounds.everyS) }));
    else if (step.repeat > 0 && step.after_s + step.repeat * step.every_s > bounds.afterS) at("every_s", t("policy.fault.tooLate", { most: span(bounds.afterS) }));
  });
  if (quiet && (!clock(quiet.from) || !clock(quiet.to))) faults.set("quiet", t("policy.fault.quiet"));
  else if (quiet && quiet.from === quiet.to) faults.set("quiet", t("policy.fault.quietAll"));
  if (quiet && !isZone(quiet.zone)) faults.set("quiet.zone", t("policy.fault.zone"));
  return faults;
}

/** Where a refusal of the server belongs; nothing when it names no step. */
export function placed(error: unknown): Faults | undefined {
  if (!(error instanceof Failure) || error.code !== "invalid_field") return undefined;
  const [, number, text] = /^step (\d+): (.+)$/.exec(error.message) ?? [];
  return number === undefined || text === undefined ? undefined : new Map([[`steps[${Number(number) - 1}]`, `${t("error.invalid_field")} (${text})`]]);
}

const clock = (text: string) => /^([01]\d|2[0-3]):[0-5]\d$/.test(text);

function isZone(name: string): boolean {
  try {
    return name !== "" && Intl.DateTimeFormat(undefined, { timeZone: name }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}
