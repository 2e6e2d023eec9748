/** Where the person is: kept in the address's fragment, so that the browser's Back works and a message has an address. */
import type { View } from "../protocol";

export type Place = "inbox" | "compose" | "receipts" | "people" | "settings";
export interface At {
  place: Place;
  /** The open message, in the inbox; or the one whose receipt is open. */
  message?: string;
  /** The page within the settings; absent: the first. */
  page?: string;
}

const PLACES: readonly string[] = ["inbox", "compose", "receipts", "people", "settings"] satisfies Place[];

export function parse(hash: string): At {
  const [place, id] = hash.replace(/^#\/?/, "").split("/");
  if (place === "message" && id !== undefined && /^[A-Za-z0-9]{12}$/.test(id)) return { place: "inbox", message: id };
  if (place === "receipts" && id !== undefined && /^[A-Za-z0-9]{12}$/.test(id)) return { place, message: id };
  if (place === "settings" && id !== undefined && /^[a-z-]{1,32}$/.test(id)) return { place, page: id };
  return { place: PLACES.includes(place ?? "") ? (place as Place) : "inbox" };
}

export function href(at: At): string {
  if (at.place === "receipts" && at.message !== undefined) return `#/receipts/${at.message}`;
  if (at.message !== undefined) return `#/message/${at.message}`;
  return at.page === undefined ? `#/${at.place}` : `#/${at.place}/${at.page}`;
}

class Route {
  at = $state<At>(parse(globalThis.location?.hash ?? ""));

  constructor() {
    globalThis.addEventListener?.("hashchange", () => (this.at = parse(location.hash)));
  }

  go(at: At): void {
    location.hash = href(at);
  }

  show(view: View): void {
    this.go(view.view === "message" ? { place: "inbox", message: view.id } : { place: view.view });
  }
}

export const route = new Route();
