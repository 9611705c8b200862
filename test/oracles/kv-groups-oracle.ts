import { type DecisionValue, kvGroupsOf, type Limits } from '../../dist/entry/planner.js';
import type { PlainEntry } from './batch-oracle.js';
import { buildPlain, type PlainOptions, type PlainStep } from './metadata-oracle.js';

/** The limits of a planner that has KV cache group `group` and no other. */
function groupLimits(limits: Limits, group: number): Limits {
  const { blockSize, kernelBlockSize, numBlocks } = kvGroupsOf(limits)[group];
  return { ...limits, blockSize, kernelBlockSize, numBlocks };
}

/**
 * A rank's step by KV cache group: each is what a planner of that group alone would have. Groups share requests and tokens, and
 * nothing else. Source: vLLM MultiGroupBlockTable.
 */
export function buildGroupsPlain(
  entries: readonly PlainEntry[],
  decision: DecisionValue,
  rank: number,
  limits: Limits,
  cut: readonly number[] | 'agreed',
  options: PlainOptions = {},
): PlainStep[] {
  return kvGroupsOf(limits).map((_, group) => {
    const own = entries.map((entry) => ({ ...entry, blockIds: [entry.blockIds, ...entry.otherBlocks][group] }));
    return buildPlain(own, decision, rank, groupLimits(limits, group), cut, options);
  });
}
