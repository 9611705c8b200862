import { LockstepError, shown } from '../../errors.js';
import type { DraftTier, EngineProfile } from '../profile/engine-profile.js';
import { readYaml } from '../yaml.js';

type Fields = Readonly<Record<string, unknown>>;

/** What a configuration of TensorRT-LLM says, and what of it was not understood. */
export interface TrtllmSettings {
  readonly profile: Partial<EngineProfile>;
  /** Whether it says anything about graphs of decodes. */
  readonly graphs: boolean;
  /** Whether each tensor parallel rank has requests of its own. */
  readonly attentionDp: boolean;
  /** Keys that decide nothing here. */
  readonly unread: readonly string[];
  /** Keys that are not read, and may decide which graphs there are. */
  readonly unknown: readonly string[];
}

const NAME = 'cuda_graph_config';
const KEYS = ['batch_sizes', 'max_batch_size', 'enable_padding', 'mode', 'num_tokens', 'max_num_token'];
/** Keys of a server that are read here. */
const READ = [
  NAME,
  'max_batch_size',
  'max_num_tokens',
  'max_seq_len',
  'tensor_parallel_size',
  'pipeline_parallel_size',
  'context_parallel_size',
  'moe_expert_parallel_size',
  'enable_attention_dp',
  'speculative_config',
  'torch_compile_config',
  'disable_overlap_scheduler',
];
/** Words in the names of keys that may decide which graphs there are. */
const MATTERS = /graph|compile|attn|attention|draft|spec|batch|padding|moe|lora|token|seq|beam|backend_config/;
/** What older releases had in place of `cuda_graph_config`, at the top or in `pytorch_backend_config`. */
const OLD = 'pytorch_backend_config';
const OLD_KEYS = [
  'use_cuda_graph',
  'cuda_graph_batch_sizes',
  'cuda_graph_max_batch_size',
  'cuda_graph_padding_enabled',
];

/** Most levels that are searched for a server's settings. */
const MOST_LEVELS = 64;

/**
 * The settings of a YAML or JSON configuration: those of the mapping that holds `cuda_graph_config`, wherever it stands, or of the one at
 * `at`, keys with points between them. Errors: ERR_INPUT_INVALID for text that is no YAML, with several such mappings, and for keys and values that
 * TensorRT-LLM refuses.
 */
export function trtllmSettings(text: string, at?: string): TrtllmSettings {
  return settingsIn(readYaml(text), at);
}

/** The same of a document that is read already. */
export function settingsIn(document: unknown, at?: string): TrtllmSettings {
  const places = at === undefined ? placesOf(document, '', 0) : [[at, valueAt(document, at)] as const];
  if (places.length > 1) {
    const names = places.map(([path]) => (path === '' ? 'the top' : path));
    throw invalid(`${NAME} stands in ${names.join(' and in ')}; say which one is meant by its path`, { places: names });
  }
  const found = places[0]?.[1] ?? document;
  const fields = isFields(found) ? withOldKeys(serverAt(document, at, found)) : found;
  if (!isFields(fields)) {
    throw invalid(`there is no ${NAME}: expected YAML like ${NAME}: {batch_sizes: [1, 2, 4], enable_padding: true}`);
  }
  const unread = Object.keys(fields).filter((key) => !READ.includes(key));
  return {
    profile: { ...serverProfile(fields), ...graphProfile(fields) },
    graphs: Object.hasOwn(fields, NAME),
    attentionDp: fields.enable_attention_dp === true,
    unread: unread.filter((key) => !MATTERS.test(key)),
    unknown: unread.filter((key) => MATTERS.test(key)),
  };
}

/** The server's settings, where a path leads to its `cuda_graph_config` itself. */
function serverAt(document: unknown, at: string | undefined, found: Fields): Fields {
  const path = at?.split('.') ?? [];
  return path.pop() === NAME ? valueAt(document, path.join('.')) : found;
}

/** The settings with what their old keys say as `cuda_graph_config`. Source: TensorRT-LLM `PyTorchConfig`, before `CudaGraphConfig`. */
function withOldKeys(fields: Fields): Fields {
  const inner = isFields(fields[OLD]) ? fields[OLD] : {};
  const given = { ...inner, ...fields };
  if (Object.hasOwn(fields, NAME) || !OLD_KEYS.some((key) => Object.hasOwn(given, key))) return fields;
  const others = Object.entries(fields).filter(([key]) => !OLD_KEYS.includes(key) && key !== OLD);
  const rest = Object.entries(inner).filter(([key]) => !OLD_KEYS.includes(key));
  const config = {
    batch_sizes: given.cuda_graph_batch_sizes,
    max_batch_size: given.cuda_graph_max_batch_size,
    enable_padding: given.cuda_graph_padding_enabled,
  };
  return { ...Object.fromEntries([...rest, ...others]), [NAME]: given.use_cuda_graph === false ? null : config };
}

