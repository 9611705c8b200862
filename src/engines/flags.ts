import { Faults, withoutUndefined } from '../config.js';
import { LockstepError } from '../errors.js';
import type { EngineName } from '../names.js';
import { ascending, gcd, roundUp } from '../numbers.js';
import { atomLaunch } from './atom/launch.js';
import { CommandLine } from './command-line.js';
import { checkEngine, checkLimits, type EngineLimits, inTokens } from './engine-limits.js';
import { emitMegatron } from './megatron/flags.js';
import { megatronLaunch, NUM_GRAPHS } from './megatron/launch.js';
import { type EngineCapture, engineCapture } from './profile/engine-capture.js';
import type { EngineProfile } from './profile/engine-profile.js';
import type { LaunchSettings } from './profile/launch-settings.js';
import { sglangLaunch } from './sglang/launch.js';
import { trtllmSettings } from './trtllm/config.js';
import { vllmLaunch } from './vllm/launch.js';

/** A ladder in the form of an engine's own settings. */
export interface EmittedFlags {
  /** Flags of its command line; for TensorRT-LLM lines of its YAML. */
  readonly flags: string;
  /** What the engine captures with these settings, in tokens, ascending; for Megatron its decode graphs. */
  readonly sizes: number[];
  /** Whether those are the ladder's sizes. */
  readonly exact: boolean;
  /** Caveats about the flags. */
  readonly note?: string;
}

/** What is emitted besides a ladder of decodes. */
export interface EmitOptions {
  /** Tokens of graphs for steps with a prefill: vLLM has one list for both, SGLang and TensorRT-LLM one of their own. Default none. */
  readonly prefillSizes?: readonly number[];
  /** What else is known of the engine, such as its micro-batches. */
  readonly profile?: Omit<EngineProfile, 'engine'>;
}

/** What is known of a configuration besides its text. */
export interface ParseOptions {
  /** The path of a server's settings within YAML that holds several: keys with points between them. */
  readonly at?: string;
  /** What else is known of the engine. What the text says comes before it. */
  readonly profile?: Omit<EngineProfile, 'engine'>;
}

/** Sizes a note lists. */
const NOTED_SIZES = 8;

/** How one engine's sizes are written as flags. */
interface Dialect {
  /** `requests`: decode batches, ascending; `prefills`: tokens, ascending. */
  readonly emit: (requests: readonly number[], limits: Required<EngineLimits>, prefills: readonly number[]) => string;
  /** What to write where a text says nothing of sizes. */
  readonly expected: string;
  readonly note?: string;
}

const DIALECTS: Readonly<Record<EngineName, Dialect>> = {
  vllm: {
    emit: (requests, { queryLen }, prefills) =>
      `--cudagraph-capture-sizes ${ascending([...inTokens(requests, queryLen), ...prefills]).join(' ')}`,
    expected: '--cudagraph-capture-sizes 1 2 4 or --max-cudagraph-capture-size 512',
  },
  sglang: {
    emit: (requests, _, prefills) =>
      `--cuda-graph-bs-decode ${requests.join(' ')}${prefills.length > 0 ? ` --cuda-graph-bs-prefill ${prefills.join(' ')}` : ''}`,
    expected: '--cuda-graph-bs-decode 1 2 4 or --cuda-graph-max-bs-decode 256',
    note: 'versions before PR 23906 call the flag --cuda-graph-bs',
  },
  trtllm: {
    emit: (requests, _, prefills) =>
      [
        `cuda_graph_config: {batch_sizes: [${requests.join(', ')}], enable_padding: true}`,
        ...(prefills.length > 0
          ? [`torch_compile_config: {enable_piecewise_cuda_graph: true, capture_num_tokens: [${prefills.join(', ')}]}`]
          : []),
      ].join('\n'),
    expected: 'cuda_graph_config: {batch_sizes: [1, 2, 4]}',
  },
  megatron: {
    emit: emitMegatron,
    expected: `${NUM_GRAPHS} 16`,
    note: 'Megatron takes no list: this is the number of graphs, at most as many as the ladder has, whose padding is nearest to the ladder',
  },
  atom: {
    emit: (requests) => `--cudagraph-capture-sizes "[${requests.join(',')}]"`,
    expected: '--cudagraph-capture-sizes "[1,2,4]"',
  },
};

/**
 * A decode ladder in tokens as one engine's flags, with the sizes of steps that hold a prefill where it has flags for them. As in a capture plan, sizes
 * are rounded up to whole requests and none is above `maxNumSeqs` of them. Errors: ERR_CONFIG_INVALID, also for a ladder none of whose sizes a
 * step can have.
 */
