/** A ready line that sends a message: the shortest way from reading to trying. */
import type { App } from "../state/app.svelte";
import { t } from "./i18n.svelte";

/** What stands for a token that was not just made. */
const VARIABLE = "$TOCSIN_TOKEN";

export function curl(app: Pick<App, "native" | "status">, token = VARIABLE, topic = "ops"): string {
  const origin = (app.native ? app.status?.page : globalThis.location?.origin) ?? "http://127.0.0.1:8722";
  const body = JSON.stringify({ topic, title: t("inbox.tryTitle") });
  // Single quotes keep a shell's hands off the body; a variable must be seen by it.
  const quote = token === VARIABLE ? '"' : "'";
  return [
    `curl ${origin.replace(/\/$/, "")}/v1/messages \\`,
    `  -H ${quote}Authorization: Bearer ${token}${quote} \\`,
    "  -H 'Content-Type: application/json' \\",
    `  -d '${body.replaceAll("'", "\\u0027")}'`,
  ].join("\n");
}
