import { checkArguments, Faults, withoutUndefined } from '../../checks.js';
import { DEFAULT_LIMITS, type DraftTier } from '../../config.js';

export type { DraftTier } from '../../config.js';

import { ENGINE_NAMES, type EngineName, GPU_NAMES, type GpuName } from '../../names.js';
import { checkEngine, type EngineLimits } from '../engine-limits.js';
import type { MegatronDistribution } from '../megatron/ladder.js';
import { type RuleVersion, ruleVersion } from '../rule-versions.js';

/** Which steps an engine runs as graphs, in vLLM's words. */
export type GraphModeName = 'NONE' | 'PIECEWISE' | 'FULL' | 'FULL_DECODE_ONLY' | 'FULL_AND_PIECEWISE';

/** All of them. */
export const GRAPH_MODES: readonly GraphModeName[] = Object.freeze([
  'NONE',
  'PIECEWISE',
  'FULL',
  'FULL_DECODE_ONLY',
  'FULL_AND_PIECEWISE',
]);

/** What attention can do within a full graph: vLLM's `AttentionCGSupport`. */
export type AttentionSupport = 'never' | 'uniform-single' | 'uniform-batch' | 'always';

const SUPPORTS: readonly AttentionSupport[] = ['never', 'uniform-single', 'uniform-batch', 'always'];

/** What moves the tokens of experts between ranks in Megatron's inference: what its training uses, or one of its own two. */
export type MoeDispatcher = 'training' | 'nccl' | 'nvls';

const DISPATCHERS: readonly MoeDispatcher[] = ['training', 'nccl', 'nvls'];

/**
 * An engine as somebody runs it: what decides which graphs it captures. Plain JSON. What is left out has the engine's default.
 * Sizes are in the engine's own unit: tokens for vLLM, requests for the others.
 */
export interface EngineProfile extends Partial<EngineLimits> {
  /** The engine. */
  readonly engine: EngineName;
  /** Version of its rules; see `ENGINE_RULES`. Default the newest, or that of `release`. */
  readonly version?: RuleVersion;
  /** Its release, such as 0.12: it says which version of the rules is meant. */
  readonly release?: string;
  /** vLLM's runner. Default v2; v1 for releases before 0.27. */
  readonly runner?: 'v1' | 'v2';
  /** Its GPU. Default not known. */
  readonly gpu?: GpuName;
  /** Memory of one GPU in GB. Default that of `gpu`, else 80. */
  readonly memoryGb?: number;
  /** Ranks of tensor parallelism. Default 1. */
  readonly tensorParallelSize?: number;
  /** Data-parallel ranks. Default 1. */
  readonly dataParallelSize?: number;
  /** Ranks of pipeline parallelism. Default 1. */
  readonly pipelineParallelSize?: number;
  /** Ranks of context parallelism. Default 1. */
  readonly contextParallelSize?: number;
  /** Ranks that experts are spread over. Default 1. */
  readonly expertParallelSize?: number;
  /** Megatron's dispatcher of experts: `inference_moe_token_dispatcher_type` with `transformer_impl` inference_optimized. Default training. */
  readonly moeDispatcher?: MoeDispatcher;
  /** Tensor parallel ranks of the attention. Default 1. */
  readonly attentionTpSize?: number;
  /** The MLP reads a buffer that those ranks gather (SGLang). Default false. */
  readonly gathered?: boolean;
  /** Token counts are split over the tensor parallel ranks. Default false. */
  readonly sequenceParallel?: boolean;
  /** Drafts by the number of requests, ascending, the last for any number. `queryLen` is then that of the most drafts. */
  readonly draftSchedule?: readonly DraftTier[];
  /**
   * How many of its drafts a request verifies is decided in each step (vLLM's `enable_adaptive_verification`): its graphs of decodes then
   * hold any mix of lengths up to `queryLen`. Default false.
   */
  readonly adaptiveVerification?: boolean;
  /** LoRA adapters that may be active at once; 0: none. Default 0. */
  readonly maxLoras?: number;
  /** Graphs for each number of active adapters (vLLM). Default false: one for any. */
  readonly specializeLoras?: boolean;
  /** Which graphs are asked for. Default the engine's own. */
  readonly graphMode?: GraphModeName;
  /** What the attention backend can have in a full graph. Default what the engine finds. */
  readonly attentionSupport?: AttentionSupport;
  /** Micro-batches of a step; 1: none. Default 1. */
  readonly ubatches?: number;
  /** Run no graph at all. Default false. */
  readonly enforceEager?: boolean;
  /** The user's list. Default: the engine's. */
  readonly sizes?: readonly number[] | null;
  /** The user's largest size, from which the engine makes its list. */
  readonly maxSize?: number | null;
  /** Tokens of graphs for steps with a prefill (SGLang, TensorRT-LLM). Default none. */
  readonly prefillSizes?: readonly number[] | null;
  /** Batches are padded to a captured one. Default true. */
  readonly padding?: boolean;
  /** vLLM's performance mode "interactivity". Default false. */
  readonly interactive?: boolean;
  /** Megatron's number of graphs. Default 16. */
  readonly numGraphs?: number | null;
  /** How Megatron spreads its graphs over the sizes. Default `exponential`. */
  readonly distribution?: MegatronDistribution;
  /** Megatron's `cuda_graph_max_tokens`. Default 512. */
  readonly maxGraphTokens?: number;
  /** Megatron: graphs for prefills of all sizes. Default false. */
  readonly allPrefills?: boolean;
  /** Megatron's prefill requests of a mixed graph; 0 or less: none. Default 16. */
  readonly mixedPrefills?: number;
  /** Megatron: graphs for decodes alone. Default false. */
  readonly decodeOnly?: boolean;
}

