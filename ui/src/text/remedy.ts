/** What a person can do about a platform's refusal, as a sentence. */
import { Failure } from "../backend/backend";
import type { Advice } from "../backend/channels";
import type { ChannelKind } from "../protocol";
import { describe } from "../state/toasts.svelte";
import { known, t, type Key } from "./i18n.svelte";

/** Whether there is anything to say: `none` is what needs no doing. Some places have another name in each console. */
export function remedy({ remedy, params = {} }: Advice, kind?: ChannelKind): string | undefined {
  if (remedy === undefined || remedy === "none") return undefined;
  const own = `remedy.${remedy}_${kind ?? ""}`;
  const key = known(own) ? own : `remedy.${remedy}`;
  // The platform did not name the address or field that the sentence is about.
  const plain = `${key}_plain`;
  if (Object.keys(params).length === 0 && known(plain)) return t(plain as Key);
  return known(key) ? t(key as Key, params) : undefined;
}

/** What went wrong when the platform was asked for something: the server names the remedy in the hint. */
export function refused(error: unknown, kind?: ChannelKind): string {
  if (!(error instanceof Failure)) return describe(error);
  const named = /^remedy: (\w+)$/.exec(error.hint ?? "")?.[1];
  if (named === undefined) return describe(error);
  const sentence = remedy({ remedy: named }, kind) ?? t("channels.platformFailed");
  return t("deliveries.because", { sentence, detail: error.message });
}

/** Why a secret was not kept: the keyring, or a server that takes its secrets from its environment. */
export function notKept(error: unknown): string {
  return error instanceof Failure && error.code === "conflict" ? t("channels.secrets.readOnly", { detail: error.message }) : describe(error);
}
