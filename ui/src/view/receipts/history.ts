/** What became of a message, in the order in which it happened, as sentences. */
import type { IconName } from "../../part/Icon.svelte";
import type { Entry } from "../../part/Timeline.svelte";
import type { EscalationState, PersonReceipt, Receipt, StepRun } from "../../protocol";
import { wayName, type WayName } from "../../state/ways";
import { listed, moment, number, plural, span, t } from "../../text/i18n.svelte";

/** A step that ran so much after its time was held up: the computer slept, or the server was down. */
const LATE_MS = 60_000;

const ended: Record<Exclude<EscalationState, "running">, { icon: IconName; tone: Entry["tone"] }> = {
  acknowledged: { icon: "checks", tone: "good" },
  expired: { icon: "clock", tone: "bad" },
  cancelled: { icon: "stop", tone: "soft" },
  superseded: { icon: "minimal", tone: "soft" },
  exhausted: { icon: "alert", tone: "bad" },
};

/** `people`: whose rows are known; first and last are told only when that is everybody. */
export function history(receipt: Receipt, people: readonly PersonReceipt[], ways: readonly WayName[]): Entry[] {
  const name = (user: string) => people.find((person) => person.user === user)?.display_name ?? user;
  const everybody = people.length >= receipt.counts.owed;
  const events: Entry[] = [{ at: receipt.created_at, icon: "send", text: published(receipt, everybody ? people : undefined) }];
  if (everybody) events.push(...arrivals(people));
  for (const run of receipt.escalation?.steps ?? []) events.push(step(run, name, ways));
  const { escalation } = receipt;
  if (escalation && escalation.state !== "running") {
    const by = escalation.by === undefined ? undefined : name(escalation.by);
    const text = escalation.state === "acknowledged" || escalation.state === "cancelled" ? t(by === undefined ? `history.ended.${escalation.state}Plain` : `history.ended.${escalation.state}`, { by: by ?? "" }) : t(`history.ended.${escalation.state}`);
    events.push({ at: escalation.ended_at ?? events.at(-1)?.at ?? receipt.created_at, text, ...ended[escalation.state] });
  }
  events.sort((a, b) => a.at - b.at);
  const next = escalation?.state === "running" ? escalation.next : undefined;
  if (next) events.push({ at: next.at, icon: "wait", tone: "next", text: t("history.next", { step: stepName(next) }), limit: next.left > 0 ? plural("history.left", next.left) : t("history.lastStep") });
  if (receipt.expires_at !== undefined && receipt.expires_at > receipt.as_of_ms) events.push({ at: receipt.expires_at, icon: "clock", tone: "soft", text: t("history.expires") });
  return events;
}

/** To how many it was sent at first. Whom its escalation brought in counts as owed too, and only the rows tell them apart. */
function published({ counts, escalation }: Receipt, everybody: readonly PersonReceipt[] | undefined): string {
  if (everybody) return plural("history.published", everybody.filter(({ escalated }) => escalated === undefined).length);
  return escalation ? t("history.publishedPlain") : plural("history.published", counts.owed);
}

function arrivals(people: readonly PersonReceipt[]): Entry[] {
  const received = people.filter((person) => person.received_at !== undefined).sort((a, b) => (a.received_at ?? 0) - (b.received_at ?? 0));
  const [first, last] = [received[0], received.at(-1)];
  const pressed = people.filter((person) => person.acknowledged_at !== undefined).sort((a, b) => (a.acknowledged_at ?? 0) - (b.acknowledged_at ?? 0))[0];
  return [
    ...(first?.received_at !== undefined ? [{ at: first.received_at, icon: "check", text: t("history.first", { who: first.display_name }) } as const] : []),
    ...(last?.received_at !== undefined && last !== first ? [{ at: last.received_at, icon: "check", text: plural("history.last", received.length, { who: last.display_name }) } as const] : []),
    ...(pressed?.acknowledged_at !== undefined ? [{ at: pressed.acknowledged_at, icon: "checks", tone: "good", text: t("history.acknowledged", { who: pressed.display_name }) } as const] : []),
  ];
}

function step(run: StepRun, name: (user: string) => string, ways: readonly WayName[]): Entry {
  const which = stepName(run);
  const late = run.at - run.due_at;
  return {
    at: run.at,
    icon: run.outcome === "notified" ? "bell" : run.outcome === "held" ? "check" : "alert",
    tone: run.outcome === "notified" ? undefined : run.outcome === "held" ? "soft" : "bad",
    text:
      run.outcome === "notified"
        ? t("history.notified", { step: which, people: names(run, name), ways: listed(run.via.map((way) => wayName(way, ways))) })
        : t(`history.${run.outcome}`, { step: which }),
    ...(late > LATE_MS ? { note: t("history.late", { late: span(late / 1000), time: moment(run.due_at) }) } : {}),
  };
}

/** Whom it told; a step that told very many names the first of them. */
function names({ people, told }: StepRun, name: (user: string) => string): string {
  const shown = listed(people.map(name));
  return told > people.length ? `${shown} ${t("receipt.missingMore", { count: number(told - people.length) })}` : shown;
}

/** “Step 2”, or “Step 2, repetition 1”. */
export function stepName({ step, repeat }: { step: number; repeat: number }): string {
  return repeat === 0 ? t("history.step", { step }) : t("history.stepAgain", { step, repeat });
}