/** What has no default of its own. */
type Open =
  | 'release'
  | 'gpu'
  | 'sizes'
  | 'maxSize'
  | 'prefillSizes'
  | 'draftSchedule'
  | 'graphMode'
  | 'runner'
  | 'version'
  | 'attentionSupport';

/** A profile with its defaults. */
export type CompleteProfile = Required<Omit<EngineProfile, Open>> & {
  readonly [K in Open]: NonNullable<EngineProfile[K]> | null;
} & { readonly version: RuleVersion; readonly runner: 'v1' | 'v2' };

/** Memory of a GPU in GB. */
export const GPU_MEMORY_GB: Readonly<Record<GpuName, number>> = Object.freeze({
  a100: 80,
  h100: 80,
  h200: 141,
  b200: 192,
  l40s: 48,
  mi300x: 192,
  mi355x: 288,
});

/** The release from which an engine's newest rules are in force, as numbers. */
const NEWEST_SINCE: Partial<Record<EngineName, readonly [release: string, before: RuleVersion]>> = {
  vllm: ['0.29', '2026-08'],
  sglang: ['0.5.20', '2026-08'],
};

/** The first release of vLLM whose default runner is the second. */
const SECOND_RUNNER = '0.27';

const DEFAULTS = {
  maxNumSeqs: DEFAULT_LIMITS.maxNumSeqs,
  maxNumBatchedTokens: DEFAULT_LIMITS.maxNumBatchedTokens,
  maxModelLen: DEFAULT_LIMITS.maxModelLen,
  queryLen: 1,
  tensorParallelSize: 1,
  dataParallelSize: 1,
  pipelineParallelSize: 1,
  contextParallelSize: 1,
  expertParallelSize: 1,
  moeDispatcher: 'training',
  attentionTpSize: 1,
  gathered: false,
  sequenceParallel: false,
  adaptiveVerification: false,
  maxLoras: 0,
  specializeLoras: false,
  ubatches: 1,
  enforceEager: false,
  padding: true,
  interactive: false,
  numGraphs: 16,
  distribution: 'exponential',
  maxGraphTokens: 512,
  allPrefills: false,
  mixedPrefills: 16,
  decodeOnly: false,
} as const;

const OPEN: readonly Open[] = [
  'release',
  'gpu',
  'sizes',
  'maxSize',
  'prefillSizes',
  'draftSchedule',
  'graphMode',
  'runner',
  'version',
  'attentionSupport',
];

/** Names of everything that a profile may hold. */
export const PROFILE_FIELDS: readonly string[] = Object.freeze([
  'engine',
  'memoryGb',
  ...Object.keys(DEFAULTS),
  ...OPEN,
]);

/** Tokens of a decode that the profile says: with a schedule of drafts those of the most drafts; undefined where it says none. */
function profileQueryLen({ draftSchedule, queryLen }: EngineProfile): number | undefined {
  return draftSchedule ? 1 + Math.max(0, ...draftSchedule.map(({ drafts }) => drafts)) : queryLen;
}

/** The limits that a profile says. */
export function profileLimits(profile: EngineProfile): Partial<EngineLimits> {
  checkArguments('profileLimits', { profile: [profile, 'object'] });
  const { maxNumSeqs, maxNumBatchedTokens, maxModelLen } = profile;
  const limits = { maxNumSeqs, maxNumBatchedTokens, maxModelLen, queryLen: profileQueryLen(profile) };
  return withoutUndefined(limits) as Partial<EngineLimits>;
}

