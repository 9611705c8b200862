import { checkArguments, Faults } from '../../checks.js';
import { ascending, roundDown, roundUp, steps } from '../../numbers.js';
import { type RuleVersion, ruleVersion } from '../rule-versions.js';
import { pythonSetOrder } from './python-set.js';

/** One captured shape: tokens, prefill requests, decode requests. */
export type MegatronShape = readonly [tokens: number, prefillRequests: number, decodeRequests: number];

/** How token counts are spaced: halves of the largest, even steps, or halves where there are prefills and even steps for decodes alone. */
export type MegatronDistribution = 'exponential' | 'linear' | 'hybrid';

/** What Megatron derives its captured shapes from. */
export interface MegatronConfig {
  /** Most requests of a batch. */
  readonly maxRequests: number;
  /** Most tokens of a batch. */
  readonly maxTokens: number;
  /** Longest request in tokens. */
  readonly maxSequenceLength: number;
  /** Its `num_cuda_graphs`: most token counts of each kind; -1 finds the number itself, null captures none, else at least 1. Default 16. */
  readonly numGraphs?: number | null;
  /** Most tokens of a graph; null, 0 or less, or more than `maxTokens` means `maxTokens`. Default null. See `megatronGraphTokens`. */
  readonly maxGraphTokens?: number | null;
  /** Prefill requests of a mixed graph where the distribution is linear; 0 or less turns mixed graphs off. Default 16. */
  readonly mixedPrefillRequestCount?: number;
  /** Capture steps with prefills too (unless `decode_only_cuda_graphs`). Default true. */
  readonly nonDecodeGraphs?: boolean;
  /** Default 0. */
  readonly numSpeculativeTokens?: number;
  /** Token counts are multiples of it. Default 1. */
  readonly tensorParallelSize?: number;
  /** Default 'exponential' (pull request 3509); 'hybrid' is that of pull request 6667. */
  readonly distribution?: MegatronDistribution;
}

/** Steps of token counts are multiples of this. */
const ROUNDER = 2;

/**
 * Shapes Megatron captures, in its order: most prefill tokens first, then most decodes, ties as its set of shapes gives them.
 * Errors: ERR_CONFIG_INVALID with every fault at once, also where a graph cannot hold `maxRequests` decodes. Source:
 * Megatron-LM `generate_cuda_graph_batch_dimensions_list` (August 2026).
 */
export function megatronShapes(config: MegatronConfig): MegatronShape[] {
  checkArguments('megatronShapes', { config: [config, 'object'] });
  checkConfig(config);
  const { maxRequests, maxSequenceLength, numGraphs = 16, nonDecodeGraphs = true } = config;
  const { numSpeculativeTokens = 0, tensorParallelSize = 1, mixedPrefillRequestCount = 16 } = config;
  if (numGraphs === null) return [];
  const linear = config.distribution === 'linear';
  const queryLen = 1 + numSpeculativeTokens;
  const largest = graphTokens(config);
  const graphs = numGraphs === -1 ? -1 : Math.min(Math.max(numGraphs, 1), largest);
  const tokenCounts = linear ? linearCounts : exponentialCounts;
  const decodeSpacing =
    config.distribution === 'exponential' || config.distribution === undefined ? exponentialCounts : linearCounts;

  const shapes: MegatronShape[] = [];
  const add = (tokens: number, prefills: number, decodes: number): void => {
    const fits = prefills + decodes <= maxRequests && tokens > 0;
    const least = prefills + decodes * queryLen;
    const most = prefills * maxSequenceLength + decodes * queryLen;
    if (fits && tokens >= least && tokens <= most) shapes.push([tokens, prefills, decodes]);
  };

  if (mixedPrefillRequestCount > 0 && nonDecodeGraphs) {
    const prefillCounts = linear ? [Math.min(mixedPrefillRequestCount, maxRequests)] : doublings(maxRequests);
    const leastPrefills = linear ? mixedPrefillRequestCount : 1;
    // A gather kernel there asserts on tensors of one element.
    for (const size of tokenCounts(tensorParallelSize, graphs, largest).filter((tokens) => tokens >= 2)) {
      for (const prefills of prefillCounts) {
        const decodes = Math.min(Math.floor((size - prefills) / queryLen), maxRequests - prefills);
        add(size, prefills, Math.max(0, decodes));
      }
      // One token of each request is left for its first decode.
      const minimal = Math.max(leastPrefills, Math.ceil(size / Math.max(1, maxSequenceLength - 1)));
      if (minimal < maxRequests) add(size, Math.max(minimal, Math.min(maxRequests, size)), 0);
    }
  }
  for (const size of decodeCounts(config, decodeSpacing, graphs, largest)) {
    const decodes = Math.min(Math.floor(size / queryLen), maxRequests);
    add(roundDown(decodes * queryLen, tensorParallelSize), 0, decodes);
  }
  const prefillTokens = ([tokens, , decodes]: MegatronShape): number => tokens - decodes * queryLen;
  return pythonSetOrder(shapes).sort((a, b) => prefillTokens(b) - prefillTokens(a) || b[2] - a[2]);
}

type TokenCounts = (tensorParallelSize: number, graphs: number, most: number) => number[];

/** Token counts of decode graphs, descending: capped at what all requests decode, and with the two smallest if the number is automatic. */
function decodeCounts(config: MegatronConfig, tokenCounts: TokenCounts, graphs: number, largest: number): number[] {
  const { maxRequests, numSpeculativeTokens = 0, tensorParallelSize = 1 } = config;
  const queryLen = 1 + numSpeculativeTokens;
  const most = Math.min(largest, maxRequests * queryLen);
  const counts = tokenCounts(tensorParallelSize, graphs, most);
  if (graphs !== -1) return counts;
  const unit = leastCommonMultiple(queryLen, tensorParallelSize);
  return ascending([...counts, ...[unit, 2 * unit].filter((tokens) => tokens <= most)]).reverse();
}

