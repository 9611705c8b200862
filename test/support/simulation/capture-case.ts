import type { Random } from '../../../dist/workload/random.js';

/** Sizes of the keys that ranks may be told to capture. Unit: tokens. */
export const SIZES: readonly number[] = [1, 2, 4];
/** All-gathers of a capture, where no key is dropped and all plans are equal: of the keys, and three of each. */
export const GATHERS = 1 + 3 * SIZES.length;

/** What befalls the ranks in one capture, apart from a fault. */
export interface CaptureCase {
  readonly onAsymmetric: 'throw' | 'drop';
  /** The sizes of each rank's plan, in its order. */
  readonly lists: readonly (readonly number[])[];
  /** Of each rank: which of its reserves fail, by their number. Each key is reserved for twice: for its warm-up, and its capture. */
  readonly reserves: readonly ReadonlySet<number>[];
  /** Of each rank: which of its graphs cannot be made, by their number. */
  readonly graphs: readonly ReadonlySet<number>[];
  /** Of each rank: the reserve before which it gives up; -1 for none. */
  readonly givesUp: readonly number[];
}

/** What all ranks come to. */
export type CaptureOutcome =
  | { readonly how: 'held'; readonly sizes: readonly number[]; readonly captured: number }
  | {
      readonly how: 'refused';
      readonly code: 'ERR_ABORTED' | 'ERR_CAPTURE_ASYMMETRIC';
      /** Who gave up, or lacks what others have. */
      readonly ranks: readonly number[];
      /** What is left in all plans. */
      readonly sizes: readonly number[];
    };

/** Draws a case: most ranks mostly lack nothing. */
export function drawCapture(random: Random, ranks: number): CaptureCase {
  const onAsymmetric = random.below(3) === 0 ? 'throw' : 'drop';
  const each = <T>(draw: () => T): T[] => Array.from({ length: ranks }, draw);
  const some = (count: number, share: number): Set<number> =>
    new Set(Array.from({ length: count }, (_, at) => at).filter(() => random.uniform() < share));
  const share = [0, 0, 0.03, 0.1][random.below(4)];
  const differ = onAsymmetric === 'drop' && random.below(3) === 0;
  return {
    onAsymmetric,
    lists: each(() => (differ && random.below(3) === 0 ? shuffled(random) : SIZES)),
    reserves: each(() => some(2 * SIZES.length, share)),
    graphs: each(() => some(SIZES.length, share)),
    givesUp: each(() => (random.below(16) === 0 ? random.below(2 * SIZES.length) : -1)),
  };
}

/** The same ranks once more, when nothing befalls them. */
export function again(given: CaptureCase, sizes: readonly number[]): CaptureCase {
  const none = given.lists.map(() => new Set<number>());
  return {
    ...given,
    lists: given.lists.map(() => sizes),
    reserves: none,
    graphs: none,
    givesUp: given.lists.map(() => -1),
  };
}

/** What a single process says of a case that knows what befalls each rank. */
export function expectedCapture({ onAsymmetric, lists, reserves, graphs, givesUp }: CaptureCase): CaptureOutcome {
  const sizes = lists[0].filter((size) => lists.every((list) => list.includes(size)));
  const where = (holds: (rank: number) => boolean): number[] => [...lists.keys()].filter(holds);
  let reserve = -1;
  let graph = -1;
  /** Whether all go on; null ends the capture. */
  const goesOn = (lacking: readonly number[]): boolean | null => {
    if (lacking.length === 0) return true;
    return lacking.length === lists.length || onAsymmetric === 'drop' ? false : null;
  };
  const asymmetric = (ranks: readonly number[]): CaptureOutcome => ({
    how: 'refused',
    code: 'ERR_CAPTURE_ASYMMETRIC',
    ranks,
    sizes,
  });
  let candidates = [...sizes].sort((a, b) => b - a);
  for (const stage of ['warm-up', 'capture']) {
    const kept: number[] = [];
    for (const size of candidates) {
      reserve++;
      const gave = where((rank) => givesUp[rank] === reserve);
      if (gave.length > 0) return { how: 'refused', code: 'ERR_ABORTED', ranks: gave, sizes };
      let lacking = where((rank) => reserves[rank].has(reserve));
      let goes = goesOn(lacking);
      if (goes === true && stage === 'capture') {
        graph++;
        lacking = where((rank) => graphs[rank].has(graph));
        goes = goesOn(lacking);
      }
      if (goes === null) return asymmetric(lacking);
      if (goes) kept.push(size);
    }
    candidates = kept;
  }
  return { how: 'held', sizes: sizes.filter((size) => candidates.includes(size)), captured: candidates.length };
}

/** One or more sizes, in any order. */
function shuffled(random: Random): readonly number[] {
  const left = [...SIZES];
  const count = 1 + random.below(left.length);
  return Array.from({ length: count }, () => left.splice(random.below(left.length), 1)[0]);
}
