/** A rule as a person chooses it: not set, never, or from a priority on. */
import type { Priority, Route } from "../../protocol";

export const UNSET = "";
export const NEVER = "never";
export const PRIORITIES: readonly Priority[] = [1, 2, 3, 4, 5];
export type From = typeof UNSET | typeof NEVER | `${Priority}`;

export const from = (priority: Priority): From => `${priority}`;

/** What is chosen for this channel, topic and person. */
export function chosen(routes: readonly Route[], channel: string, topic?: string, user?: string): From {
  const rule = routes.find((route) => route.channel === channel && route.topic === topic && route.user === user);
  return rule === undefined ? UNSET : rule.from_priority === undefined ? NEVER : from(rule.from_priority);
}
