/** The waiting requests of one rank, in order: a list through an array that all ranks of a model share. */
export class WaitingQueue {
  /** Requests that wait. */
  length = 0;
  readonly #next: Int32Array;
  #first = -1;
  #last = -1;

  /** `next`: i32[requests], the one after each waiting request. A request waits in one queue at most. */
  constructor(next: Int32Array) {
    this.#next = next;
  }

  /** The request at the front; meaningless when none waits. */
  get first(): number {
    return this.#first;
  }

  pushLast(request: number): void {
    if (this.length++ === 0) this.#first = request;
    else this.#next[this.#last] = request;
    this.#last = request;
  }

  pushFirst(request: number): void {
    this.#next[request] = this.#first;
    this.#first = request;
    if (this.length++ === 0) this.#last = request;
  }

  dropFirst(): void {
    this.#first = this.#next[this.#first] as number;
    this.length--;
  }
}
