/**
 * The window: every request is one IPC command that the window's process hands to the resident; messages come as
 * events. No token ever comes here. The stream to the server is the resident's; this side only hears how it is.
 */
import { invoke } from "@tauri-apps/api/core";
import { listen } from "@tauri-apps/api/event";
import type { OpenUrl, ResidentEvent, Status } from "../protocol";
import { Failure, isWebLink, Listeners, settle, type Backend, type BackendEvent, type Method } from "./backend";

export const COMMAND = "call";
export const EVENT = "tocsin://event";

interface Answer {
  status: number;
  body: unknown;
}

export class DesktopBackend implements Backend {
  readonly native = true;
  #listeners = new Listeners<BackendEvent>();

  async start(): Promise<void> {
    // Listen first, so that nothing falls between the status asked for and the first event.
    await listen<ResidentEvent>(EVENT, ({ payload }) => this.#hear(payload));
    this.#listeners.tell({ type: "session", session: "open" });
    this.#status(await this.request<Status>("GET", "/native/status"));
  }

  async request<T>(method: Method, path: string, body?: unknown): Promise<T> {
    let answer: Answer;
    try {
      answer = await invoke<Answer>(COMMAND, { method, path, body: body ?? null });
    } catch (error) {
      throw new Failure("network", String(error));
    }
    return settle<T>(answer.status, answer.body);
  }

  events(handler: (event: BackendEvent) => void): () => void {
    return this.#listeners.add(handler);
  }

  async openUrl(url: string): Promise<void> {
    if (!isWebLink(url)) throw new Failure("invalid_field", "only http and https links are opened");
    await this.request("POST", "/native/open-url", { url } satisfies OpenUrl);
  }

  reconnect(): void {
    // The resident reconnects by itself; a refused device needs a new invite.
  }

  signIn(): Promise<void> {
    return Promise.resolve();
  }

  signOut(): Promise<void> {
    return Promise.resolve();
  }

  #hear(event: ResidentEvent): void {
    switch (event.type) {
      case "status":
        return this.#status(event);
      case "message": {
        const { type: _, ...message } = event;
        return this.#listeners.tell({ type: "message", message });
      }
      case "state": {
        const { type: _, ...change } = event;
        return this.#listeners.tell({ type: "state", change });
      }
      case "settings": {
        const { type: _, ...settings } = event;
        return this.#listeners.tell({ type: "settings", settings });
      }
      case "show":
        return this.#listeners.tell({ type: "show", view: event.view });
      case "quit":
        // The window's process ends itself.
        return;
    }
  }

  #status(status: Status): void {
    this.#listeners.tell({ type: "status", status });
    this.#listeners.tell({ type: "link", link: status.connection });
  }
}
