import type { Limits } from '../config.js';
import { StepHistogram } from '../workload/index.js';
import type { CountedSteps } from './read-steps.js';

/**
 * Steps of an engine's log that holds no decodes of its own, counted by their tokens alone: those of an engine all of whose graphs are
 * piecewise. A graph of so many tokens then holds any step of at most as many, and a ladder of tokens serves as its list.
 */
export function tokenSteps({ whole, tables: _, ...steps }: CountedSteps, most: number): CountedSteps {
  const counted = new StepHistogram();
  for (const [tokens, count] of tokenCounts(whole)) {
    if (tokens > most) continue;
    counted.add({ tokens, prefillRequests: 0, decodeRequests: tokens, requests: tokens, ubatched: false }, count);
  }
  return { ...steps, whole: counted, parts: null };
}

/** Limits under which steps of tokens are planned as decodes of one token each: the largest step counted is the largest size. */
export function tokenLimits(limits: Limits, { whole }: CountedSteps, reach: number): Limits {
  const largest = Math.max(1, ...[...tokenCounts(whole)].map(([tokens]) => tokens).filter((tokens) => tokens <= reach));
  return { ...limits, maxNumSeqs: largest, queryLen: 1 };
}

/** Tokens of steps and how many had so many: steps of an unknown phase are counted as decodes. */
function* tokenCounts({ mixed, decode }: StepHistogram): Iterable<readonly [tokens: number, count: number]> {
  for (const { tokens, count } of mixed) yield [tokens, count];
  yield* decode;
}
