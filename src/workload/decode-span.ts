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

  constructor(state: RequestState, blocks: RequestBlocks, blockSize: number) {
    this.#state = state;
    this.#blocks = blocks;
    this.#blockSize = blockSize;
  }

  /**
   * Steps, the scheduled one included, until the first of `running` ends, as far as `freeBlocks` last. The blocks of the
   * scheduled step have been appended.
   */
  length(running: readonly number[], freeBlocks: number): number {
    const { generated, table } = this.#state;
    let steps = Infinity;
    for (const request of running) {
      steps = Math.min(steps, (table.outputTokens[request] as number) - (generated[request] as number));
    }
    if (running.length * Math.ceil((steps - 1) / this.#blockSize) <= freeBlocks) return steps;
    let fits = 0;
    for (let tooMany = steps; tooMany - fits > 1; ) {
      const further = Math.floor((fits + tooMany) / 2);
      if (this.#blocksNeeded(running, further) <= freeBlocks) fits = further;
      else tooMany = further;
    }
    return fits + 1;
  }

  /** Takes `steps` steps, the scheduled one first; the one after them is then scheduled. */
  advance(running: readonly number[], steps: number): void {
    const { computed, generated, covered } = this.#state;
    const needsBlock = this.#needsBlock;
    for (let left = steps; left > 0; ) {
      // No request needs two blocks in one round.
      const round = Math.min(left, ROUND, this.#blockSize);
      for (let i = running.length - 1; i >= 0; i--) {
        const request = running[i] as number;
        const start = computed[request] as number;
        const room = (covered[request] as number) - start - 1;
        if (room < round) {
          this.#nextInStep[i] = needsBlock[room] as number;
          needsBlock[room] = i;
        }
        computed[request] = start + round;
        generated[request] = (generated[request] as number) + round;
      }
      for (let step = 0; step < round; step++) {
        for (let i = needsBlock[step] as number; i >= 0; i = this.#nextInStep[i] as number) {
          this.#blocks.append(running[i] as number, 1);
        }
        needsBlock[step] = -1;
      }
      left -= round;
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
