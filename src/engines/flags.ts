import { Faults } from '../config.js';
import { LockstepError, shown } from '../errors.js';
import type { EngineName } from '../names.js';
import { ascending } from '../numbers.js';
import { atomCaptureSizes } from './atom/ladder.js';
import { CommandLine, sizeOf } from './command-line.js';
import { checkEngine, checkLimits, type EngineLimits, inTokens } from './engine-ladder.js';
import { emitMegatron, parseMegatron } from './megatron/flags.js';
import { sglangAlignSizes, sglangDecodeSizes } from './sglang/ladder.js';
import { trtllmGraphConfig } from './trtllm/config.js';
import { trtllmDecodeSizes, trtllmEngineFilter } from './trtllm/ladder.js';
import { vllmCaptureSizes } from './vllm/ladder.js';

/** A ladder in the form of an engine's own settings. */
export interface EmittedFlags {
  /** Flags of its command line; for TensorRT-LLM a line of its YAML. */
  readonly flags: string;
  /** What the engine captures with these settings, in tokens, ascending; for Megatron its decode graphs. */
  readonly sizes: number[];
  /** Whether those are the ladder's sizes. */
  readonly exact: boolean;
  /** Caveats about the flags. */
  readonly note?: string;
}

/** Sizes a note lists. */
const NOTED_SIZES = 8;

/** How one engine's sizes are written as flags, and how the engine reads them. */
interface Dialect {
  /** `requests`: decode batches, ascending. */
  readonly emit: (requests: readonly number[], limits: Required<EngineLimits>) => string;
  /** Tokens, ascending. */
  readonly parse: (text: string, limits: Required<EngineLimits>) => number[];
  readonly note?: string;
}

const DIALECTS: Readonly<Record<EngineName, Dialect>> = {
  vllm: {
    emit: (requests, { queryLen }) => `--cudagraph-capture-sizes ${inTokens(requests, queryLen).join(' ')}`,
    parse: parseVllm,
  },
  sglang: {
    emit: (requests) => `--cuda-graph-bs-decode ${requests.join(' ')}`,
    parse: parseSglang,
    note: 'versions before PR 23906 call the flag --cuda-graph-bs',
  },
  trtllm: {
    emit: (requests) => `cuda_graph_config: {batch_sizes: [${requests.join(', ')}], enable_padding: true}`,
    parse: parseTrtllm,
  },
  megatron: {
    emit: emitMegatron,
    parse: parseMegatron,
    note: 'Megatron takes no list: this is the number of graphs, at most as many as the ladder has, whose padding is nearest to the ladder',
  },
  atom: {
    emit: (requests) => `--cudagraph-capture-sizes "[${requests.join(',')}]"`,
    parse: parseAtom,
  },
};

/**
 * A decode ladder in tokens as one engine's flags. As in a capture plan, sizes are rounded up to whole requests and none is
 * above `maxNumSeqs` of them. Errors: ERR_CONFIG_INVALID, also for a ladder none of whose sizes a step can have.
 */
export function emitFlags(engine: EngineName, ladder: readonly number[], limits: EngineLimits): EmittedFlags {
  checkEngine(engine);
  const complete = checkLimits(limits);
  const { maxNumSeqs, queryLen } = complete;
  const faults = new Faults();
  faults.check(ladder.length > 0, 'there are no sizes');
  for (const size of ladder) faults.integer('a size', size, 1, 2 ** 31 - 1);
  faults.throwIfAny('This ladder');
  const requests = ascending(ladder.map((size) => Math.min(Math.ceil(size / queryLen), maxNumSeqs)));
  const wanted = inTokens(requests, queryLen);
  faults.check(
    wanted[0] <= complete.maxNumBatchedTokens,
    `its smallest size is ${wanted[0]} tokens, and no step has more than maxNumBatchedTokens (${complete.maxNumBatchedTokens})`,
    'maxNumBatchedTokens',
  );
  faults.throwIfAny('This ladder');
  const { emit, parse, note } = DIALECTS[engine];
  const flags = emit(requests, complete);
  const sizes = parse(flags, complete);
  const difference = differenceOf(sizes, wanted);
  const notes = [note, difference].filter((text) => text !== undefined);
  return {
    flags,
    sizes,
    exact: difference === undefined,
    ...(notes.length > 0 && { note: notes.join('; ') }),
  };
}

/**
 * What an engine captures with the settings in `text` (for Megatron its decode graphs): flags of its command line, alone or among
 * others; for TensorRT-LLM YAML. In tokens, ascending; empty if graphs are off. Errors: ERR_INPUT_INVALID for text without
 * such settings, or with settings that the engine refuses; ERR_CONFIG_INVALID.
 */
export function parseFlags(engine: EngineName, text: string, limits: EngineLimits): number[] {
  checkEngine(engine);
  return DIALECTS[engine].parse(text, checkLimits(limits));
}

