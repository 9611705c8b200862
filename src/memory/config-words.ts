import type { Limits } from '../config.js';
import { type CapturePlan, queryLens } from '../keys/index.js';
import {
  CONFIG_KV_GROUPS,
  CONFIG_REGIONS,
  CONFIG_TENSORS,
  CONFIG_WORDS,
  KV_GROUP_WORDS,
  LIMIT_WORDS,
  MAX_QUERY_LENS,
  MAX_VIEWS,
  REGIONS,
  VIEW_TENSORS,
  VOTE_RANGES,
  VOTE_WORDS,
  type VoteBound,
  word,
} from '../layout/index.js';
import { kvGroupWords } from './kv-group-regions.js';
import type { RegionTable } from './region-table.js';

/** The words at `CONFIG_BASE`: limits and sizes, then where regions, tensors and each KV cache group lie. */
export function configWords(
  limits: Limits,
  plan: CapturePlan,
  { sizes, region, written, groups }: Pick<RegionTable, 'sizes' | 'region' | 'written' | 'groups'>,
  checked: boolean,
): Int32Array {
  const config = new Int32Array(CONFIG_WORDS);
  const values: Record<(typeof LIMIT_WORDS)[number], number> = {
    ...sizes,
    maxRequests: limits.maxNumSeqs,
    maxTokens: limits.maxNumBatchedTokens,
    maxModelLen: limits.maxModelLen,
    numKeys: plan.keys.length,
    kvGroups: groups.length,
    queryLen: limits.queryLen,
    poisoned: 0,
    checked: checked ? 1 : 0,
  };
  for (const name of LIMIT_WORDS) config[word(LIMIT_WORDS, name)] = values[name];
  for (const [index, name] of REGIONS.entries()) config[CONFIG_REGIONS + index] = region(name).offset;
  for (let set = 0; set < 2; set++) {
    for (let view = 0; view < MAX_VIEWS; view++) {
      for (const [index, name] of VIEW_TENSORS.entries()) {
        config[CONFIG_TENSORS + (set * MAX_VIEWS + view) * VIEW_TENSORS.length + index] = written(set, view, name);
      }
    }
  }
  for (const [index, group] of groups.entries()) {
    config.set(kvGroupWords(group), CONFIG_KV_GROUPS + index * KV_GROUP_WORDS);
  }
  return config;
}

/** The plan's query lengths as the rules module reads them: ascending, 0 after the last. */
export function queryLenWords(plan: CapturePlan): Int32Array {
  const words = new Int32Array(MAX_QUERY_LENS);
  words.set(queryLens(plan));
  return words;
}

/** The least values of the words of a vote, then the largest, under the limits of this configuration. */
export function voteRangeWords(config: Int32Array): Int32Array {
  const bound = (given: VoteBound): number => (typeof given === 'number' ? given : config[word(LIMIT_WORDS, given)]);
  const ends = [0, 1].flatMap((end) => VOTE_WORDS.map((name) => bound(VOTE_RANGES[name][end])));
  return Int32Array.from(ends);
}