/** Every mapping that holds the settings of graphs, with its path. */
function placesOf(value: unknown, path: string, level: number): (readonly [string, Fields])[] {
  if (level > MOST_LEVELS) return [];
  const children = Array.isArray(value) ? value.map((item, index) => [String(index), item] as const) : [];
  if (!isFields(value)) return children.flatMap(([key, item]) => placesOf(item, joined(path, key), level + 1));
  const own = Object.hasOwn(value, NAME) ? [[path, value] as const] : [];
  const inner = Object.entries(value).filter(([key]) => key !== NAME);
  return [...own, ...inner.flatMap(([key, item]) => placesOf(item, joined(path, key), level + 1))];
}

function joined(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}

function valueAt(document: unknown, path: string): Fields {
  let value = document;
  for (const key of path === '' ? [] : path.split('.')) {
    value = typeof value === 'object' && value !== null ? (value as Fields)[key] : undefined;
  }
  if (isFields(value)) return value;
  throw invalid(`there is nothing at ${path}`);
}

/** What `cuda_graph_config` says. Null, or none where the key stands, turns graphs off. */
function graphProfile(fields: Fields): Partial<EngineProfile> {
  if (!Object.hasOwn(fields, NAME)) return {};
  const config = fields[NAME];
  if (config === null) return { graphMode: 'NONE' };
  if (!isFields(config)) throw invalid(`${NAME} is ${shown(config)}; it must be a mapping, or null`);
  const unknown = Object.keys(config).find((key) => !KEYS.includes(key));
  if (unknown !== undefined) throw invalid(`${NAME} has no ${shown(unknown)}; it has ${KEYS.join(', ')}`);
  if (![undefined, null, 'decode'].includes(config.mode as string)) {
    throw invalid(`mode is ${shown(config.mode)}; decode sizes are those of mode decode`);
  }
  const sizes = list(config.batch_sizes, 'batch_sizes');
  const given = config.max_batch_size ?? 0;
  const most = given === 0 ? undefined : count(given, 'max_batch_size');
  if (sizes !== undefined && sizes.length > 0 && most !== undefined && most !== Math.max(...sizes)) {
    throw invalid(
      `max_batch_size is ${most} and the largest of batch_sizes ${Math.max(...sizes)}; give one of the two`,
    );
  }
  const padding = config.enable_padding ?? false;
  if (typeof padding !== 'boolean') {
    throw invalid(`enable_padding is ${shown(padding)}; it must be true or false`);
  }
  return {
    padding,
    ...(sizes !== undefined && sizes.length > 0 ? { sizes } : most !== undefined && { maxSize: most }),
  };
}

/** What the rest of a server's settings says. */
function serverProfile(fields: Fields): Partial<EngineProfile> {
  const of = (key: string): number | undefined => (fields[key] === undefined ? undefined : count(fields[key], key));
  const named: Partial<EngineProfile> = {
    maxNumSeqs: of('max_batch_size'),
    maxNumBatchedTokens: of('max_num_tokens'),
    maxModelLen: of('max_seq_len'),
    tensorParallelSize: of('tensor_parallel_size'),
    pipelineParallelSize: of('pipeline_parallel_size'),
    contextParallelSize: of('context_parallel_size'),
    expertParallelSize: of('moe_expert_parallel_size'),
  };
  const pieces = isFields(fields.torch_compile_config) ? fields.torch_compile_config : {};
  const tokens = list(pieces.capture_num_tokens, 'capture_num_tokens');
  return {
    ...Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined)),
    ...(pieces.enable_piecewise_cuda_graph === true && tokens !== undefined && { prefillSizes: tokens }),
    ...drafts(fields.speculative_config),
  };
}

/** `max_draft_len`, or `draft_len_schedule`: drafts by the largest batch that has them, ascending; none beyond the last. */
function drafts(config: unknown): Partial<EngineProfile> {
  if (!isFields(config)) return {};
  const schedule = config.draft_len_schedule;
  if (isFields(schedule)) {
    const tiers = Object.entries(schedule).map(
      ([most, length]): DraftTier => ({
        maxRequests: count(Number(most), 'draft_len_schedule'),
        drafts: length === 0 ? 0 : count(length, 'draft_len_schedule'),
      }),
    );
    tiers.sort((a, b) => Number(a.maxRequests) - Number(b.maxRequests));
    return { draftSchedule: [...tiers, { maxRequests: null, drafts: 0 }] };
  }
  const most = config.max_draft_len ?? config.num_nextn_predict_layers;
  return most === undefined || most === null || most === 0 ? {} : { queryLen: 1 + count(most, 'max_draft_len') };
}

function list(value: unknown, name: string): number[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) throw invalid(`${name} is ${shown(value)}; it must be a list`);
  return value.map((item) => count(item, name));
}

function count(value: unknown, name: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value > 0 && value < 2 ** 31) return value;
  throw invalid(`${name} has ${shown(value)}; sizes are positive integers`);
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(fault: string, details: Record<string, unknown> = {}): LockstepError {
  return new LockstepError('ERR_INPUT_INVALID', `This TensorRT-LLM configuration cannot be read: ${fault}`, {
    fault,
    ...details,
  });
}
