/** Which part of a message goes into which field of a template. */

/** A text that is always the same; in the config it is written `=text`. */
export const FIXED = "fixed";
export const SOURCES = ["title", "body", "time", "topic", "sender", "priority", "id", FIXED] as const;
export type Source = (typeof SOURCES)[number];

/** Where a field's value comes from, as the config writes it. */
export function source(written: string): Source {
  return written.startsWith("=") ? FIXED : (SOURCES.find((each) => each === written) ?? "title");
}

/** What most likely belongs into a field: the beginning of its name says what it takes. The person sees it and decides. */
export function guess(field: string): Exclude<Source, typeof FIXED> {
  const kind = field.replace(/\d+$/, "");
  const count = Number(/\d+$/.exec(field)?.[0] ?? "0");
  if (kind === "time" || kind === "date") return "time";
  if (kind === "phrase" || kind === "const") return "priority";
  if (kind === "name") return "sender";
  if (kind === "character_string") return "id";
  if (kind === "first" || kind === "keyword") return count > 1 ? "body" : "title";
  if (kind === "remark") return "body";
  return count > 1 && kind === "thing" ? "body" : "title";
}

/** What the template's own text calls a field: `告警内容：{{thing1.DATA}}`. */
export function called(content: string, field: string): string {
  const line = content.split("\n").find((each) => each.includes(`{{${field}.DATA}}`)) ?? "";
  return /^\s*([^{}：:]+?)\s*[：:]\s*\{\{/.exec(line)?.[1] ?? "";
}
