import { checkArguments, Faults } from '../../checks.js';
import { LockstepError } from '../../errors.js';
import { ascending, roundUp, steps } from '../../numbers.js';
import { type RuleVersion, ruleVersion } from '../rule-versions.js';

const MOST = 1 << 20;

type MemoryTier = readonly [below: number, narrow: number, wide: number];

/** Largest captured batch by GPU memory: `[below, tp < 4, tp >= 4]`, in GB and requests. Source: SGLang ServerArgs. */
const tiers = (of35Gb: MemoryTier): readonly MemoryTier[] => [
  [20, 8, 8],
  of35Gb,
  [60, 32, 160],
  [160, 256, 512],
  [Infinity, 512, 512],
];

/** Pull request 37898 raised the tier of 20 to 35 GB. */
const MAX_BATCHES: Readonly<Record<RuleVersion<'sglang'>, readonly MemoryTier[]>> = {
  '2026-08': tiers([35, 24, 80]),
  '2026-09': tiers([35, 48, 160]),
};

/** What SGLang derives its largest captured batch from. */
export interface SglangMaxBatchOptions {
  /** Memory of one GPU in GB. Default 80. */
  readonly memoryGb?: number;
  /** Default 1. */
  readonly tensorParallelSize?: number;
  /** Which tiers: '2026-09' are those since pull request 37898, '2026-08' those before. Default the newest. */
  readonly version?: RuleVersion<'sglang'>;
}

/** SGLang's default `cuda_graph_max_bs` for decodes, in requests. Errors: ERR_CONFIG_INVALID. */
export function sglangMaxBatch(options: SglangMaxBatchOptions = {}): number {
  checkArguments('sglangMaxBatch', { options: [options, 'object'] });
  const { memoryGb = 80, tensorParallelSize = 1 } = options;
  const version = ruleVersion('sglang', options.version);
  const faults = new Faults();
  faults.number('memoryGb', memoryGb, 0, 1e6);
  faults.integer('tensorParallelSize', tensorParallelSize, 1, MOST);
  faults.throwIfAny('This SGLang configuration');
  const [, narrow, wide] = MAX_BATCHES[version].find(([below]) => memoryGb < below) ?? [0, 160, 160];
  return tensorParallelSize < 4 ? narrow : wide;
}

/** What SGLang derives its captured decode batches from. */
export interface SglangDecodeSizesOptions {
  /** Its `cuda_graph_max_bs`, in requests; see `sglangMaxBatch`. */
  readonly maxBatch: number;
  /** A speculative algorithm is on: the list is denser. Default false. */
  readonly speculative?: boolean;
  /** Batches are padded to a captured one; without (`disable_cuda_graph_padding`) every size is captured. Default true. */
  readonly padding?: boolean;
}

/**
 * Batches SGLang captures for decodes, in requests, ascending. The largest is always among them (pull request 21005).
 * Errors: ERR_CONFIG_INVALID. Source: SGLang ServerArgs.
 */
export function sglangDecodeSizes(options: SglangDecodeSizesOptions): number[] {
  checkArguments('sglangDecodeSizes', { options: [options, 'object'] });
  const { maxBatch, speculative = false, padding = true } = options;
  const faults = new Faults();
  faults.integer('maxBatch', maxBatch, 1, MOST);
  faults.throwIfAny('These SGLang capture sizes');
  if (!padding) return steps(1, maxBatch, 1);
  const grid = speculative
    ? [...steps(1, 8, 1), ...steps(10, 32, 2), ...steps(40, 64, 4), ...steps(72, 256, 8), ...steps(272, maxBatch, 16)]
    : [1, 2, 4, 8, 12, ...steps(16, 256, 8), ...steps(272, 496, 16), ...steps(512, maxBatch, 32)];
  return ascending([...grid.filter((size) => size <= maxBatch), maxBatch]);
}

/** What SGLang derives its captured prefill sizes from. */
export interface SglangPrefillSizesOptions {
  /** The chunked prefill size in tokens; 2048 for MLA models. */
  readonly maxTokens: number;
}

/**
 * Token counts SGLang captures for prefills, ascending. A maximum off the grid is not among them. Errors:
 * ERR_CONFIG_INVALID. Source: SGLang ServerArgs.
 */