function parseVllm(text: string, limits: Required<EngineLimits>): number[] {
  const line = new CommandLine(text);
  if (line.has('--enforce-eager')) return [];
  const { cudagraph_capture_sizes: inConfig, max_cudagraph_capture_size: mostInConfig } = compilationConfig(line);
  const sizes = line.sizes('--cudagraph-capture-sizes') ?? inConfig;
  const maxSize = line.integer('--max-cudagraph-capture-size') ?? mostInConfig;
  if (sizes === undefined) {
    if (maxSize === undefined)
      throw absent('vllm', '--cudagraph-capture-sizes 1 2 4 or --max-cudagraph-capture-size 512');
    const interactive = line.value('--performance-mode') === 'interactivity';
    return vllmCaptureSizes({ ...limits, maxSize, interactive });
  }
  const kept = ascending(sizes).filter((size) => size <= limits.maxNumBatchedTokens);
  if (kept.length === 0) {
    throw refused('vllm', `no capture size is left that fits maxNumBatchedTokens (${limits.maxNumBatchedTokens})`);
  }
  if (maxSize !== undefined && maxSize !== kept.at(-1)) {
    throw refused(
      'vllm',
      `the largest capture size is ${kept.at(-1)} and max_cudagraph_capture_size ${maxSize}; give one of the two`,
    );
  }
  return kept;
}

interface VllmCompilationConfig {
  readonly cudagraph_capture_sizes?: number[];
  readonly max_cudagraph_capture_size?: number;
}

function compilationConfig(line: CommandLine): VllmCompilationConfig {
  const text = line.value('--compilation-config', '-cc');
  // A bare number is a level.
  if (text === undefined || /^\d+$/.test(text)) return {};
  try {
    const config = JSON.parse(text) as VllmCompilationConfig;
    const { cudagraph_capture_sizes: sizes, max_cudagraph_capture_size: most } = config;
    return {
      cudagraph_capture_sizes: sizes?.map((size) => sizeOf(String(size), 'cudagraph_capture_sizes')),
      max_cudagraph_capture_size: most === undefined ? undefined : sizeOf(String(most), 'max_cudagraph_capture_size'),
    };
  } catch (error) {
    if (error instanceof LockstepError) throw error;
    throw refused('vllm', `--compilation-config is ${shown(text)}; it must be JSON`);
  }
}

function parseSglang(text: string, { maxNumSeqs, queryLen }: Required<EngineLimits>): number[] {
  const line = new CommandLine(text);
  if (line.has('--disable-cuda-graph') || line.value('--cuda-graph-backend-decode') === 'disabled') return [];
  const maxBatch = line.integer('--cuda-graph-max-bs-decode', '--cuda-graph-max-bs');
  const padding = !line.has('--disable-cuda-graph-padding');
  const sizes =
    line.sizes('--cuda-graph-bs-decode', '--cuda-graph-bs') ??
    (maxBatch === undefined ? undefined : sglangDecodeSizes({ maxBatch, speculative: queryLen > 1, padding }));
  if (sizes === undefined) throw absent('sglang', '--cuda-graph-bs-decode 1 2 4 or --cuda-graph-max-bs-decode 256');
  return inTokens(sglangAlignSizes({ sizes, poolSize: maxNumSeqs, queryLen }), queryLen);
}

function parseTrtllm(text: string, { maxNumSeqs, maxNumBatchedTokens, queryLen }: Required<EngineLimits>): number[] {
  const config = trtllmGraphConfig(text);
  if (config === null) return [];
  const { batchSizes, maxBatch, padding } = config;
  const sizes = batchSizes?.length ? batchSizes : trtllmDecodeSizes({ maxBatch, padding });
  const kept = trtllmEngineFilter({
    sizes,
    maxBatch: maxNumSeqs,
    maxNumTokens: maxNumBatchedTokens,
    tokensPerRequest: queryLen,
    padding,
  });
  return inTokens(kept, queryLen);
}

function parseAtom(text: string, limits: Required<EngineLimits>): number[] {
  const line = new CommandLine(text);
  if (line.has('--enforce-eager') || line.value('--level') === '0') return [];
  const list = line.value('--cudagraph-capture-sizes');
  if (list === undefined) throw absent('atom', '--cudagraph-capture-sizes "[1,2,4]"');
  const items = /^\[(.*)\]$/.exec(list.trim())?.[1].trim();
  if (items === undefined)
    throw refused('atom', `--cudagraph-capture-sizes is ${shown(list)}; it must be a list like "[1,2,4]"`);
  if (items === '') return [];
  const sizes = items.split(',').map((item) => sizeOf(item.trim(), '--cudagraph-capture-sizes'));
  return inTokens(atomCaptureSizes({ ...limits, sizes }), limits.queryLen);
}

/** How two ladders differ; undefined if they are equal. */
function differenceOf(sizes: readonly number[], wanted: readonly number[]): string | undefined {
  const missing = wanted.filter((size) => !sizes.includes(size));
  const others = sizes.filter((size) => !wanted.includes(size));
  const parts = [
    missing.length > 0 && `does not capture ${listed(missing)}`,
    others.length > 0 && `captures ${listed(others)} besides`,
  ].filter((part) => part !== false);
  return parts.length > 0 ? `it ${parts.join(' and ')}` : undefined;
}

/** Sizes as a note shows them: the first few, and how many there are. */
function listed(sizes: readonly number[]): string {
  const shownSizes = sizes.slice(0, NOTED_SIZES).join(', ');
  return sizes.length > NOTED_SIZES ? `${shownSizes}, … (${sizes.length} sizes)` : shownSizes;
}

function absent(engine: EngineName, expected: string): LockstepError {
  return new LockstepError(
    'ERR_INPUT_INVALID',
    `This says nothing about what ${engine} captures: expected ${expected}`,
    {
      engine,
      expected,
    },
  );
}

function refused(engine: EngineName, fault: string): LockstepError {
  return new LockstepError('ERR_INPUT_INVALID', `${engine} would refuse these flags: ${fault}`, { engine, fault });
}
