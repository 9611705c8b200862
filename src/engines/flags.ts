import { Faults, withoutUndefined } from '../checks.js';
import { type DraftTier, draftQueryLen } from '../config.js';
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
import { settingsIn, trtllmSettings } from './trtllm/config.js';
import { trtllmDrafts, trtllmSizes, yamlLines } from './trtllm/emit.js';
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
  /** A schedule of drafts, as tiers from the first number of requests to the last. Absent where the engine takes none. */
  readonly drafts?: (tiers: readonly EmittedTier[]) => string;
  /** What the text says that is emitted, where that is known without reading it. Whoever emits YAML need not load its parser. */
  readonly says?: (
    requests: readonly number[],
    prefills: readonly number[],
    tiers: readonly EmittedTier[],
  ) => LaunchSettings;
  /** What sizes the engine gets for decodes of several query lengths: requests for each, or tokens of all of them. */
  readonly counts: 'requests' | 'tokens';
}

/** Drafts of batches of `from` to `to` requests. */
interface EmittedTier {
  readonly from: number;
  readonly to: number;
  readonly drafts: number;
}

const DIALECTS: Readonly<Record<EngineName, Dialect>> = {
  vllm: {
    emit: (requests, { queryLen }, prefills) =>
      `--cudagraph-capture-sizes ${ascending([...inTokens(requests, queryLen), ...prefills]).join(' ')}`,
    expected: '--cudagraph-capture-sizes 1 2 4 or --max-cudagraph-capture-size 512',
    counts: 'tokens',
    drafts: (tiers) =>
      ` --speculative-config.num_speculative_tokens_per_batch_size '${JSON.stringify(tiers.map(({ from, to, drafts }) => [from, to, drafts]))}'`,
  },
  sglang: {
    emit: (requests, _, prefills) =>
      `--cuda-graph-bs-decode ${requests.join(' ')}${prefills.length > 0 ? ` --cuda-graph-bs-prefill ${prefills.join(' ')}` : ''}`,
    expected: '--cuda-graph-bs-decode 1 2 4 or --cuda-graph-max-bs-decode 256',
    note: 'a version that does not know the flag calls it --cuda-graph-bs',
    counts: 'requests',
  },
  trtllm: {
    emit: (requests, _, prefills) => yamlLines(trtllmSizes(requests, prefills)),
    expected: 'cuda_graph_config: {batch_sizes: [1, 2, 4]}',
    counts: 'requests',
    drafts: (tiers) => `\n${yamlLines(trtllmDrafts(tiers))}`,
    says: (requests, prefills, tiers) =>
      settingsIn({ ...trtllmSizes(requests, prefills), ...(tiers.length > 0 && trtllmDrafts(tiers)) }),
  },
  megatron: {
    emit: emitMegatron,
    expected: `${NUM_GRAPHS} 16`,
    counts: 'requests',
    note: 'Megatron takes no list: this is the number of graphs, at most as many as the ladder has, whose padding is nearest to the ladder',
  },
  atom: {
    emit: (requests) => `--cudagraph-capture-sizes "[${requests.join(',')}]"`,
    expected: '--cudagraph-capture-sizes "[1,2,4]"',
    counts: 'requests',
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
  return emitCaptured(engine, ladder, limits, options).emitted;
}

/** The same, with every graph that the engine captures with these flags. */
export function emitCaptured(
  engine: EngineName,
  ladder: readonly number[],
  limits: EngineLimits,
  options: EmitOptions = {},
): { readonly emitted: EmittedFlags; readonly captured: EngineCapture } {
  checkEngine(engine);
  const complete = checkLimits(limits);
  const { maxNumSeqs, queryLen } = complete;
  const { prefillSizes = [], profile: given = {} } = options;
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
  const { emit, note, drafts, says, counts } = DIALECTS[engine];
  const { draftSchedule, ...others } = given;
  const tiers = draftSchedule === undefined ? [] : tiersOf(draftSchedule, maxNumSeqs);
  const scheduled = drafts !== undefined && tiers.length > 0;
  // What the flags do not say of the drafts, the engine does not do.
  const profile = scheduled ? given : others;
  const own = engine === 'sglang' ? aligned(requests, complete, profile) : requests;
  const inTiers = scheduled && counts === 'tokens';
  const tokens = inTiers ? ascending(tiers.flatMap((tier) => tokensOf(requests, tier))) : wanted;
  const sized = inTiers ? emit([], complete, ascending([...prefills, ...tokens])) : emit(own, complete, prefills);
  const flags = scheduled ? `${sized}${drafts(tiers)}` : sized;
  const settings = says?.(own, prefills, scheduled ? tiers : []) ?? readSettings(engine, flags);
  const captured = capturedWith(engine, settings, complete, others);
  const sizes = [...captured.sizes];
  const both =
    engine === 'vllm'
      ? ascending([...tokens, ...prefills])
      : scheduled
        ? ascending(requests.map((count) => count * draftQueryLen(draftSchedule ?? [], count)))
        : wanted;
  const difference = differenceOf(sizes, both);
  const lost = draftSchedule !== undefined && !scheduled && tiers.length > 1;
  const unscheduled = lost ? `it takes no drafts by batch size: decodes have ${queryLen} tokens` : undefined;
  const notes = [note, difference, unscheduled].filter((text) => text !== undefined);
  const emitted = {
    flags,
    sizes,
    exact: difference === undefined && !lost,
    ...(notes.length > 0 && { note: notes.join('; ') }),
  };
  return { emitted, captured };
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
  return capturedWith(engine, readSettings(engine, text, options.at), limits, options.profile);
}

function capturedWith(
  engine: EngineName,
  { profile, graphs }: LaunchSettings,
  limits: Partial<EngineLimits>,
  given: ParseOptions['profile'],
): EngineCapture {
  if (!graphs) throw absent(engine);
  const { maxNumSeqs, maxNumBatchedTokens, queryLen, maxModelLen } = limits;
  const own = withoutUndefined({ maxNumSeqs, maxNumBatchedTokens, queryLen, maxModelLen });
  const said = withoutUndefined(profile) as Partial<EngineProfile>;
  // A list takes the place of a maximum, and a maximum that of a list.
  const { sizes: _, maxSize: __, ...others } = given ?? {};
  const known = said.sizes === undefined && said.maxSize === undefined ? given : others;
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

/** The tiers that batches can be in, one after the other. */
function tiersOf(schedule: readonly DraftTier[], maxNumSeqs: number): EmittedTier[] {
  const tiers: EmittedTier[] = [];
  for (const { maxRequests, drafts } of schedule) {
    const from = (tiers.at(-1)?.to ?? 0) + 1;
    if (from > maxNumSeqs) break;
    tiers.push({ from, to: Math.min(maxRequests ?? maxNumSeqs, maxNumSeqs), drafts });
  }
  return tiers;
}

/** Tokens of the graphs that batches of a tier run on: those of its own requests, and of the next larger size. */
function tokensOf(requests: readonly number[], { from, to, drafts }: EmittedTier): number[] {
  const end = requests.find((count) => count >= to) ?? Infinity;
  return requests.filter((count) => count >= from && count <= end).map((count) => count * (1 + drafts));
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
