import type { RequestState } from './request-state.js';

/** The waiting requests of one rank, in order: a list through an array that all ranks of a model share. */
export class WaitingQueue {
  /** Requests that wait. */
  length = 0;
  readonly #state: RequestState;
  #first = -1;
  #last = -1;

  constructor(state: RequestState) {
    this.#state = state;
  }

  /** The request at the front; -1 when none waits. */
  get first(): number {
    return this.#first;
  }

  pushLast(request: number): void {
    this.#state.next[request] = -1;
    if (this.length++ === 0) this.#first = request;
    else this.#state.next[this.#last] = request;
    this.#last = request;
  }

  pushFirst(request: number): void {
    this.#state.next[request] = this.#first;
    this.#first = request;
    if (this.length++ === 0) this.#last = request;
  }

  dropFirst(): void {
    this.#first = this.#state.next[this.#first];
    this.length--;
  }

  /** Takes out a request; false where it does not wait here. */
  remove(request: number): boolean {
    const { next } = this.#state;
    let before = -1;
    for (let waiting = this.#first; waiting >= 0; waiting = next[waiting]) {
      if (waiting === request) {
        if (before < 0) this.#first = next[request];
        else next[before] = next[request];
        if (this.#last === request) this.#last = before;
        this.length--;
        return true;
      }
      before = waiting;
    }
    return false;
  }

  *[Symbol.iterator](): Generator<number> {
    for (let waiting = this.#first; waiting >= 0; waiting = this.#state.next[waiting]) yield waiting;
  }
}