export function sglangPrefillSizes(options: SglangPrefillSizesOptions): number[] {
  checkArguments('sglangPrefillSizes', { options: [options, 'object'] });
  const { maxTokens } = options;
  const faults = new Faults();
  faults.integer('maxTokens', maxTokens, 1, MOST);
  faults.throwIfAny('These SGLang capture sizes');
  return [
    ...steps(4, 32, 4),
    ...steps(48, 256, 16),
    ...steps(288, 512, 32),
    ...steps(576, 1024, 64),
    ...steps(1280, 4096, 256),
    ...steps(4608, maxTokens, 512),
  ].filter((size) => size <= maxTokens);
}

/** The limits by which SGLang's runner filters a list of captured batches. */
export interface SglangAlignOptions {
  /** Captured batches in requests, any order. */
  readonly sizes: readonly number[];
  /** Most requests of the pool. */
  readonly poolSize: number;
  /** Tokens of one decode request: 1 + drafts. Default 1. */
  readonly queryLen?: number;
  /** Two-batch overlap: every batch is halved by requests. Default false. */
  readonly twoBatchOverlap?: boolean;
  /** Tensor parallel ranks of the attention. Default 1. */
  readonly attentionTpSize?: number;
  /** Context parallel ranks of the attention. Default 1. */
  readonly attentionCpSize?: number;
  /** The MLP reads a buffer gathered from those ranks. Default false. */
  readonly gathered?: boolean;
  /** Most tokens a rank may dispatch in DeepEP's low latency mode. Default: no such bound. */
  readonly maxDispatchTokens?: number | null;
}

/**
 * The batches of a list that SGLang's runner captures: those whose tokens are a multiple of the overlap and of the ranks
 * that gather, none above the pool, which is rounded up to that multiple and captured where the list goes beyond it.
 * Ascending. Errors: ERR_CONFIG_INVALID, also when no batch is left. Source: SGLang `get_batch_sizes_to_capture`.
 */
export function sglangAlignSizes(options: SglangAlignOptions): number[] {
  checkArguments('sglangAlignSizes', { options: [options, 'object', 'sizes'] });
  checkArguments('sglangAlignSizes', { sizes: [options.sizes, 'list'] });
  const { sizes, poolSize, queryLen = 1, twoBatchOverlap = false, gathered = false } = options;
  const { attentionTpSize = 1, attentionCpSize = 1 } = options;
  const maxDispatchTokens = options.maxDispatchTokens ?? Infinity;
  const faults = new Faults();
  for (const size of sizes) faults.integer('a size', size, 1, MOST);
  faults.check(sizes.length > 0, 'there are no sizes to align');
  faults.integer('poolSize', poolSize, 1, MOST);
  faults.integer('queryLen', queryLen, 1, MOST);
  faults.integer('attentionTpSize', attentionTpSize, 1, 1 << 16);
  faults.integer('attentionCpSize', attentionCpSize, 1, 1 << 16);
  if (maxDispatchTokens !== Infinity) faults.integer('maxDispatchTokens', maxDispatchTokens, 1, MOST);
  faults.throwIfAny('This alignment');

  let unit = twoBatchOverlap ? 2 : 1;
  if (gathered) unit *= attentionTpSize;
  if (unit % attentionCpSize !== 0) unit *= attentionCpSize;
  // With overlap, batches are halved by whole requests, so the tokens per request do not count.
  const width = twoBatchOverlap ? 1 : queryLen;
  const pool = roundUp(poolSize, unit);
  const candidates = Math.max(...sizes) > pool ? [...sizes, pool] : sizes;
  const kept = ascending(candidates).filter(
    (size) => (size * width) % unit === 0 && size <= pool && size * queryLen <= maxDispatchTokens,
  );
  if (kept.length === 0) {
    throw new LockstepError(
      'ERR_CONFIG_INVALID',
      `SGLang captures no batch of ${sizes.join(', ')}: it needs one of at most ${pool} requests whose tokens are a multiple of ${unit}`,
      { sizes: [...sizes], unit, pool },
    );
  }
  return kept;
}