export function emitFlags(
  engine: EngineName,
  ladder: readonly number[],
  limits: EngineLimits,
  options: EmitOptions = {},
): EmittedFlags {
  checkEngine(engine);
  const complete = checkLimits(limits);
  const { maxNumSeqs, queryLen } = complete;
  const { prefillSizes = [], profile = {} } = options;
  const faults = new Faults();
  faults.check(ladder.length > 0, 'there are no sizes');
  for (const size of ladder) faults.integer('a size', size, 1, 2 ** 31 - 1);
  for (const size of prefillSizes) faults.integer('a size of prefills', size, 1, 2 ** 31 - 1);
  faults.throwIfAny('This ladder');
  const requests = ascending(ladder.map((size) => Math.min(Math.ceil(size / queryLen), maxNumSeqs)));
  const wanted = inTokens(requests, queryLen);
  faults.check(
    wanted[0] <= complete.maxNumBatchedTokens,
    `its smallest size is ${wanted[0]} tokens, and no step has more than maxNumBatchedTokens (${complete.maxNumBatchedTokens})`,
    'maxNumBatchedTokens',
  );
  faults.throwIfAny('This ladder');
  const prefills = ascending(prefillSizes).filter((size) => size <= complete.maxNumBatchedTokens);
  const { emit, note } = DIALECTS[engine];
  const flags = emit(engine === 'sglang' ? aligned(requests, complete, profile) : requests, complete, prefills);
  const sizes = parseFlags(engine, flags, complete, { profile });
  const both = engine === 'vllm' ? ascending([...wanted, ...prefills]) : wanted;
  const difference = differenceOf(sizes, both);
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
 * others; for TensorRT-LLM YAML. In tokens, ascending; empty if graphs are off. Limits that are given come before those in the text. Errors:
 * ERR_INPUT_INVALID for text without such settings, or with settings that the engine refuses; ERR_CONFIG_INVALID.
 */
export function parseFlags(
  engine: EngineName,
  text: string,
  limits: Partial<EngineLimits> = {},
  options: ParseOptions = {},
): number[] {
  return [...capturedBy(engine, text, limits, options).sizes];
}

/** The same, with every graph. */
export function capturedBy(
  engine: EngineName,
  text: string,
  limits: Partial<EngineLimits> = {},
  options: ParseOptions = {},
): EngineCapture {
  checkEngine(engine);
  const { profile, graphs } = readSettings(engine, text, options.at);
  if (!graphs) throw absent(engine);
  const { maxNumSeqs, maxNumBatchedTokens, queryLen, maxModelLen } = limits;
  const own = withoutUndefined({ maxNumSeqs, maxNumBatchedTokens, queryLen, maxModelLen });
  const said = withoutUndefined(profile) as Partial<EngineProfile>;
  // A list takes the place of a maximum, and a maximum that of a list.
  const { sizes: _, maxSize: __, ...others } = options.profile ?? {};
  const known = said.sizes === undefined && said.maxSize === undefined ? options.profile : others;
  return engineCapture({ ...known, ...said, ...own, engine });
}

/** What an engine's flags or YAML say. Errors: ERR_INPUT_INVALID. */
export function readSettings(engine: EngineName, text: string, at?: string): LaunchSettings {
  if (engine !== 'trtllm') return LAUNCHES[engine](new CommandLine(text));
  const settings = trtllmSettings(text, at);
  if (!settings.graphs) {
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      'This TensorRT-LLM configuration cannot be read: there is no cuda_graph_config: expected YAML like cuda_graph_config: {batch_sizes: [1, 2, 4], enable_padding: true}',
      { engine },
    );
  }
  return settings;
}

/** What each engine's command line says. */
export const LAUNCHES: Readonly<Record<Exclude<EngineName, 'trtllm'>, (line: CommandLine) => LaunchSettings>> = {
  vllm: vllmLaunch,
  sglang: sglangLaunch,
  megatron: megatronLaunch,
  atom: atomLaunch,
};

/** Batches rounded up to what SGLang can capture: halves of overlap, and shares of the ranks that gather. */
function aligned(
  requests: readonly number[],
  { maxNumSeqs, queryLen }: EngineLimits,
  { ubatches = 1, gathered = false, attentionTpSize = 1, contextParallelSize = 1 }: Partial<EngineProfile>,
): number[] {
  let unit = (ubatches > 1 ? 2 : 1) * (gathered ? attentionTpSize : 1);
  if (unit % contextParallelSize !== 0) unit *= contextParallelSize;
  const width = ubatches > 1 ? 1 : queryLen;
  const step = unit / gcd(unit, width);
  const most = roundUp(maxNumSeqs, unit);
  return ascending(requests.map((count) => Math.min(roundUp(count, step), most)));
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

function absent(engine: EngineName): LockstepError {
  const { expected } = DIALECTS[engine];
  return new LockstepError(
    'ERR_INPUT_INVALID',
    `This says nothing about what ${engine} captures: expected ${expected}`,
    { engine, expected },
  );
}
