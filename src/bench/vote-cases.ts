import { RawRules } from '../agreement/index.js';
import { type CaptureKey, piecewiseKey } from '../keys/index.js';
import { FACT_WORDS, word } from '../layout/index.js';
import type { PlannerModules } from '../memory/index.js';
import type { BenchCase, BenchRow } from './measure.js';

/** Rows of plans with many keys. */
export const VOTE_ROWS: readonly BenchRow[] = [
  { name: 'vote-piecewise-4096', make: (modules) => voteCase(modules, 4096) },
];

/** Batches that are used one after the other, a prime number of them, so that the sizes looked up follow no pattern. */
const BATCHES = 1021;

/** One rank votes and resolves a prefill of any size, beside the same with the largest of the `count` keys alone. */
function voteCase(modules: PlannerModules, count: number): BenchCase {
  const keys = Array.from({ length: count }, (_, index) => piecewiseKey(2 * index + 2));
  const all = rulesOf(modules, keys);
  const one = rulesOf(modules, keys.slice(-1));
  const sizes = Int32Array.from({ length: BATCHES }, (_, index) => 1 + ((index * 7919) % (2 * count)));
  return {
    ours: votes(all, sizes),
    limit: votes(one, sizes),
    peer: null,
  };
}

function rulesOf(modules: PlannerModules, keys: readonly CaptureKey[]): RawRules {
  const largest = keys[keys.length - 1].tokens;
  const limits = { maxNumSeqs: 8, maxNumBatchedTokens: largest, maxModelLen: largest };
  // A graph of any size may run: this compares how the key is found, not whether there is one.
  return new RawRules(modules, { limits, keys, policy: { maxPaddingFactor: 1000 } });
}

/** Each call votes and resolves the next of the `sizes`. */
function votes(rules: RawRules, sizes: Int32Array): () => void {
  const { facts } = rules;
  facts[word(FACT_WORDS, 'prefillRequests')] = 1;
  let next = 0;
  return () => {
    const tokens = sizes[next];
    next = next + 1 === sizes.length ? 0 : next + 1;
    facts[word(FACT_WORDS, 'tokens')] = tokens;
    facts[word(FACT_WORDS, 'uniformQueryLen')] = tokens;
    facts[word(FACT_WORDS, 'maxQueryLen')] = tokens;
    facts[word(FACT_WORDS, 'maxSeqLen')] = tokens;
    facts[word(FACT_WORDS, 'part0Tokens')] = tokens;
    rules.voteFacts(0);
    rules.resolve();
  };
}
