/** Short words about what just happened, read out politely. */
import { Failure } from "../backend/backend";
import { i18n, known, t, type Key } from "../text/i18n.svelte";

export interface Toast {
  id: number;
  kind: "good" | "bad";
  text: string;
}

/** Long enough to read twice. */
const STAY_MS = 6_000;

class Toasts {
  list = $state<Toast[]>([]);
  #next = 1;

  good(text: string): void {
    this.#add("good", text);
  }

  /** What went wrong, in the person's language; the server's own words where they say more. */
  bad(error: unknown): void {
    this.#add("bad", describe(error));
  }

  /** The same, where the sentence was found already. */
  sorry(text: string): void {
    this.#add("bad", text);
  }

  /** Does it; what goes wrong is told, and `false` says so. */
  async attempt(work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      this.bad(error);
      return false;
    }
  }

  close(id: number): void {
    this.list = this.list.filter((toast) => toast.id !== id);
  }

  #add(kind: Toast["kind"], text: string): void {
    const id = this.#next++;
    this.list = [...this.list.slice(-2), { id, kind, text }];
    setTimeout(() => this.close(id), STAY_MS);
  }
}

/** Codes whose message names the field or the reason, which the code alone does not. It is in English. */
const SAYS_MORE: readonly string[] = ["bad_request", "invalid_field", "conflict", "forbidden", "unknown_topic", "unknown_user", "keyring", "unknown", "internal"];

export function describe(error: unknown): string {
  if (!(error instanceof Failure)) return `${t("error.unknown")} ${String(error)}`;
  const reason = `refusal.${error.reason}`;
  if (known(reason)) return t(reason);
  const sentence = t(`error.${error.code}` as Key);
  if (!SAYS_MORE.includes(error.code)) return sentence;
  const more = i18n.language === "en" ? error.message : field(error);
  return more === "" ? sentence : t("error.because", { sentence, detail: more });
}

/** The name of the field that is not valid, which is the same in every language. */
function field(error: Failure): string {
  return (error.code === "invalid_field" && /^[\w.[\]]+(?=: )/.exec(error.message)?.[0]) || "";
}

export const toasts = new Toasts();
