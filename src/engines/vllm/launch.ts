import { LockstepError, shown } from '../../errors.js';
import { steps } from '../../numbers.js';
import type { CommandLine } from '../command-line.js';
import { sizeOf } from '../command-line.js';
import {
  type AttentionSupport,
  type DraftTier,
  type EngineProfile,
  GRAPH_MODES,
  isBefore,
} from '../profile/engine-profile.js';
import type { LaunchSettings } from '../profile/launch-settings.js';

type Fields = Record<string, unknown>;

/** Graphs that an attention backend can be part of. Source: vLLM `AttentionCGSupport` of each. */
const BACKENDS: Readonly<Record<string, AttentionSupport>> = {
  FLASHINFER: 'uniform-single',
  CUTLASS_MLA: 'uniform-single',
  FLASHMLA: 'uniform-batch',
  FLASHINFER_MLA: 'uniform-batch',
  ROCM_AITER_FA: 'uniform-batch',
  TRITON_ATTN: 'always',
};

/** The release from which `--cuda-graph-sizes` is another name of `--cudagraph-capture-sizes`. */
const SIZES_ARE_A_LIST = '0.11.1';

/**
 * What the flags of an older release meant: one value of `--cuda-graph-sizes` was the last of 1, 2, 4 and multiples of 8. Source: vLLM
 * `_set_cudagraph_sizes` before `max_cudagraph_capture_size`.
 */
export function vllmSizesOf(line: CommandLine, release: string): Pick<EngineProfile, 'sizes'> {
  const values = line.sizes('--cuda-graph-sizes');
  if (values?.length !== 1 || line.has('--cudagraph-capture-sizes') || !isBefore(release, SIZES_ARE_A_LIST)) return {};
  return { sizes: [1, 2, 4, ...steps(8, values[0], 8)] };
}

/** The variables that `vllmEnvironment` reads. */
export const VLLM_VARIABLES: readonly string[] = [
  'VLLM_USE_V2_MODEL_RUNNER',
  'VLLM_ATTENTION_BACKEND',
  'VLLM_ALL2ALL_BACKEND',
];

/**
 * Whether data-parallel ranks exchange tokens by DeepEP's high-throughput kernels: then there is no graph, whatever mode is asked for. The variable counts
 * where no flag says a backend. Source: vLLM's `check_and_update_config` of the CUDA platform.
 */
export function runsDeepEp(line: CommandLine, variables?: ReadonlyMap<string, string>): boolean {
  const backend = line.value('--all2all-backend') ?? variables?.get('VLLM_ALL2ALL_BACKEND');
  return backend === 'deepep_high_throughput' && (line.integer('--data-parallel-size', '-dp') ?? 1) > 1;
}

/** What the environment of a vLLM command says about graphs; its flags come before. */
export function vllmEnvironment(variables: ReadonlyMap<string, string>): Partial<EngineProfile> {
  const runner = variables.get('VLLM_USE_V2_MODEL_RUNNER');
  const backend = variables.get('VLLM_ATTENTION_BACKEND');
  return {
    ...(runner === '0' && { runner: 'v1' as const }),
    ...(runner === '1' && { runner: 'v2' as const }),
    ...(backend !== undefined && supportOf(backend)),
  };
}

function supportOf(backend: string): Partial<EngineProfile> {
  const name = backend.toUpperCase();
  return Object.hasOwn(BACKENDS, name) ? { attentionSupport: BACKENDS[name] } : {};
}

