/** What is said about a delivery or a try of it. */
import type { IconName } from "../../part/Icon.svelte";
import type { Attempt, Delivery, DeliveryState } from "../../protocol";
import { known, moment, plural, t } from "../../text/i18n.svelte";

/** Why it is as it is: a sentence for our own codes, else the platform's words with its code. */
export function why({ code, reason }: Pick<Delivery | Attempt, "code" | "reason">): string {
  if (code !== undefined) {
    const key = `deliveries.code.${code}`;
    if (known(key)) return reason ? t("deliveries.because", { sentence: t(key), detail: reason }) : t(key);
  }
  if (!reason) return code === undefined ? "" : t("deliveries.onlyCode", { code });
  return code === undefined ? reason : t("channels.said", { words: reason, code });
}

/** How often it was tried, when it is again, and until when by itself. */
export function patience({ attempts, due_at, gives_up_at }: Pick<Delivery, "attempts" | "due_at" | "gives_up_at">): string {
  const parts = [
    ...(attempts > 0 ? [plural("deliveries.tries", attempts)] : []),
    ...(due_at === undefined ? [] : [t("deliveries.due", { time: moment(due_at) })]),
    ...(gives_up_at === undefined ? [] : [t("deliveries.until", { time: moment(gives_up_at) })]),
  ];
  return parts.join(" · ");
}

/** Whether a person may have it sent once more. */
export function mayResend({ state, message }: Delivery): boolean {
  return message !== undefined && (state === "failed" || state === "unknown" || state === "expired");
}

export const stateIcon: Record<DeliveryState, IconName> = { queued: "wait", sending: "send", merged: "wait", accepted: "check", confirmed: "checks", failed: "alert", unknown: "info", expired: "minimal", cancelled: "minimal" };
