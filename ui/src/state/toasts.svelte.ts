/** Short words about what just happened, read out politely. */
import { Failure } from "../backend/backend";
import { t, type Key } from "../text/i18n.svelte";

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

/** Codes whose message names the field or the reason, which the code alone does not. */
const SAYS_MORE: readonly string[] = ["bad_request", "invalid_field", "conflict", "forbidden", "unknown_topic", "unknown_user", "keyring", "unknown", "internal"];

export function describe(error: unknown): string {
  if (!(error instanceof Failure)) return `${t("error.unknown")} ${String(error)}`;
  const sentence = t(`error.${error.code}` as Key);
  return SAYS_MORE.includes(error.code) && error.message !== "" ? `${sentence} (${error.message})` : sentence;
}

export const toasts = new Toasts();
