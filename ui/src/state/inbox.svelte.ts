/**
 * The list of messages: one page after another from the server (or the resident's local inbox), live ones on top.
 *
 * A filter is asked of the server, since most of the inbox is not here; what is here stays in the list until the filter
 * changes, so that a message does not vanish from under the person who just opened it.
 */
import type { Api, InboxQuery } from "../backend/api";
import { Failure } from "../backend/backend";
import type { Message, MessageView, StateChange } from "../protocol";
import { learned } from "../stream/store";
import { position } from "../stream/transport";
import { toasts } from "./toasts.svelte";

export type Show = "all" | "unread" | "unacknowledged";
export interface Filter {
  show: Show;
  topic: string;
  search: string;
}

/** Search waits until typing pauses. */
const TYPING_MS = 250;

/** As the subscriber has it: there is a button for it, it is urgent, or nobody before this person answered. */
export function needsAcknowledgement(message: Message): boolean {
  return message.priority >= 4 || message.escalates !== undefined || (message.actions ?? []).some((action) => action.type === "acknowledge");
}

/** Whether anybody still waits for this person. */
export function isOpen(message: MessageView): boolean {
  return message.acknowledged_at === undefined && message.settled === undefined && !message.resolved && !isExpired(message);
}

function isExpired(message: Message): boolean {
  return message.expired === true || (message.expires_at !== undefined && message.expires_at <= Date.now());
}

export class Inbox {
  rows = $state.raw<MessageView[]>([]);
  filter = $state<Filter>({ show: "all", topic: "", search: "" });
  loading = $state(false);
  loaded = $state(false);
  failed = $state<unknown>();
  /** Told to the screen reader. */
  arrived = $state.raw<Message[]>([]);
  /** What an escalation or a person asked to be shown again, until something is done with it; the newest first. */
  reminded = $state.raw<MessageView[]>([]);
  /** The one that is open. A filter may take its row away, or it never had one: changes reach it all the same. */
  #opened = $state.raw<MessageView>();
  /** Who waits for a message that is being fetched: what changes meanwhile is newer than the answer. */
  #waiting = new Set<(change: StateChange) => void>();
  /** Since the list was last asked for: its answer may be older. */
  #came: Message[] = [];
  #next = $state<number | undefined>();
  #generation = 0;
  #typing: ReturnType<typeof setTimeout> | undefined;
  /** Topics seen, for the filter of those who may not list topics. */
  topics = $derived([...new Set(this.rows.flatMap((row) => (row.topic === undefined ? [] : [row.topic])))].sort());
  /** Older version → newer version, as far as known here. */
  newer = $derived(new Map(this.rows.flatMap((row) => (row.supersedes === undefined ? [] : [[row.supersedes, row.id] as const]))));

  constructor(private readonly api: Api) {}

  get more(): boolean {
    return this.#next !== undefined;
  }

  /** Nothing ever came. */
  get untouched(): boolean {
    return this.loaded && this.rows.length === 0 && !this.filtered;
  }

  get filtered(): boolean {
    return this.filter.show !== "all" || this.filter.topic !== "" || this.filter.search !== "";
  }

