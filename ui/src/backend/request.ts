/** How requests are written and lists are read, the same for every group of routes. */

/** A path of these segments, each escaped. */
export function path(...parts: string[]): string {
  return `/v1/${parts.map(encodeURIComponent).join("/")}`;
}

/** The words that were given, as `?a=b`; nothing at all without any. */
export function query(words: object): string {
  const given = Object.entries(words).filter(([, value]) => value !== undefined && value !== false && value !== "");
  return given.length === 0 ? "" : `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`;
}

/** A list, whether it comes bare or as a page. */
export function items<T>(answer: T[] | { items: T[] }): T[] {
  return Array.isArray(answer) ? answer : answer.items;
}
