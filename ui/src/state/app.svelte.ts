/** What every view shares: who is there, how the connection is, what the resident says, and the inbox. */
import { setContext, getContext } from "svelte";
import { Api } from "../backend/api";
import type { Backend, BackendEvent, Session } from "../backend/backend";
import type { Language, Me, Reset, Settings, SettingsChange, Status, Theme } from "../protocol";
import type { Link } from "../stream/stream";
import { i18n, spoken } from "../text/i18n.svelte";
import { Inbox } from "./inbox.svelte";
import { route } from "./route.svelte";
import { toasts } from "./toasts.svelte";

/** Counts are asked for once after a burst. */
const COUNT_MS = 400;
const LANGUAGE_KEY = "tocsin.language";
const THEME_KEY = "tocsin.theme";

export class App {
  readonly api: Api;
  readonly inbox: Inbox;
  readonly native: boolean;
  session = $state<Session>("starting");
  link = $state.raw<Link>({ state: "connecting" });
  status = $state.raw<Status | undefined>();
  settings = $state.raw<Settings | undefined>();
  me = $state.raw<Me | undefined>();
  reset = $state.raw<Reset | undefined>();
  theme = $state<Theme>("system");
  /** The resident did not answer at all. */
  failed = $state<unknown>();
  /** The stream has been open since the page is. */
  #streamed = false;
  #counting: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly backend: Backend) {
    this.api = new Api(backend);
    this.inbox = new Inbox(this.api);
    this.native = backend.native;
    if (!this.native) {
      i18n.chosen = remembered(LANGUAGE_KEY, ["en", "zh-CN"] as const) ?? "system";
      this.theme = remembered(THEME_KEY, ["light", "dark"] as const) ?? "system";
    }
  }

  async start(): Promise<void> {
    this.failed = undefined;
    this.backend.events((event) => this.#hear(event));
    try {
      await this.backend.start();
      if (this.native) this.#settled(await this.api.settings());
    } catch (error) {
      this.failed = error;
    }
  }

  get admin(): boolean {
    return this.me?.user?.role === "admin";
  }

  get unread(): number {
    return this.status?.unread ?? this.me?.unread ?? 0;
  }

  /** On the desktop, before anything was chosen. */
  get fresh(): boolean {
    return this.status?.mode.mode === "unset";
  }

  setLanguage(language: Language): void {
    i18n.chosen = language;
    if (this.native) void this.change({ language });
    else remember(LANGUAGE_KEY, language);
  }

  setTheme(theme: Theme): void {
    this.theme = theme;
    if (this.native) void this.change({ theme });
    else remember(THEME_KEY, theme);
  }

  async change(change: SettingsChange): Promise<boolean> {
    const before = this.settings;
    if (before) this.#settled({ ...before, ...(change as Partial<Settings>) });
    try {
      const after = await this.api.changeSettings(change);
      // Some answers are empty; the event carries the truth then.
      if (after && typeof after === "object" && "language" in after) this.#settled(after);
      return true;
    } catch (error) {
      if (before) this.#settled(before);
      toasts.bad(error);
      return false;
    }
  }

  /** Asks again who this is and how much is unread. */
  count(): void {
    clearTimeout(this.#counting);
    this.#counting = setTimeout(() => void this.#who(), COUNT_MS);
  }

  async #who(): Promise<void> {
    try {
      this.me = await this.api.me();
    } catch {
      // Offline: what was known stays.
    }
  }

  #begin(): void {
    void this.#who();
    void this.inbox.load();
  }

  #hear(event: BackendEvent): void {
    switch (event.type) {
      case "session":
        if (event.session === "open" && this.session !== "open" && !this.native) this.#begin();
        this.session = event.session;
        return;
      case "link": {
        const back = event.link.state === "online" && this.link.state !== "online";
        this.link = event.link;
        // A device that is new is owed what comes once its stream is there: what came between the list and that is in neither.
        if (back && (this.native || !this.#streamed || this.inbox.failed !== undefined)) this.#begin();
        this.#streamed ||= back;
        return;
      }
      case "message":
        this.inbox.add(event.message);
        return this.native ? undefined : this.count();
      case "state":
        this.inbox.change(event.change);
        return this.native ? undefined : this.count();
      case "reset":
        this.reset = event.reset;
        return this.#begin();
      case "status": {
        const before = this.status?.mode;
        this.status = event.status;
        i18n.told = spoken(event.status.language) ?? i18n.told;
        if (JSON.stringify(before) !== JSON.stringify(event.status.mode) && event.status.mode.mode !== "unset") this.#begin();
        return;
      }
      case "settings":
        return this.#settled(event.settings);
      case "show":
        return route.show(event.view);
    }
  }

  #settled(settings: Settings): void {
    this.settings = settings;
    i18n.chosen = settings.language;
    this.theme = settings.theme;
  }
}

const CONTEXT = Symbol("app");

export function provide(app: App): App {
  return setContext(CONTEXT, app);
}

export function useApp(): App {
  return getContext<App>(CONTEXT);
}

function remembered<T extends string>(key: string, allowed: readonly T[]): T | undefined {
  try {
    const value = localStorage.getItem(key);
    return allowed.find((each) => each === value);
  } catch {
    return undefined;
  }
}

function remember(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Private windows: it holds for this page.
  }
}
