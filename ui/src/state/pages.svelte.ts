/** A list that comes page by page, newest first. A newer question overtakes the answer to an older one. */
export class Pages<Item, About = undefined> {
  /** Nothing yet: still loading. */
  items = $state.raw<Item[]>();
  /** What goes with the items as a whole: the first page that says it says it for all. */
  about = $state.raw<About>();
  loading = $state(false);
  failed = $state<unknown>();
  #next = $state<number>();
  #generation = 0;

  constructor(private readonly fetch: (before: number | undefined) => Promise<{ items: Item[]; next?: number; about?: About }>) {}

  get more(): boolean {
    return this.#next !== undefined;
  }

  load(): Promise<void> {
    return this.#page(undefined);
  }

  async loadMore(): Promise<void> {
    if (this.#next !== undefined && !this.loading) await this.#page(this.#next);
  }

  async #page(before: number | undefined): Promise<void> {
    const mine = ++this.#generation;
    this.loading = true;
    try {
      const { items, next, about } = await this.fetch(before);
      if (mine !== this.#generation) return;
      this.items = before === undefined ? items : [...(this.items ?? []), ...items];
      if (before === undefined || this.about === undefined) this.about = about;
      this.#next = next;
      this.failed = undefined;
    } catch (error) {
      if (mine === this.#generation) this.failed = error;
    } finally {
      if (mine === this.#generation) this.loading = false;
    }
  }
}
