/**
 * Names and numbers that the command line's help shows. They are here so that help loads no other room.
 */

/** Share of each card's memory that may be in use where `numBlocks` is `'auto'`. Source: vLLM's default of `gpu_memory_utilization`. */
export const DEFAULT_GPU_MEMORY_UTILIZATION = 0.9;

/** An engine whose ladders and flags are known. */
export type EngineName = 'vllm' | 'sglang' | 'trtllm' | 'megatron' | 'atom';

/** All of them. */
export const ENGINE_NAMES: readonly EngineName[] = Object.freeze(['vllm', 'sglang', 'trtllm', 'megatron', 'atom']);

/** A ladder that has a name: an engine's default sizes, or vLLM's where every size up to 32 is captured. */
export type LadderName = EngineName | 'vllm-interactive';

/** Names `namedLadder` knows. */
export const LADDER_NAMES: readonly LadderName[] = Object.freeze([...ENGINE_NAMES, 'vllm-interactive']);

/** A policy that has a name. */
export type PolicyName = 'lockstep' | 'vllm-v1' | 'vllm-v2' | 'sglang' | 'trtllm' | 'megatron' | 'atom';

/** Names that `namedPolicy` knows, ours first. */
export const POLICY_NAMES: readonly PolicyName[] = Object.freeze([
  'lockstep',
  'vllm-v1',
  'vllm-v2',
  'sglang',
  'trtllm',
  'megatron',
  'atom',
]);

/** A GPU whose figures are known. */
export type GpuName = 'a100' | 'h100' | 'h200' | 'b200' | 'l40s' | 'mi300x' | 'mi355x';

/** All of them. */
export const GPU_NAMES: readonly GpuName[] = Object.freeze([
  'a100',
  'h100',
  'h200',
  'b200',
  'l40s',
  'mi300x',
  'mi355x',
]);

/** A model whose shape is known. */
export type ModelName =
  | 'llama-2-7b'
  | 'llama-2-70b'
  | 'llama-3-8b'
  | 'llama-3-70b'
  | 'llama-3-405b'
  | 'codellama-34b'
  | 'phi-2';

/** All of them. */
export const MODEL_NAMES: readonly ModelName[] = Object.freeze([
  'llama-2-7b',
  'llama-2-70b',
  'llama-3-8b',
  'llama-3-70b',
  'llama-3-405b',
  'codellama-34b',
  'phi-2',
]);

/** Limits that are one number. */
export type NumberLimit =
  | 'maxNumSeqs'
  | 'maxNumBatchedTokens'
  | 'maxModelLen'
  | 'blockSize'
  | 'numBlocks'
  | 'kernelBlockSize'
  | 'queryLen'
  | 'contextParallelSize'
  | 'contextParallelRank'
  | 'interleaveSize';

/** Their values where nothing is said: `DEFAULT_LIMITS`. */
export const LIMIT_DEFAULTS: Readonly<Record<NumberLimit, number>> = Object.freeze({
  maxNumSeqs: 256,
  maxNumBatchedTokens: 8192,
  maxModelLen: 131072,
  blockSize: 16,
  numBlocks: 131072,
  kernelBlockSize: 16,
  queryLen: 1,
  contextParallelSize: 1,
  contextParallelRank: 0,
  interleaveSize: 1,
});

/** Choices of the `lockstep` policy that help shows. */
export interface PolicyDefaults {
  readonly name: PolicyName;
  readonly ubatches: number;
  readonly ubatchThresholdDecode: number;
  readonly ubatchThresholdPrefill: number;
}

/** Their values in the `lockstep` policy. */
export const POLICY_DEFAULTS: PolicyDefaults = Object.freeze({
  name: 'lockstep',
  ubatches: 1,
  ubatchThresholdDecode: 32,
  ubatchThresholdPrefill: 512,
});

/** How a workload is run. */
export interface WorkloadDefaults {
  readonly ranks: number;
  readonly tensorParallelSize: number;
  readonly acceptRate: number;
  readonly seed: number;
  readonly speed: number;
  readonly stepTime: readonly [number, number, number];
}

/** How it is run by default: on two ranks, its steps timed as those of about a 70B model on four GPUs. */
export const WORKLOAD_DEFAULTS: WorkloadDefaults = Object.freeze({
  ranks: 2,
  tensorParallelSize: 1,
  acceptRate: 0.7,
  seed: 0,
  speed: 1,
  stepTime: Object.freeze([8, 0.096, 0] as const),
});

/** Requests of a generated workload when nothing else is said. */
export const GENERATED_REQUESTS = 200;

/** What a plan takes where nothing is said. */
export interface PlanDefaults {
  /** Share of the time that is seen, for the unseen part. */
  readonly split: number;
  /** Every size is a multiple of it. */
  readonly sizeMultiple: number;
  /** Published figures of what a graph takes. */
  readonly captureCost: 'trtllm-deepseek-r1';
}

/** On the command line and on the page. */
export const PLAN_DEFAULTS: PlanDefaults = Object.freeze({
  split: 0.5,
  sizeMultiple: 1,
  captureCost: 'trtllm-deepseek-r1',
});

/** The devices that `openDevice` and `--device` take. */
export const DEVICE_PATTERN: RegExp = /^(?:auto|host|(?:cuda|hip)(?::\d{1,3})?)$/;
/** The same for people who write code. */
export const DEVICE_WORDS = "'auto', 'host', 'cuda', 'hip', or a card of theirs: 'cuda:1'";
/** The same for people at a command line. */
export const TYPED_DEVICES: string = DEVICE_WORDS.replaceAll("'", '');

/** How long an all-gather waits by default. Unit: milliseconds. */
export const DEFAULT_TIMEOUT_MS = 30_000;

/** Rounds of a bench by default. */
export const DEFAULT_ROUNDS = 11;

/** What a document of batches looks like, for messages and help. */
export const BATCH_SHAPE =
  '{"ranks":[{"requests":[{"phase":"decode","queryLen":1,"numComputedTokens":31,"blockIds":[1,2]}]}]}';

/** Version of the lines of a step log. */
export const STEP_LOG_VERSION = 1;

/** Field of the line that ends a step log or a capture log: it holds the number of lines before it. */
export const STEP_LOG_END = 'end';

/** What a plan is best for, the default first. */
export const OBJECTIVE_NAMES = ['robust', 'seen'] as const;

/** Units that a trace's times may have. */
export const TIME_UNIT_NAMES = ['s', 'ms', 'us', 'ns'] as const;
