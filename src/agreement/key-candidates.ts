import { CANDIDATE_WORDS, type ENUMS, nameOf, word } from '../layout/index.js';

/**
 * Why a key did or did not run: `chosen`, or the first condition that it fails. `larger`: it would have held the step, and a
 * smaller one ran; `full-preferred`: the same, and a full graph ran; `step-eager`: the whole step ran eager or not at all;
 * `mode`: some rank found only a lesser kind of graph; the others name what is too little, or another than was agreed.
 */
export type Verdict = keyof typeof ENUMS.VERDICT;

/** What became of one key of the plan in a step. */
export interface KeyCandidate {
  /** Index of the key in the plan. */
  readonly key: number;
  readonly verdict: Verdict;
  /** Of `tokens`, `requests`, `prefill-requests` and `query-length` how many are lacking, of `padding-factor` how many tokens are too many; else 0. */
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
