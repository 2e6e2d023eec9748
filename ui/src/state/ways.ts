/** The ways over which a message can be sent again or escalated: the app and page, and the channels. */
import type { ChannelKind } from "../protocol";
import { t } from "../text/i18n.svelte";
import type { App } from "./app.svelte";

/** As the wire names the way over the app and the page; no channel can have this name. */
export const DESKTOP = "desktop";

export interface WayName {
  name: string;
  display_name: string;
  kind?: ChannelKind;
  /** Switched off: nothing goes out over it, but what names it goes on naming it. */
  off?: boolean;
}

export const desktop = (): WayName => ({ name: DESKTOP, display_name: t("ways.desktop") });

/** Every channel that is switched on. Who may not list channels has those that a receipt names. */
export async function channels(app: App): Promise<WayName[]> {
  if (!app.admin) return [];
  try {
    return (await app.api.channels.list()).filter(({ enabled }) => enabled);
  } catch {
    return [];
  }
}

/** Those that are switched off too; only for admins. */
export async function everyChannel(app: App): Promise<WayName[]> {
  return (await app.api.channels.list()).map(({ name, display_name, kind, enabled }) => ({ name, display_name, kind, off: !enabled }));
}

/** As people know it. */
export function wayName(name: string, known: readonly WayName[]): string {
  return name === DESKTOP ? t("ways.desktop") : (known.find((way) => way.name === name)?.display_name ?? name);
}

/** Each once, by its name. */
export function distinct(ways: readonly WayName[]): WayName[] {
  return [...new Map(ways.map((way) => [way.name, way])).values()];
}
