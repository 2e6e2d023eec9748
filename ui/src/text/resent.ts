/** What sending again did, in words. */
import type { ResentMessage } from "../protocol";
import { listed, plural, t } from "./i18n.svelte";

export const nothing = (): ResentMessage => ({ reminded: 0, queued: 0, already: 0, unreachable: [] });

/** Both together; who could not be reached is named once. */
export function added(a: ResentMessage, b: ResentMessage): ResentMessage {
  return { reminded: a.reminded + b.reminded, queued: a.queued + b.queued, already: a.already + b.already, unreachable: [...new Set([...a.unreachable, ...b.unreachable])] };
}

export function resent({ reminded, queued, already, unreachable }: ResentMessage): string {
  const said = [
    ...(reminded > 0 ? [plural("again.reminded", reminded)] : []),
    ...(queued > 0 ? [plural("again.queued", queued)] : []),
    ...(already > 0 ? [plural("again.already", already)] : []),
    ...(unreachable.length > 0 ? [t("again.unreachable", { names: listed(unreachable) })] : []),
  ];
  return said.length === 0 ? t("again.nobody") : said.join(" ");
}
