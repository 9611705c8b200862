import { CANDIDATE_WORDS, type ENUMS, nameOf, word } from '../layout/index.js';

/**
 * Why a key did or did not run: `chosen`, or the first condition that it fails. `larger`: it would have held the step, and a
 * smaller one ran; `full-preferred`: the same, but a full graph ran; `step-eager`: the whole step ran eager or not at all;
 * `mode`: some rank found only a lesser kind of graph; the others name the quantity that the key has too little of, or the property that differs from what was agreed.
 */
export type Verdict = keyof typeof ENUMS.VERDICT;

/** The verdict on one key of the plan in a step. */
export interface KeyCandidate {
  /** Index of the key in the plan. */
  readonly key: number;
  /** `chosen`, or why the key does not run. */
  readonly verdict: Verdict;
  /** How many are lacking, for the verdicts `tokens`, `requests`, `prefill-requests` and `query-length`; how many tokens are too many, for `padding-factor`; else 0. */
  readonly detail: number;
}

/** The candidates of the step that was explained last, from the words of region `candidates`. */
export function keyCandidates(words: Int32Array, keys: number): readonly KeyCandidate[] {
  return Object.freeze(
    Array.from({ length: keys }, (_, key) => {
      const at = key * CANDIDATE_WORDS.length;
      const verdict = nameOf('VERDICT', words[at + word(CANDIDATE_WORDS, 'verdict')]);
      return Object.freeze({ key, verdict, detail: words[at + word(CANDIDATE_WORDS, 'detail')] });
    }),
  );
}
