/** The same for many things, one after the other, with how far it is. It can be stopped between two of them. */
export class Many {
  of = $state(0);
  done = $state(0);
  running = $state(false);
  #stopped = false;

  /** Answers with those for which it did not work, or that were left when it was stopped, and the last reason. */
  async run<Item>(items: readonly Item[], work: (item: Item) => Promise<unknown>): Promise<{ left: Item[]; error?: unknown }> {
    const left: Item[] = [];
    let error: unknown;
    this.of = items.length;
    this.done = 0;
    this.#stopped = false;
    this.running = true;
    for (const item of items) {
      if (this.#stopped) {
        left.push(item);
        continue;
      }
      try {
        await work(item);
      } catch (reason) {
        left.push(item);
        error = reason;
      }
      this.done += 1;
    }
    this.running = false;
    return { left, error };
  }

  stop(): void {
    this.#stopped = true;
  }
}
