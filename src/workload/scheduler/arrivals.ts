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
  /** The request that arrives next, of those whose arrival is known; -1 where none is. */
  request = -1;
  /** When it arrives. Infinity where none does. */
  ms: number = Infinity;

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

  /** Whether any request follows one that has not ended. */
  get areAwaited(): boolean {
    return this.#followers.size > 0;
  }

  /** It has arrived, or cannot run. */
  take(): void {
    if (this.#due.at(-1)?.request === this.request) {
      this.#due.pop();
      this.#look();
    } else {
      this.#next++;
      this.#skip();
    }
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
    this.#look();
  }

  /** Moves on to the next request with a time of its own. */
  #skip(): void {
    const { after, length } = this.#table;
    while (after !== null && this.#next < length && after[this.#next] >= 0) this.#next++;
    this.#look();
  }

  /** Finds out which request comes first: of those that follow another, or with a time of its own. */
  #look(): void {
    const isLeft = this.#next < this.#table.length;
    this.request = isLeft ? this.#next : -1;
    this.ms = isLeft ? this.#table.arrivalMs[this.#next] / this.#speed : Infinity;
    const first = this.#due.at(-1);
    if (first === undefined || (isLeft && !comesBefore(first, this))) return;
    this.request = first.request;
    this.ms = first.ms;
  }
}

function comesBefore(a: Arrival, b: Arrival): boolean {
  return a.ms < b.ms || (a.ms === b.ms && a.request < b.request);
}
