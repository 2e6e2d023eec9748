/**
 * One message's receipt, kept current while it is looked at.
 *
 * People come page by page, by name. Their rows are merged and never dropped: who was owed a message stays in its receipt
 * whatever becomes of them. A filter that the first pages do not fill reads on by itself, so that "missing" shows who is
 * missing however many are not.
 */
import type { ReceiptsApi } from "../backend/receipts";
import type { Cancelled, MessageId, PersonReceipt, Receipt, ResentMessage } from "../protocol";

export type Who = "all" | "missing" | "unread" | "unacknowledged";

/** Rows that a filter reads on for: more than a person looks through. */
const ENOUGH = 50;
/** Pages that are read again by themselves; those after it when the person asks. */
const AGAIN = 5;
/** So long is looked at whether what was sent again arrives. */
const WATCH_MS = 120_000;

export class ReceiptState {
  /** The newest answer; its people are `people`. */
  receipt = $state.raw<Receipt>();
  who = $state<Who>("all");
  failed = $state<unknown>();
  loading = $state(false);
  /** To so many it was sent again at this time: how many of them have it now is looked at. */
  again = $state.raw<{ of: number; missing: number; until: number }>();
  #rows = $state.raw(new Map<string, PersonReceipt>());
  #next = $state<string>();
  #pages = 0;
  #turn: Promise<void> = Promise.resolve();
  people = $derived([...this.#rows.values()].filter(matching(this.who)));
  /** All that were read, whatever the filter. */
  known = $derived([...this.#rows.values()]);
  /** How many of those that it was sent again to have it meanwhile. */
  arrived = $derived(this.again ? Math.max(0, Math.min(this.again.of, this.again.missing - (this.receipt?.counts.missing ?? 0))) : 0);

  constructor(
    private readonly api: ReceiptsApi,
    readonly id: MessageId,
  ) {}

  get more(): boolean {
    return this.#next !== undefined;
  }

  /** Whether somebody looks at how it goes on, so that it is asked for more often. */
  get watching(): boolean {
    return this.again !== undefined && this.arrived < this.again.of && Date.now() < this.again.until;
  }

  async load(): Promise<void> {
    const first = this.receipt === undefined;
    await this.#read(true, Math.min(Math.max(this.#pages, 1), AGAIN));
    // Of more people than one page holds, those who have it not come first.
    if (first && this.more && (this.receipt?.counts.missing ?? 0) > 0) await this.choose("missing");
  }

  async loadMore(): Promise<void> {
    if (this.#next !== undefined) await this.#read(false, 1);
  }

  async choose(who: Who): Promise<void> {
    this.who = who;
    await this.#fill();
  }

  /** Once more over this way: to these people, or to all who have not received it. */
  async resend(via: string, people?: string[]): Promise<ResentMessage> {
    // What was sent since this answer is not sent twice.
    const until = this.receipt?.as_of_ms ?? 0;
    const missing = this.receipt?.counts.missing ?? 0;
    const sent = await this.api.resend(this.id, { via: [via], until, ...(people ? { people } : {}) });
    const of = sent.reminded + sent.queued;
    if (people === undefined && of > 1) this.again = { of: Math.min(of, missing), missing, until: Date.now() + WATCH_MS };
    await this.load();
    return sent;
  }

  async cancel(): Promise<Cancelled> {
    const cancelled = await this.api.cancel(this.id);
    await this.load();
    return cancelled;
  }

  /** One after the other: the clock and the person may ask at once. */
  #read(first: boolean, pages: number): Promise<void> {
    this.#turn = this.#turn.then(() => this.#pass(first, pages));
    return this.#turn;
  }

  async #pass(first: boolean, pages: number): Promise<void> {
    this.loading = true;
    try {
      const rows = new Map(this.#rows);
      let from = first ? undefined : this.#next;
      for (let page = 0; page < pages && (page === 0 || from !== undefined); page++) {
        const answer = await this.api.one(this.id, { after: from });
        for (const person of answer.people) rows.set(person.user, person);
        from = answer.next;
        this.receipt = answer;
        // What is read again does not change where the rest begins.
        if (first && page < this.#pages) continue;
        this.#pages += 1;
        this.#next = answer.next;
      }
      this.#rows = rows;
      this.failed = undefined;
    } catch (error) {
      this.failed = error;
    } finally {
      this.loading = false;
    }
  }

  async #fill(): Promise<void> {
    while (this.who !== "all" && this.#next !== undefined && this.people.length < ENOUGH && this.failed === undefined) await this.loadMore();
  }
}

/** Whether a person is one of those; who need not get it any more is in none but all. */
function matching(who: Who): (person: PersonReceipt) => boolean {
  const open: Record<Who, readonly PersonReceipt["state"][] | undefined> = {
    all: undefined,
    missing: ["missing"],
    unread: ["missing", "sent", "received"],
    unacknowledged: ["missing", "sent", "received", "read"],
  };
  const states = open[who];
  return ({ state }) => states === undefined || states.includes(state);
}
