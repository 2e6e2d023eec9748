/** What people read: the locale files, in the language of now. Switching takes effect at once, everywhere. */
import en from "../locales/en.json";
import zhCN from "../locales/zh-CN.json";
import type { Language } from "../protocol";

type Keys<T, P extends string = ""> = { [K in keyof T & string]: T[K] extends string ? `${P}${K}` : Keys<T[K], `${P}${K}.`> }[keyof T & string];
type Plurals<T, P extends string = ""> = {
  [K in keyof T & string]: T[K] extends string ? never : T[K] extends { one: string; other: string } ? `${P}${K}` : Plurals<T[K], `${P}${K}.`>;
}[keyof T & string];

/** Every sentence there is. */
export type Key = Keys<typeof en>;
/** Every sentence that comes as `.one` and `.other`. */
export type PluralKey = Plurals<typeof en>;
export type Values = Record<string, string | number>;
export type Spoken = Exclude<Language, "system">;

export function flatten(tree: object, prefix = "", into = new Map<string, string>()): Map<string, string> {
  for (const [name, value] of Object.entries(tree)) {
    if (typeof value === "string") into.set(prefix + name, value);
    else flatten(value as object, `${prefix}${name}.`, into);
  }
  return into;
}

const texts: Record<Spoken, Map<string, string>> = { en: flatten(en), "zh-CN": flatten(zhCN) };

function systemLanguage(): Spoken {
  const wanted = globalThis.navigator?.languages ?? [];
  for (const language of wanted) {
    if (/^zh\b/i.test(language)) return "zh-CN";
    if (/^en\b/i.test(language)) return "en";
  }
  return "en";
}

class I18n {
  chosen = $state<Language>("system");
  /** On the desktop: what the resident speaks, so that tray and window never speak two languages. */
  told = $state<Spoken | undefined>();
  #system = $state<Spoken>(systemLanguage());

  constructor() {
    globalThis.addEventListener?.("languagechange", () => (this.#system = systemLanguage()));
  }

  get language(): Spoken {
    return this.chosen === "system" ? (this.told ?? this.#system) : this.chosen;
  }
}

export const i18n = new I18n();

/** A language that is spoken here, or nothing. */
export function spoken(language: string | null | undefined): Spoken | undefined {
  return language === "en" || language === "zh-CN" ? language : undefined;
}

export function t(key: Key, values: Values = {}): string {
  return fill(texts[i18n.language].get(key) ?? texts.en.get(key) ?? key, values);
}

/** Whether there is such a sentence: for keys that a server names, which may be newer than this page. */
export function known(key: string): key is Key {
  return texts.en.has(key);
}

export function plural(key: PluralKey, count: number, values: Values = {}): string {
  const form = new Intl.PluralRules(i18n.language).select(count) === "one" ? "one" : "other";
  return t(`${key}.${form}` as Key, { count: number(count), ...values });
}

export function number(value: number): string {
  return new Intl.NumberFormat(i18n.language).format(value);
}

/** Several names in a row. */
export function listed(words: readonly string[]): string {
  return words.join(i18n.language === "zh-CN" ? "、" : ", ");
}

/** One pass: braces inside a value (a message's title) are text, not a placeholder. */
function fill(text: string, values: Values): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => (name in values ? String(values[name]) : whole));
}

const DAY_MS = 86_400_000;
const SPANS = [["d", 86_400], ["h", 3600], ["min", 60], ["s", 1]] as const;

/** As short as it can be without being unclear: today 14:05, yesterday 09:12, 3 Mar 14:05, 3 Mar 2024 14:05. */
export function moment(at: number, now = Date.now()): string {
  const date = new Date(at);
  const time = new Intl.DateTimeFormat(i18n.language, { hour: "2-digit", minute: "2-digit", hour12: false }).format(date);
  const today = new Date(now);
  const days = Math.round((midnight(today) - midnight(date)) / DAY_MS);
  if (days === 0) return t("time.today", { time });
  if (days === 1) return t("time.yesterday", { time });
  const sameYear = date.getFullYear() === today.getFullYear();
  const day = new Intl.DateTimeFormat(i18n.language, { month: "short", day: "numeric", ...(sameYear ? {} : { year: "numeric" }) }).format(date);
  return `${day} ${time}`;
}

/** For a column of times: the hour today, the day before that. */
export function brief(at: number, now = Date.now()): string {
  const date = new Date(at);
  const today = midnight(new Date(now)) === midnight(date);
  return new Intl.DateTimeFormat(i18n.language, today ? { hour: "2-digit", minute: "2-digit", hour12: false } : { month: "short", day: "numeric" }).format(date);
}

/** A number of seconds in its two largest units: 1 h 5 min. */
export function span(seconds: number): string {
  const words: string[] = [];
  let left = Math.max(0, Math.round(seconds));
  for (const [unit, size] of SPANS) {
    const count = Math.floor(left / size);
    left -= count * size;
    if (count > 0) words.push(t(`time.span.${unit}`, { count: number(count) }));
    else if (words.length > 0) break;
    if (words.length === 2) break;
  }
  return words.length === 0 ? t("time.span.s", { count: number(0) }) : words.join(" ");
}

export function exact(at: number): string {
  return new Intl.DateTimeFormat(i18n.language, { dateStyle: "full", timeStyle: "medium" }).format(new Date(at));
}

function midnight(date: Date): number {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
}
