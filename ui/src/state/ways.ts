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

/** As people know it. */
export function wayName(name: string, known: readonly WayName[]): string {
  return name === DESKTOP ? t("ways.desktop") : (known.find((way) => way.name === name)?.display_name ?? name);
}

/** Each once, by its name. */
export function distinct(ways: readonly WayName[]): WayName[] {
  return [...new Map(ways.map((way) => [way.name, way])).values()];
}
