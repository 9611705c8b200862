import type { RequestTable } from '../request.js';

/** A request whose arrival is known, and when it is. */
interface Arrival {
  readonly request: number;
  readonly ms: number;
}

/**
 * The requests of a table as they arrive: those with a time of their own in the table's order, and those that follow another once
 * it has ended. Of requests that arrive together the lower number comes first. Times and delays are divided by `speed`.
 */
export class Arrivals {
  readonly #table: RequestTable;
  readonly #speed: number;
  /** The first request of the table that has not arrived and follows none. */
  #next = 0;
  /** By request: those that follow it. Empty in a table without any. */
  readonly #followers = new Map<number, number[]>();
  /** Requests that follow one that has ended, the latest arrival first. */
  readonly #due: Arrival[] = [];

  constructor(table: RequestTable, speed: number) {
    this.#table = table;
    this.#speed = speed;
    const { after } = table;
    for (let request = 0; after !== null && request < table.length; request++) {
      if (after[request] < 0) continue;
      const list = this.#followers.get(after[request]);
      if (list === undefined) this.#followers.set(after[request], [request]);
      else list.push(request);
    }
    this.#skip();
  }

  /** The request that arrives next, of those whose arrival is known; -1 where none is. */
  get request(): number {
    return this.#first()?.request ?? (this.#next < this.#table.length ? this.#next : -1);
  }

  /** When it arrives. Infinity where none does. */
  get ms(): number {
    return this.#first()?.ms ?? this.#ownMs();
  }

  /** It has arrived, or cannot run. */
  take(): void {
    if (this.#first() !== null) {
      this.#due.pop();
      return;
    }
    this.#next++;
    this.#skip();
  }

  /** A request ended, or was rejected, at `ms`: those that follow it arrive after their delays. */
  end(request: number, ms: number): void {
    if (this.#followers.size === 0) return;
    for (const follower of this.#followers.get(request) ?? []) {
      const delay = (this.#table.delayMs as Float64Array)[follower] / this.#speed;
      const arrival = { request: follower, ms: ms + delay };
      let at = this.#due.length;
      while (at > 0 && comesBefore(this.#due[at - 1], arrival)) at--;
      this.#due.splice(at, 0, arrival);
    }
    this.#followers.delete(request);
  }

  /** The first request that follows another, where it comes before the next with a time of its own. */
  #first(): Arrival | null {
    const first = this.#due.at(-1);
    if (first === undefined) return null;
    return this.#next >= this.#table.length || comesBefore(first, { request: this.#next, ms: this.#ownMs() })
      ? first
      : null;
  }

  #ownMs(): number {
    return this.#next < this.#table.length ? this.#table.arrivalMs[this.#next] / this.#speed : Infinity;
  }

  #skip(): void {
    const { after, length } = this.#table;
    while (after !== null && this.#next < length && after[this.#next] >= 0) this.#next++;
  }
}

function comesBefore(a: Arrival, b: Arrival): boolean {
  return a.ms < b.ms || (a.ms === b.ms && a.request < b.request);
}
