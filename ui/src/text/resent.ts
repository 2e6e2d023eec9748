/** What sending again did, in words. */
import type { ResentMessage } from "../protocol";
import { listed, plural, t } from "./i18n.svelte";

export const nothing = (): ResentMessage => ({ reminded: 0, queued: 0, already: 0, unreachable: [] });

/** Both together; who could not be reached is named once. */
export function added(a: ResentMessage, b: ResentMessage): ResentMessage {
  return { reminded: a.reminded + b.reminded, queued: a.queued + b.queued, already: a.already + b.already, unreachable: [...new Set([...a.unreachable, ...b.unreachable])] };
}

/** Over several messages people count once for each: times are told, no people. */
export function resent({ reminded, queued, already, unreachable }: ResentMessage, messages = 1): string {
  const several = messages > 1;
  const said = [
    ...(reminded > 0 ? [plural(several ? "again.remindedTimes" : "again.reminded", reminded)] : []),
    ...(queued > 0 ? [plural("again.queued", queued)] : []),
    ...(already > 0 ? [plural(several ? "again.alreadyTimes" : "again.already", already)] : []),
    ...(unreachable.length > 0 ? [t("again.unreachable", { names: listed(unreachable) })] : []),
  ];
  return said.length === 0 ? t("again.nobody") : said.join(" ");
}