/** A profile with its defaults, frozen. Errors: ERR_CONFIG_INVALID with every fault at once. */
export function completeProfile(given: EngineProfile): CompleteProfile {
  const faults = new Faults();
  faults.names('an engine profile', given, PROFILE_FIELDS);
  faults.throwIfAny('This engine profile');
  checkEngine(given.engine);
  const own = withoutUndefined(given) as EngineProfile;
  const queryLen = profileQueryLen(own);
  const profile = {
    ...Object.fromEntries(OPEN.map((name) => [name, null])),
    ...DEFAULTS,
    memoryGb: own.gpu === undefined ? 80 : GPU_MEMORY_GB[own.gpu],
    ...own,
    ...(queryLen !== undefined && { queryLen }),
    version: ruleVersion(own.engine, own.version ?? versionOf(own.engine, own.release)),
    runner: own.runner ?? (own.release !== undefined && isBefore(own.release, SECOND_RUNNER) ? 'v1' : 'v2'),
  } as CompleteProfile;
  check(profile, faults);
  return Object.freeze(profile);
}

function check(profile: CompleteProfile, faults: Faults): void {
  faults.choice('engine', profile.engine, ENGINE_NAMES);
  faults.choice('runner', profile.runner, ['v1', 'v2']);
  if (profile.gpu !== null) faults.choice('gpu', profile.gpu, GPU_NAMES);
  if (profile.graphMode !== null) faults.choice('graphMode', profile.graphMode, GRAPH_MODES);
  if (profile.attentionSupport !== null) faults.choice('attentionSupport', profile.attentionSupport, SUPPORTS);
  faults.choice('moeDispatcher', profile.moeDispatcher, DISPATCHERS);
  faults.choice('distribution', profile.distribution, ['exponential', 'linear', 'hybrid']);
  faults.number('memoryGb', profile.memoryGb, 0, 1e6);
  faults.integer('maxNumSeqs', profile.maxNumSeqs, 1, 1 << 16);
  faults.integer('maxNumBatchedTokens', profile.maxNumBatchedTokens, 1, 1 << 22);
  faults.integer('maxModelLen', profile.maxModelLen, 1, 1 << 28);
  if (faults.integer('queryLen', profile.queryLen, 1, 1 << 10)) {
    faults.check(
      profile.maxNumBatchedTokens >= profile.queryLen,
      `maxNumBatchedTokens (${profile.maxNumBatchedTokens}) is below queryLen (${profile.queryLen}): not one decode would fit a step`,
      'maxNumBatchedTokens',
      'queryLen',
    );
  }
  for (const name of [
    'tensorParallelSize',
    'dataParallelSize',
    'pipelineParallelSize',
    'contextParallelSize',
    'expertParallelSize',
    'attentionTpSize',
  ] as const) {
    faults.integer(name, profile[name], 1, 1 << 16);
  }
  faults.integer('ubatches', profile.ubatches, 1, 4);
  faults.integer('maxLoras', profile.maxLoras, 0, 1 << 10);
  faults.integer('maxGraphTokens', profile.maxGraphTokens, 1, 1 << 22);
  if (profile.maxSize !== null) faults.integer('maxSize', profile.maxSize, 1, 1 << 20);
  if (profile.numGraphs !== null) faults.integer('numGraphs', profile.numGraphs, -1, 1 << 20);
  for (const name of ['sizes', 'prefillSizes'] as const) {
    const list: unknown = profile[name];
    if (list === null) continue;
    if (!Array.isArray(list)) faults.check(false, `${name} is no list of sizes`, name);
    else for (const [index, size] of list.entries()) faults.integer(`${name}[${index}]`, size, 1, 1 << 22);
  }
  for (const name of [
    'gathered',
    'sequenceParallel',
    'specializeLoras',
    'enforceEager',
    'padding',
    'interactive',
    'allPrefills',
    'decodeOnly',
    'adaptiveVerification',
  ] as const) {
    faults.check(typeof profile[name] === 'boolean', `${name} must be true or false`, name);
  }
  for (const [index, tier] of (profile.draftSchedule ?? []).entries()) {
    faults.integer(`draftSchedule[${index}].drafts`, tier.drafts, 0, (1 << 10) - 1);
    if (tier.maxRequests !== null) faults.integer(`draftSchedule[${index}].maxRequests`, tier.maxRequests, 1, 1 << 16);
  }
  if (profile.adaptiveVerification === true) {
    faults.check(
      profile.queryLen > 1 && (profile.engine !== 'vllm' || profile.runner === 'v2'),
      "adaptiveVerification is of vLLM's runner v2, with drafts: a queryLen of 2 or more",
      'adaptiveVerification',
      'queryLen',
    );
  }
  faults.throwIfAny('This engine profile');
}

/** The version of the rules that a release has. */
function versionOf(engine: EngineName, release: string | undefined): RuleVersion | undefined {
  const change = NEWEST_SINCE[engine];
  if (release === undefined || change === undefined) return undefined;
  return isBefore(release, change[0]) ? change[1] : undefined;
}

/** Whether a release such as 0.12 comes before another. */
export function isBefore(release: string, other: string): boolean {
  const [a, b] = [release, other].map((text) => text.replace(/^v/, '').split('.').map(Number));
  for (let at = 0; at < Math.max(a.length, b.length); at++) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
