/** What a person can do about a platform's refusal, as a sentence. */
import type { Advice } from "../backend/channels";
import { known, t, type Key } from "./i18n.svelte";

/** Whether there is anything to say: `none` is what needs no doing. */
export function remedy({ remedy, params = {} }: Advice): string | undefined {
  if (remedy === undefined || remedy === "none") return undefined;
  const key = `remedy.${remedy}`;
  // The platform did not name the address or field that the sentence is about.
  const plain = `${key}_plain`;
  if (Object.keys(params).length === 0 && known(plain)) return t(plain as Key);
  return known(key) ? t(key as Key, params) : undefined;
}