/** `most`, its half, its quarter, … and the smallest; if there are too many, small ones other than the smallest are dropped. Descending. */
function exponentialCounts(tensorParallelSize: number, graphs: number, most: number): number[] {
  const count = graphs === -1 ? Math.max(4, 31 - Math.clz32(Math.max(2, most)) + 2) : graphs;
  const largest = roundDown(most, tensorParallelSize);
  if (count === 1) return [largest];
  const counts = new Set([largest, tensorParallelSize]);
  let value = largest;
  for (let index = 0; index < count; index++) {
    counts.add(roundUp(Math.max(ROUNDER, roundDown(value, ROUNDER)), tensorParallelSize));
    value = Math.floor(value / 2);
    if (value < 1) break;
  }
  const descending = ascending(counts).reverse();
  while (descending.length > count) descending.splice(-2, 1);
  return descending;
}

/** Even steps up to `most`; vLLM's grid if the number is automatic. Descending. */
function linearCounts(tensorParallelSize: number, graphs: number, most: number): number[] {
  if (graphs === -1) {
    const grid = [1, 2, 4, ...steps(8, 248, 8), ...steps(256, most, 16)];
    const aligned = grid.map((size) => roundUp(size, tensorParallelSize)).filter((size) => size <= most);
    return ascending([...aligned, most]).reverse();
  }
  const largest = roundDown(most, tensorParallelSize);
  if (graphs === 1) return [largest];
  const even = roundUp(Math.floor(most / graphs), ROUNDER);
  const step = Math.max(roundUp(even, tensorParallelSize), tensorParallelSize);
  return ascending([...steps(step, largest - 1, step), largest]).reverse();
}

/** 1, 2, 4, … below `most`, and `most`. */
function doublings(most: number): number[] {
  const counts: number[] = [];
  for (let count = 1; count < most; count *= 2) counts.push(count);
  return [...counts, most];
}

function leastCommonMultiple(a: number, b: number): number {
  let multiple = Math.max(a, b);
  while (multiple % a !== 0 || multiple % b !== 0) multiple += Math.max(a, b);
  return multiple;
}

/** What `cuda_graph_max_tokens` defaults to since pull request 5797. */
export const MEGATRON_MAX_GRAPH_TOKENS = 512;

/**
 * The most tokens of a graph that Megatron's server derives: `cuda_graph_max_tokens`, at least what all requests decode, and at most
 * the tokens of a step; the latter where graphs for all prefills are asked for, and before pull request 5797. Source: Megatron-LM
 * `InferenceConfig.cuda_graph_max_tokens`, `cuda_graph_all_prefills`.
 */
export function megatronGraphTokens(
  config: Pick<MegatronConfig, 'maxRequests' | 'maxTokens' | 'numSpeculativeTokens'>,
  options: {
    readonly allPrefills?: boolean;
    readonly maxGraphTokens?: number;
    readonly version?: RuleVersion<'megatron'>;
  } = {},
): number {
  checkArguments('megatronGraphTokens', { config: [config, 'object'], options: [options, 'object'] });
  const { maxRequests, maxTokens, numSpeculativeTokens = 0 } = config;
  const { allPrefills = false, maxGraphTokens = MEGATRON_MAX_GRAPH_TOKENS } = options;
  if (allPrefills || ruleVersion('megatron', options.version) === '2026-05') return maxTokens;
  return Math.min(Math.max(maxGraphTokens, maxRequests * (1 + numSpeculativeTokens)), maxTokens);
}

/** Most tokens of a graph. */
function graphTokens({ maxGraphTokens = null, maxTokens }: MegatronConfig): number {
  return maxGraphTokens === null || maxGraphTokens > maxTokens || maxGraphTokens <= 0 ? maxTokens : maxGraphTokens;
}

function checkConfig(config: MegatronConfig): void {
  const { numGraphs = 16, maxGraphTokens = null, numSpeculativeTokens = 0, distribution = 'exponential' } = config;
  const most = 2 ** 31 - 1;
  const faults = new Faults();
  faults.integer('maxRequests', config.maxRequests, 1, 1 << 20);
  faults.integer('maxTokens', config.maxTokens, 1, most);
  faults.integer('maxSequenceLength', config.maxSequenceLength, 1, most);
  if (numGraphs !== null) faults.integer('numGraphs', numGraphs, -most, most);
  if (maxGraphTokens !== null) faults.integer('maxGraphTokens', maxGraphTokens, -most, most);
  faults.integer('mixedPrefillRequestCount', config.mixedPrefillRequestCount ?? 16, -most, most);
  faults.integer('numSpeculativeTokens', numSpeculativeTokens, 0, 1 << 10);
  faults.integer('tensorParallelSize', config.tensorParallelSize ?? 1, 1, 1 << 16);
  faults.check(
    ['exponential', 'linear', 'hybrid'].includes(distribution),
    `distribution is ${JSON.stringify(distribution)}; it must be "exponential", "linear" or "hybrid"`,
  );
  if (!faults.any && numGraphs !== null) {
    const tokens = graphTokens(config);
    const decodes = config.maxRequests * (1 + numSpeculativeTokens);
    faults.check(
      tokens >= decodes,
      `a graph of ${tokens} tokens cannot hold ${config.maxRequests} decodes of ${1 + numSpeculativeTokens} tokens; raise maxTokens or maxGraphTokens to ${decodes}`,
    );
  }
  faults.throwIfAny('This Megatron configuration');
}