  set(change: Partial<Filter>): void {
    this.filter = { ...this.filter, ...change };
    clearTimeout(this.#typing);
    if (change.search === undefined) void this.load();
    else this.#typing = setTimeout(() => void this.load(), TYPING_MS);
  }

  async load(): Promise<void> {
    await this.#page(undefined);
  }

  async loadMore(): Promise<void> {
    if (this.#next !== undefined && !this.loading) await this.#page(this.#next);
  }

  get(id: string): MessageView | undefined {
    return this.rows.find((row) => row.id === id);
  }

  /** The row, or what is kept of the message that is open. */
  known(id: string): MessageView | undefined {
    return this.get(id) ?? (this.#opened?.id === id ? this.#opened : undefined);
  }

  /** Keeps a message current while it is open. */
  keep(message: MessageView): void {
    this.#opened = this.get(message.id) ?? message;
  }

  /** It is closed. */
  release(id: string): void {
    if (this.#opened?.id === id) this.#opened = undefined;
  }

  newerThan(message: Message): string | undefined {
    return message.superseded_by ?? this.newer.get(message.id);
  }

  add(message: Message): void {
    if (this.get(message.id)) return;
    this.#came = [...this.#came.slice(-199), message];
    this.arrived = [...this.arrived.slice(-9), message];
    // What an older version asked for is asked no more.
    this.reminded = this.reminded.filter((each) => each.thread !== message.thread);
    // Whether or not the newer version has a row under this filter.
    if (message.supersedes !== undefined) this.#patch(message.supersedes, { superseded_by: message.id });
    if (this.#matches(message)) this.rows = sorted([message, ...this.rows]);
  }

  change(change: StateChange): void {
    const news = learned(change);
    this.#patch(change.id, news);
    for (const hear of this.#waiting) hear(change);
    if (change.remind_at !== undefined) void this.#remind(change.id);
    // Whatever was done with it, here or elsewhere or by somebody for all: it asks no more.
    else if (Object.keys(news).length > 0) this.dismiss(change.id);
  }

  /** The person saw that it is asked for again, or did something with another version of it. */
  dismiss(id: string): void {
    const thread = this.known(id)?.thread ?? this.reminded.find((each) => each.id === id)?.thread;
    this.reminded = this.reminded.filter((each) => each.id !== id && each.thread !== thread);
  }

  /** A message that was opened by its address and is not in the list. */
  async fetch(id: string): Promise<MessageView> {
    const here = this.known(id);
    if (here) return here;
    const news: Partial<MessageView> = {};
    const hear = (change: StateChange) => void (change.id === id && Object.assign(news, learned(change)));
    this.#waiting.add(hear);
    try {
      return { ...(await this.api.message(id)), ...news };
    } finally {
      this.#waiting.delete(hear);
    }
  }

  async read(message: MessageView): Promise<boolean> {
    if (message.read_at !== undefined) return false;
    this.#patch(message.id, { read_at: Date.now() });
    try {
      await this.api.read(message.id);
      return true;
    } catch (error) {
      this.#patch(message.id, { read_at: undefined });
      // Seen by its sender or an admin, who is not owed it: nothing to mark.
      if (!(error instanceof Failure && (error.code === "forbidden" || error.code === "not_found"))) toasts.bad(error);
      return false;
    }
  }

  async acknowledge(message: MessageView): Promise<void> {
    const before = this.known(message.id) ?? message;
    const now = Date.now();
    this.dismiss(message.id);
    this.#patch(message.id, { acknowledged_at: now, read_at: before.read_at ?? now });
    try {
      await this.api.acknowledge(message.id);
    } catch (error) {
      this.#patch(message.id, { acknowledged_at: before.acknowledged_at, read_at: before.read_at });
      toasts.bad(error);
      throw error;
    }
  }

  async readAll(native: boolean): Promise<void> {
    const unread = this.rows.filter((row) => row.read_at === undefined);
    if (!native) {
      // The server has no such call: one by one, oldest first.
      for (const row of unread.reverse()) if (!(await this.read(row))) return;
      return;
    }
    try {
      await this.api.readAll();
      for (const row of unread) this.#patch(row.id, { read_at: Date.now() });
    } catch (error) {
      toasts.bad(error);
    }
  }

  async #remind(id: string): Promise<void> {
    try {
      const found = await this.fetch(id);
      // What came in the same batch was done with it by now.
      const message = this.known(id) ?? found;
      if (!isOpen(message) || this.newerThan(message) !== undefined) return;
      this.reminded = [message, ...this.reminded.filter((each) => each.id !== id && each.thread !== message.thread)];
    } catch {
      // Not to be had now: it is in the list with what waits for an acknowledgement.
    }
  }

  async #page(before: number | undefined): Promise<void> {
    const generation = before === undefined ? ++this.#generation : this.#generation;
    if (before === undefined) this.#came = [];
    this.loading = true;
    this.failed = undefined;
    try {
      const { items, next } = await this.api.messages(this.#query(before));
      // A newer filter overtook this answer.
      if (generation !== this.#generation) return;
      const meanwhile = this.#came.filter((message) => this.#matches(message) && !items.some(({ id }) => id === message.id));
      this.rows = before === undefined ? sorted([...meanwhile, ...items]) : sorted([...this.rows, ...items]);
      if (this.#opened) this.keep(this.#opened);
      this.#next = next;
      this.loaded = true;
    } catch (error) {
      if (generation === this.#generation) this.failed = error;
    } finally {
      if (generation === this.#generation) this.loading = false;
    }
  }

  #query(before: number | undefined): InboxQuery {
    const { show, topic, search } = this.filter;
    return {
      ...(before !== undefined ? { before } : {}),
      ...(topic !== "" ? { topic } : {}),
      ...(search.trim() !== "" ? { q: search.trim() } : {}),
      ...(show === "unread" ? { unread: true } : {}),
      ...(show === "unacknowledged" ? { unacknowledged: true } : {}),
    };
  }

  #matches(message: Message): boolean {
    const { show, topic, search } = this.filter;
    const wanted = search.trim().toLowerCase();
    return (
      (topic === "" || message.topic === topic) &&
      (show !== "unacknowledged" || needsAcknowledgement(message)) &&
      (wanted === "" || `${message.title ?? ""}\n${message.body ?? ""}`.toLowerCase().includes(wanted))
    );
  }

  #patch(id: string, change: Partial<MessageView>): void {
    this.rows = this.rows.map((row) => (row.id === id ? { ...row, ...change } : row));
    if (this.#opened?.id === id) this.#opened = { ...this.#opened, ...change };
  }
}

function sorted(rows: MessageView[]): MessageView[] {
  const byId = new Map<string, MessageView>();
  for (const row of rows) byId.set(row.id, { ...byId.get(row.id), ...row });
  return [...byId.values()].sort((a, b) => position(b.cursor).seq - position(a.cursor).seq);
}
