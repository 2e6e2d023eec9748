/**
 * What the browser keeps: the messages that came by stream and how far it is. An acknowledgement tells the sender that
 * this device has the message, so position and messages are written in one strict transaction before anything is
 * acknowledged or shown.
 */
import type { Cursor, Message, MessageView, StateChange } from "../protocol";

export interface Batch {
  messages: Message[];
  changes: StateChange[];
  cursor: Cursor;
  /** Where the stream started that carried it. */
  from: Cursor | undefined;
}

export interface Kept {
  cursor: Cursor | undefined;
  from: Cursor | undefined;
}

export interface Store {
  /** Whether it survives the page. What is not durable is never acknowledged. */
  readonly durable: boolean;
  load(): Promise<Kept>;
  /** Writes all or nothing; answers with the messages that were not there before. */
  commit(batch: Batch): Promise<Message[]>;
}

const MESSAGES = "messages";
const META = "meta";
const BY_TIME = "by-time";
/** Kept on this device; the server has the rest. */
const KEEP = 1000;
/** Pruning walks the index, so not at every write. */
const PRUNE_EVERY = 100;

/** One database per installation and person, so that two people at one browser do not mix. */
export async function openStore(instance: string, user: string, factory: IDBFactory | undefined = globalThis.indexedDB): Promise<Store> {
  if (!factory) return new MemoryStore();
  try {
    return new IndexedStore(await openDatabase(factory, `tocsin-${instance}-${user}`));
  } catch {
    // Private windows of some browsers, or a full disk.
    return new MemoryStore();
  }
}

function openDatabase(factory: IDBFactory, name: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = factory.open(name, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore(MESSAGES, { keyPath: "id" }).createIndex(BY_TIME, "created_at");
      request.result.createObjectStore(META);
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("the database could not be opened"));
    request.onblocked = () => reject(new Error("the database is blocked by another page"));
  });
}

class IndexedStore implements Store {
  readonly durable = true;
  #commits = 0;

  constructor(private readonly database: IDBDatabase) {}

  async load(): Promise<Kept> {
    const meta = this.database.transaction(META).objectStore(META);
    const [cursor, from] = await Promise.all([answer<Cursor | undefined>(meta.get("cursor")), answer<Cursor | undefined>(meta.get("from"))]);
    return { cursor, from };
  }

  async commit({ messages, changes, cursor, from }: Batch): Promise<Message[]> {
    const transaction = this.database.transaction([MESSAGES, META], "readwrite", { durability: "strict" });
    const done = finished(transaction);
    // A failing request aborts the transaction, which `done` reports; nobody waits for the request itself.
    done.catch(() => {});
    const rows = transaction.objectStore(MESSAGES);
    const fresh: Message[] = [];
    for (const message of messages) {
      const known = await answer<MessageView | undefined>(rows.get(message.id));
      if (!known) fresh.push(message);
      rows.put({ ...known, ...message } satisfies MessageView);
    }
    for (const change of changes) {
      const row = await answer<MessageView | undefined>(rows.get(change.id));
      if (row) rows.put({ ...row, ...learned(change) });
    }
    const meta = transaction.objectStore(META);
    meta.put(cursor, "cursor");
    if (from !== undefined) meta.put(from, "from");
    await done;
    if (++this.#commits % PRUNE_EVERY === 0) await this.#prune();
    return fresh;
  }

  async #prune(): Promise<void> {
    const transaction = this.database.transaction(MESSAGES, "readwrite");
    const rows = transaction.objectStore(MESSAGES);
    let excess = (await answer<number>(rows.count())) - KEEP;
    if (excess <= 0) return;
    await walk(rows.index(BY_TIME).openCursor(), (row) => {
      row.delete();
      return --excess > 0;
    });
  }
}

/** What a change says about its message; that it is to be shown again says nothing. */
export function learned({ read_at, acknowledged_at, settled }: StateChange): Partial<MessageView> {
  return {
    ...(read_at !== undefined ? { read_at } : {}),
    ...(acknowledged_at !== undefined ? { acknowledged_at } : {}),
    ...(settled !== undefined ? { settled } : {}),
  };
}

function answer<T>(request: IDBRequest): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result as T);
    request.onerror = () => reject(request.error ?? new Error("the database failed"));
  });
}

function finished(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new Error("the database refused"));
  });
}

function walk(request: IDBRequest<IDBCursorWithValue | null>, each: (row: IDBCursorWithValue) => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => {
      const row = request.result;
      if (row && each(row)) row.continue();
      else resolve();
    };
    request.onerror = () => reject(request.error ?? new Error("the database failed"));
  });
}

/** For browsers that store nothing: the page works, but acknowledges nothing. */
export class MemoryStore implements Store {
  readonly durable: boolean = false;
  protected kept: Kept = { cursor: undefined, from: undefined };
  protected rows = new Map<string, MessageView>();

  load(): Promise<Kept> {
    return Promise.resolve(this.kept);
  }

  commit({ messages, changes, cursor, from }: Batch): Promise<Message[]> {
    const fresh = messages.filter((message) => !this.rows.has(message.id));
    for (const message of messages) this.rows.set(message.id, { ...this.rows.get(message.id), ...message });
    for (const change of changes) {
      const row = this.rows.get(change.id);
      if (row) this.rows.set(change.id, { ...row, ...learned(change) });
    }
    this.kept = { cursor, from: from ?? this.kept.from };
    return Promise.resolve(fresh);
  }
}
