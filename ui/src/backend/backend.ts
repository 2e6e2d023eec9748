/**
 * One API over two transports. The views know this interface and nothing else; which implementation they get is
 * decided by the entry file (`entry/index.ts`: HTTP, `entry/desktop.ts`: the window's process).
 */
import type { ApiError, Code, ErrorBody, Message, Refusal, Reset, Settings, StateChange, Status, View } from "../protocol";
import type { Link } from "../stream/stream";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export type BackendEvent =
  /** How the stream of messages is. */
  | { type: "link"; link: Link }
  /** A message was stored on this device. */
  | { type: "message"; message: Message }
  /** A message was read or acknowledged, here or elsewhere. */
  | { type: "state"; change: StateChange }
  /** The stream could not be continued where it was: the list must be read anew. */
  | { type: "reset"; reset: Reset }
  /** Browser only: whether there is a session. */
  | { type: "session"; session: Session }
  /** Desktop only. */
  | { type: "status"; status: Status }
  | { type: "settings"; settings: Settings }
  | { type: "show"; view: View };

export type Session = "starting" | "none" | "ended" | "code_failed" | "open";

export interface Backend {
  /** The desktop window: there is a resident with settings, notifications, host and join. */
  readonly native: boolean;
  /** Finds out who is there. Events begin with it. */
  start(): Promise<void>;
  /** One request of the API; throws a `Failure`. `key` makes a publish happen once, however often it is tried. */
  request<T>(method: Method, path: string, body?: unknown, key?: string): Promise<T>;
  events(handler: (event: BackendEvent) => void): () => void;
  /** In the person's browser; http and https only. */
  openUrl(url: string): Promise<void>;
  /** After the stream was stopped for good: the person wants it again. */
  reconnect(): void;
  /** Browser only: exchanges a client token for a session. */
  signIn(token: string): Promise<void>;
  signOut(): Promise<void>;
}

/** Codes of the protocol, and `network` for "no answer at all". */
export type FailureCode = Code | "network";

export class Failure extends Error {
  constructor(
    readonly code: FailureCode,
    message: string,
    readonly status = 0,
    readonly hint?: string,
    /** Which refusal of the resident's it is, where the code alone does not say enough. */
    readonly reason?: string,
  ) {
    super(message);
    this.name = "Failure";
  }
}

/** What an answer's status and body say, whoever carried them. */
export function settle<T>(status: number, body: unknown): T {
  if (status >= 200 && status < 300) return body as T;
  const error = errorOf(body);
  if (error) throw new Failure(error.code, error.message, status, error.hint, error.reason);
  // Not this server's words: a proxy's page, perhaps.
  throw new Failure(status === 401 ? "unauthorised" : status === 404 ? "not_found" : status >= 500 ? "busy" : "unknown", `status ${status}`, status);
}

function errorOf(body: unknown): (ApiError & { reason?: Refusal }) | undefined {
  const error = (body as Partial<ErrorBody> | null | undefined)?.error;
  return typeof error?.code === "string" ? error : undefined;
}

/** Whether a link may be opened: http or https, nothing else, however it is written. */
export function isWebLink(text: string): boolean {
  try {
    const { protocol } = new URL(text);
    return protocol === "http:" || protocol === "https:";
  } catch {
    return false;
  }
}

/** Handlers of events, and nothing more. */
export class Listeners<T> {
  #handlers = new Set<(event: T) => void>();

  add(handler: (event: T) => void): () => void {
    this.#handlers.add(handler);
    return () => this.#handlers.delete(handler);
  }

  tell(event: T): void {
    for (const handler of this.#handlers) handler(event);
  }
}
