/**
 * A policy while it is written: what is typed need not make sense yet. What is wrong is told at its field (`steps[0].via`);
 * what only the server can know at the step that it names.
 */
import { Failure } from "../../backend/backend";
import { limits, type Milestone, type Policy, type PolicySettings, type Quiet, type Step } from "../../protocol";
import { DESKTOP } from "../../state/ways";
import { listed, span, t } from "../../text/i18n.svelte";

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

/** Whom and what a policy can name. */
export interface Known {
  people: readonly string[];
  ways: readonly string[];
}

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

/** What is wrong with the name of a new policy, by the server's rule; that it has none yet is not wrong. */
export function nameFault(name: string, taken: readonly string[]): string | undefined {
  if (name === "") return undefined;
  if (name.length > limits.nameBytes || !/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) return t("policy.fault.name", { most: limits.nameBytes });
  return taken.includes(name) ? t("policy.nameTaken") : undefined;
}

/** `known`: left out where it is not known. */
export function faultsOf({ display_name, steps, quiet }: Draft, known?: Known): Faults {
  const faults = new Map<string, string>();
  const used = new TextEncoder().encode(display_name.trim()).length;
  if (used > limits.displayBytes) faults.set("display_name", t("compose.tooLong", { used, limit: limits.displayBytes }));
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
    const strangers = step.who === "next" && known ? step.people.filter((name) => !known.people.includes(name)) : [];
    if (strangers.length > 0) at("notify", t("policy.fault.unknownPeople", { names: listed(strangers) }));
    if (step.via.length === 0) at("via", t("policy.fault.noWay"));
    const gone = known ? step.via.filter((name) => name !== DESKTOP && !known.ways.includes(name)) : [];
    if (gone.length > 0) at("via", t("policy.fault.unknownWays", { names: listed(gone) }));
    if (!Number.isInteger(step.repeat) || step.repeat < 0 || step.repeat > bounds.repeats) at("repeat", t("policy.fault.repeat", { most: bounds.repeats }));
    else if (step.repeat > 0 && !(step.every_s >= bounds.everyS)) at("every_s", t("policy.fault.every", { least: span(bounds.everyS) }));
    else if (step.repeat > 0 && step.after_s + step.repeat * step.every_s > bounds.afterS) at("every_s", t("policy.fault.tooLate", { most: span(bounds.afterS) }));
  });
  if (quiet && (!clock(quiet.from) || !clock(quiet.to))) faults.set("quiet", t("policy.fault.quiet"));
  else if (quiet && quiet.from === quiet.to) faults.set("quiet", t("policy.fault.quietAll"));
  if (quiet && !isZone(quiet.zone)) faults.set("quiet.zone", t("policy.fault.zone"));
  return faults;
}

/** Where a refusal of the server belongs; nothing when it names no field. `steps`: what it was asked for. */
export function placed(error: unknown, steps: readonly Step[] = []): Faults | undefined {
  if (!(error instanceof Failure)) return undefined;
  const named = /"(.+)"/.exec(error.message)?.[1] ?? "";
  if (error.code === "unknown_user") {
    const text = t("policy.fault.unknownPeople", { names: named });
    const where = steps.flatMap(({ notify }, index) => (notify.who === "next" && notify.people.includes(named) ? [[`steps[${index}].notify`, text] as const] : []));
    return where.length === 0 ? undefined : new Map(where);
  }
  if (error.code !== "invalid_field") return undefined;
  // Browsers know names of zones that not every server does.
  if (error.message.includes(" is no time zone")) return new Map([["quiet.zone", t("policy.fault.zone")]]);
  const [, number, text] = /^step (\d+): (.+)$/.exec(error.message) ?? [];
  if (number === undefined || text === undefined) return undefined;
  const at = `steps[${Number(number) - 1}]`;
  if (text.startsWith("there is no channel ")) return new Map([[`${at}.via`, t("policy.fault.unknownWays", { names: named })]]);
  return new Map([[at, t("error.because", { sentence: t("error.invalid_field"), detail: text })]]);
}

const clock = (text: string) => /^([01]\d|2[0-3]):[0-5]\d$/.test(text);

/** A name as `Asia/Shanghai`: what `Intl` takes besides, such as `+08:00`, is no zone for the server. */
function isZone(name: string): boolean {
  try {
    return /^[A-Za-z]/.test(name) && Intl.DateTimeFormat(undefined, { timeZone: name }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}