/** What a vLLM command line says about graphs. Errors: ERR_INPUT_INVALID for what vLLM refuses. */
export function vllmLaunch(line: CommandLine): LaunchSettings {
  const config = compilationConfig(line);
  const sizes =
    line.sizes('--cudagraph-capture-sizes') ??
    line.sizes('--cuda-graph-sizes') ??
    sizesOf(config.cudagraph_capture_sizes ?? config.cudagraph_sizes);
  const maxSize =
    line.integer('--max-cudagraph-capture-size') ??
    sizeIn(config.max_cudagraph_capture_size, 'max_cudagraph_capture_size');
  const asked = modeOf(line, config);
  const graphMode = runsDeepEp(line) ? 'NONE' : asked;
  const enforceEager = line.switch('--enforce-eager') === true;
  const drafts = draftsOf(line);
  const loras = line.switch('--enable-lora') === true ? (line.integer('--max-loras') ?? 1) : undefined;
  const passes = fieldsOf(config.pass_config);
  const sequenceParallel = passes.enable_sp === true || passes.enable_sequence_parallelism === true;
  const backend = line.value('--attention-backend');
  const profile: Partial<EngineProfile> = {
    ...parallel(line),
    maxNumSeqs: line.count('--max-num-seqs'),
    maxNumBatchedTokens: line.count('--max-num-batched-tokens'),
    maxModelLen: modelLength(line),
    ...(sizes !== undefined && { sizes }),
    ...(maxSize !== undefined && { maxSize }),
    ...(graphMode !== undefined && { graphMode }),
    ...(enforceEager && { enforceEager }),
    ...(sequenceParallel && { sequenceParallel }),
    ...(loras !== undefined && { maxLoras: loras, specializeLoras: config.cudagraph_specialize_lora !== false }),
    ...(line.value('--performance-mode') === 'interactivity' && { interactive: true }),
    ...(backend !== undefined && supportOf(backend)),
    ...ubatches(line),
    ...drafts,
  };
  const graphs = sizes !== undefined || maxSize !== undefined || enforceEager || graphMode !== undefined;
  return { profile, graphs };
}

function parallel(line: CommandLine): Partial<EngineProfile> {
  return {
    tensorParallelSize: line.integer('--tensor-parallel-size', '-tp'),
    dataParallelSize: line.integer('--data-parallel-size', '-dp'),
    pipelineParallelSize: line.integer('--pipeline-parallel-size', '-pp'),
    contextParallelSize: line.integer('--decode-context-parallel-size', '-dcp'),
  };
}

function ubatches(line: CommandLine): Partial<EngineProfile> {
  const number = line.integer('--ubatch-size');
  if (line.switch('--enable-dbo') === true) return { ubatches: 2 };
  return number !== undefined && number > 1 ? { ubatches: number } : {};
}

/** Drafts of `--speculative-config` or `-sc`, by batch size where it says so. */
function draftsOf(line: CommandLine): Partial<EngineProfile> {
  const config = { ...jsonOf(line.value('--speculative-config', '-sc'), '--speculative-config') };
  for (const [key, value] of line.keys('--speculative-config', '-sc')) config[key] = jsonOrText(value);
  const adaptive = config.enable_adaptive_verification === true && { adaptiveVerification: true };
  const tiers = config.num_speculative_tokens_per_batch_size;
  if (Array.isArray(tiers)) return { draftSchedule: schedule(tiers), ...adaptive };
  const drafts = config.num_speculative_tokens;
  if (drafts === undefined) return { ...adaptive };
  return { queryLen: 1 + sizeOf(String(drafts), 'num_speculative_tokens'), ...adaptive };
}

/** Tiers of `[first, last, drafts]`. */
function schedule(tiers: readonly unknown[]): DraftTier[] {
  return tiers.map((tier, index) => {
    const [, last, drafts] = Array.isArray(tier) ? (tier as unknown[]) : [];
    if (typeof last !== 'number' || typeof drafts !== 'number') {
      throw refused(`num_speculative_tokens_per_batch_size has ${shown(tier)}; each is [first, last, drafts]`);
    }
    return { maxRequests: index + 1 === tiers.length ? null : last, drafts };
  });
}

