/** A rule as a person chooses it: not set, never, or from a priority on. */
import type { Priority, Route } from "../../protocol";
import { t, type Key } from "../../text/i18n.svelte";

export const UNSET = "";
export const NEVER = "never";
export const PRIORITIES: readonly Priority[] = [1, 2, 3, 4, 5];
export type From = typeof UNSET | typeof NEVER | `${Priority}`;

export const from = (priority: Priority): From => `${priority}`;

/** From this priority on, in words: above the highest there is nothing. */
export function upwards(priority: Priority): string {
  return t(priority === 5 ? "routing.only" : "routing.from", { priority: t(`priority.${priority}` as Key) });
}

/** What is chosen for this channel, topic and person. */
export function chosen(routes: readonly Route[], channel: string, topic?: string, user?: string): From {
  const rule = routes.find((route) => route.channel === channel && route.topic === topic && route.user === user);
  return rule === undefined ? UNSET : rule.from_priority === undefined ? NEVER : from(rule.from_priority);
}
