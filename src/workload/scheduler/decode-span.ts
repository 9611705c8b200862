import type { RequestBlocks } from './request-blocks.js';
import type { RequestState } from './request-state.js';

/** Steps that are taken at once. */
const ROUND = 64;

/**
 * Steps in which a rank's batch stays what it is: decodes of one token, each one position further in every step. Their blocks
 * are appended in the order in which one step after the other would append them.
 */
export class DecodeSpan {
  readonly #state: RequestState;
  readonly #blocks: RequestBlocks;
  readonly #blockSize: number;
  /** The first request, by index, that needs a block in each step of a round, or -1; and the next one after each. */
  readonly #needsBlock: Int32Array = new Int32Array(ROUND).fill(-1);
  readonly #nextInStep: number[] = [];
  /** Steps after which the first request ends, found by `length`. */
  #untilEnd = 0;

  constructor(state: RequestState, blocks: RequestBlocks, blockSize: number) {
    this.#state = state;
    this.#blocks = blocks;
    this.#blockSize = blockSize;
  }

  /**
   * Steps, the scheduled one included, until the first of `running` has generated all its tokens, as far as `freeBlocks` last.
   * The blocks of the scheduled step have been appended.
   */
  length(running: readonly number[], freeBlocks: number): number {
    const { generated, table } = this.#state;
    const { outputTokens } = table;
    let steps = Infinity;
    for (const request of running) {
      const left = (outputTokens[request] as number) - (generated[request] as number);
      if (left < steps) steps = left;
    }
    this.#untilEnd = steps;
    if (running.length * Math.ceil((steps - 1) / this.#blockSize) <= freeBlocks) return steps;
    let fits = 0;
    for (let tooMany = steps; tooMany - fits > 1; ) {
      const further = Math.floor((fits + tooMany) / 2);
      if (this.#blocksNeeded(running, further) <= freeBlocks) fits = further;
      else tooMany = further;
    }
    return fits + 1;
  }

  /**
   * Takes the first `steps` of `length` steps; the blocks of the step after them are not appended. Returns whether a request has
   * generated all its tokens.
   */
  take(running: readonly number[], steps: number): boolean {
    const { computed, generated } = this.#state;
    this.#appendBlocks(running, steps - 1);
    for (const request of running) {
      computed[request] = (computed[request] as number) + steps;
      generated[request] = (generated[request] as number) + steps;
    }
    return steps === this.#untilEnd;
  }

  /** Appends what `further` steps after the scheduled one need. */
  #appendBlocks(running: readonly number[], further: number): void {
    const { computed, covered } = this.#state;
    const needsBlock = this.#needsBlock;
    for (let taken = 0; taken < further; ) {
      // No request needs two blocks in one round.
      const round = Math.min(further - taken, ROUND, this.#blockSize);
      for (let i = running.length - 1; i >= 0; i--) {
        const request = running[i] as number;
        const room = (covered[request] as number) - (computed[request] as number) - taken - 1;
        if (room >= round) continue;
        this.#nextInStep[i] = needsBlock[room] as number;
        needsBlock[room] = i;
      }
      for (let step = 0; step < round; step++) {
        for (let i = needsBlock[step] as number; i >= 0; i = this.#nextInStep[i] as number) {
          this.#blocks.append(running[i] as number, 1);
        }
        needsBlock[step] = -1;
      }
      taken += round;
    }
  }

  /** Blocks that `further` steps after the scheduled one take. */
  #blocksNeeded(running: readonly number[], further: number): number {
    const { computed, covered } = this.#state;
    let needed = 0;
    for (const request of running) {
      const room = (covered[request] as number) - (computed[request] as number) - 1;
      if (further > room) needed += Math.ceil((further - room) / this.#blockSize);
    }
    return needed;
  }
}