/** The mode that is asked for, by name or through what implies it. */
function modeOf(line: CommandLine, config: Fields): EngineProfile['graphMode'] {
  const level = line.value('-O', '--optimization-level') ?? attachedLevel(line);
  const named = config.cudagraph_mode;
  if (named !== undefined && named !== null) {
    const mode = String(named)
      .toUpperCase()
      .replace(/^CUDAGRAPHMODE\./, '');
    const known = GRAPH_MODES.find((one) => one === mode);
    if (known === undefined) throw refused(`cudagraph_mode is ${shown(named)}; it must be ${GRAPH_MODES.join(', ')}`);
    return emptySplits(config) ? withoutPieces(known) : known;
  }
  if (config.use_cudagraph === false) return 'NONE';
  if (config.full_cuda_graph === true) return 'FULL';
  const compilation = config.mode ?? config.level;
  if (compilation !== undefined && ![3, '3', 'VLLM_COMPILE'].includes(compilation as string)) return 'NONE';
  if (level === '0') return 'NONE';
  if (level === '1') return 'PIECEWISE';
  if (line.value('--runner') === 'pooling' || line.value('--task') === 'embed') return 'PIECEWISE';
  return emptySplits(config) ? 'FULL' : undefined;
}

function emptySplits({ splitting_ops: splits }: Fields): boolean {
  return Array.isArray(splits) && splits.length === 0;
}

function withoutPieces(mode: NonNullable<EngineProfile['graphMode']>): EngineProfile['graphMode'] {
  return mode === 'PIECEWISE' ? 'NONE' : mode === 'FULL_AND_PIECEWISE' ? 'FULL' : mode;
}

/** `-O0` to `-O3`. */
function attachedLevel(line: CommandLine): string | undefined {
  return ['0', '1', '2', '3'].find((level) => line.has(`-O${level}`));
}

/** `--compilation-config`, `-cc` or `-O` with JSON, and keys of it that are given one by one. */
function compilationConfig(line: CommandLine): Fields {
  const names = ['--compilation-config', '-cc', '-O'] as const;
  const config: Fields = {};
  for (const name of names) {
    const text = line.value(name);
    // A bare number is a level.
    if (text !== undefined && !/^\d+$/.test(text)) Object.assign(config, jsonOf(text, name));
    for (const [key, value] of line.keys(name)) setKey(config, key, jsonOrText(value));
  }
  return config;
}

/** Sets `a.b` within nested objects. */
function setKey(config: Fields, key: string, value: unknown): void {
  const path = key.replaceAll('-', '_').split('.');
  const last = path.pop() as string;
  let at = config;
  for (const name of path) {
    const inner = { ...fieldsOf(at[name]) };
    if (name === '__proto__') throw refused(`${shown(key)} is no key`);
    at[name] = inner;
    at = inner;
  }
  if (last !== '__proto__') at[last.replace(/\+$/, '')] = value;
}

/** A value given to one key: JSON where it is, else the text. */
function jsonOrText(text: string | undefined): unknown {
  if (text === undefined) return true;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function jsonOf(text: string | undefined, where: string): Fields {
  if (text === undefined) return {};
  try {
    return fieldsOf(JSON.parse(text));
  } catch {
    throw refused(`${where} is ${shown(text)}; it must be JSON`);
  }
}

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

function sizesOf(value: unknown): number[] | undefined {
  if (value === undefined || value === null) return undefined;
  const list = Array.isArray(value) ? value : [value];
  return list.map((size) => sizeOf(String(size), 'cudagraph_capture_sizes'));
}

function sizeIn(value: unknown, name: string): number | undefined {
  return value === undefined || value === null ? undefined : sizeOf(String(value), name);
}

/** A length that is "auto" or -1 is not known here. */
function modelLength(line: CommandLine): number | undefined {
  const text = line.value('--max-model-len');
  return text === undefined || text === 'auto' || text === '-1' ? undefined : line.count('--max-model-len');
}

function refused(fault: string): LockstepError {
  return new LockstepError('ERR_INPUT_INVALID', `vllm would refuse these flags: ${fault}`, { engine: 'vllm', fault });
}
