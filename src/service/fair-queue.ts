/** What waits, and for whom. */
export interface Queued {
  /** Entries of different clients alternate. */
  readonly client: string;
}

/** Round robin between clients; first come, first served among the entries of one. */
export class FairQueue<T extends Queued> {
  /** Entries of each client that has some, in order of arrival; the client that is served next comes first. */
  readonly #clients = new Map<string, Set<T>>();
  #length = 0;

  get length(): number {
    return this.#length;
  }

  add(entry: T): void {
    let own = this.#clients.get(entry.client);
    if (own === undefined) {
      own = new Set();
      this.#clients.set(entry.client, own);
    }
    if (own.has(entry)) return;
    own.add(entry);
    this.#length++;
  }

  /** The next entry, whose client goes to the end; undefined where none waits. */
  take(): T | undefined {
    for (const [client, own] of this.#clients) {
      for (const entry of own) {
        own.delete(entry);
        this.#length--;
        this.#clients.delete(client);
        if (own.size > 0) this.#clients.set(client, own);
        return entry;
      }
    }
    return undefined;
  }

  /** Takes an entry out of its place. Returns whether it waited. */
  remove(entry: T): boolean {
    const own = this.#clients.get(entry.client);
    if (own === undefined || !own.delete(entry)) return false;
    if (own.size === 0) this.#clients.delete(entry.client);
    this.#length--;
    return true;
  }
}
