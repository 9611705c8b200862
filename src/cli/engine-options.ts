import { existsSync, statSync } from 'node:fs';
import type { Command } from 'commander';
import type { Limits } from '../config.js';
import {
  type EngineProfile,
  engineCapture,
  engineOfPolicy,
  profiledPolicy,
  profileLimits,
  type ReadProfile,
  readProfile,
  serverLimits,
} from '../engines/index.js';
import { LockstepError } from '../errors.js';
import type { GpuName } from '../names.js';
import type { Policy } from '../policy/index.js';
import { countOf } from '../text.js';
import type { CostFlags } from './cost-options.js';
import { type PolicyFlags, policyOf } from './planner-options.js';
import { reportLine } from './step-report.js';

/** What the options of `addEngineOptions` hold. */
export interface EngineFlags {
  readonly engine?: string;
  readonly engineConfig?: string;
}

/** An engine that the flags name, and what of them overrides it. */
export interface EngineSetting extends ReadProfile {
  /** The profile with the limits that options give. */
  readonly asRun: EngineProfile;
  /** The file of settings that was read: of `--engine-config`, or one that a launch line names. */
  readonly configFile?: string;
  /** Options that are given besides and come before what the profile says. */
  readonly overridden: readonly string[];
}

/** What a report in JSON says of an engine. */
export interface EngineReport {
  readonly profile: EngineProfile;
  readonly version: string;
  readonly mode: string;
  readonly ignored: readonly string[];
  readonly unknown: readonly string[];
  readonly overridden: readonly string[];
}

/** Limits of the command line that a profile may say, and fields of the profile by their options. */
const LIMITS = ['maxNumSeqs', 'maxNumBatchedTokens', 'maxModelLen', 'queryLen'] as const;
const OVERRIDING = ['policy', 'ladder', 'plan', 'ubatches', ...LIMITS];
/** Overrides what a profile says of it alone. */
const RANKS = 'ranks';

/** The engine of `--engine` and `--engine-config`; null without them. Errors: ERR_INPUT_INVALID, ERR_CONFIG_INVALID. */
export async function engineSetting(
  flags: EngineFlags & CostFlags,
  command: Command,
  signal?: AbortSignal,
): Promise<EngineSetting | null> {
  const { engine, engineConfig } = flags;
  if (engine === undefined && engineConfig === undefined) return null;
  const limits = limitsGiven(command);
  const named = engine === undefined ? null : readProfile(await textOf(engine, signal), { limits });
  const { configFile } = named ?? {};
  const source = engineConfig ?? (configFile !== undefined && existsSync(configFile) ? configFile : undefined);
  const config = source === undefined ? null : await readConfig(source, named, limits, signal);
  const read = config === null ? named : config;
  if (read === null) return null;
  const ignored = [...(named?.ignored ?? []), ...(config?.ignored ?? [])];
  const unread =
    source === undefined && configFile !== undefined ? [`${configFile}, which is not there to be read`] : [];
  const unknown = [...(named?.unknown ?? []), ...unread, ...(config?.unknown ?? [])];
  const profile = { ...(named?.profile ?? {}), ...read.profile } as EngineProfile;
  const ranks = profile.dataParallelSize === undefined ? [] : [RANKS];
  const overridden = [...OVERRIDING, ...ranks]
    .filter((name) => isGiven(command, name))
    .map((name) => command.options.find((option) => option.attributeName() === name)?.long ?? name);
  const said = { ...gpuOf(flags), ...profile };
  const known = { ...serverLimits(said), ...said };
  const file = source === undefined ? {} : { configFile: placeOf(source).file };
  return { profile: known, asRun: { ...known, ...limits }, ignored, unknown, overridden, ...file };
}

/** A file's text where the argument names one, else the argument. */
async function textOf(given: string, signal?: AbortSignal): Promise<string> {
  const isFile = !/\s/.test(given.trim()) && existsSync(given) && statSync(given).isFile();
  return isFile ? await read(given, signal) : given;
}

/** Whoever names no file need not load what reads one. */
async function read(file: string, signal?: AbortSignal): Promise<string> {
  const { readWhole } = await import('../input/index.js');
  return readWhole(file, { signal });
}

/** `file` or `file#path.to.the.server`. */
function placeOf(given: string): { readonly file: string; readonly at?: string } {
  const hash = given.lastIndexOf('#');
  return hash < 0 || existsSync(given) ? { file: given } : { file: given.slice(0, hash), at: given.slice(hash + 1) };
}

/** The profile of `--engine-config`, or of the file that a launch line names. */
async function readConfig(
  given: string,
  named: ReadProfile | null,
  limits: Partial<EngineProfile>,
  signal?: AbortSignal,
): Promise<ReadProfile> {
  const { file, at } = placeOf(given);
  const text = await read(file, signal);
  if (named !== null && named.profile.engine !== 'trtllm' && !text.trimStart().startsWith('{')) {
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      `--engine-config is read as TensorRT-LLM's YAML or a profile in JSON, and --engine names ${named.profile.engine}: give its flags in --engine`,
      { engine: named.profile.engine },
    );
  }
  if (named !== null) return readProfile(text, { at, limits, over: named.profile });
  const yaml = /^\s*[\w"]+\s*:/m.test(text.slice(0, 4096)) && !text.trimStart().startsWith('{');
  return readProfile(text, { at, limits, ...(yaml && { engine: 'trtllm' }) });
}

/** The GPU of `--cost-model`, and its tensor parallel ranks. */
export function gpuOf({ costModel, tensorParallelSize }: CostFlags): Partial<EngineProfile> {
  if (costModel === undefined) return {};
  const [gpu] = costModel.split(':');
  return { gpu: gpu as GpuName, ...(tensorParallelSize !== undefined && { tensorParallelSize }) };
}

function isGiven(command: Command, name: string): boolean {
  return command.getOptionValueSource(name) === 'cli';
}

/** The limits that the command line gives. */
function limitsGiven(command: Command): Partial<EngineProfile> {
  const names = LIMITS.filter((name) => isGiven(command, name));
  return Object.fromEntries(names.map((name) => [name, command.getOptionValue(name)]));
}

/** `--ladder` where it is to be taken: with an engine only if it was given. */
export function ladderGiven(
  { ladder }: { readonly ladder: string },
  setting: EngineSetting | null,
  command: Command,
): string | undefined {
  return setting === null || isGiven(command, 'ladder') ? ladder : undefined;
}

/** The flags with the limits of the profile where no flag says another. */
export function withEngineLimits<T extends Partial<Omit<Limits, 'numBlocks'>>>(
  flags: T,
  setting: EngineSetting | null,
  command: Command,
): T {
  if (setting === null) return flags;
  const own = profileLimits(setting.profile);
  const limits = LIMITS.filter((name) => !isGiven(command, name) && own[name] !== undefined);
  return { ...flags, ...Object.fromEntries(limits.map((name) => [name, own[name]])) };
}

/** The flags with as many ranks as the engine has data-parallel ones, where no flag says how many: one by default, as in every engine. */
export function withEngineRanks<T extends { readonly ranks: number }>(
  flags: T,
  setting: EngineSetting | null,
  command: Command,
): T {
  return setting === null || isGiven(command, RANKS)
    ? flags
    : { ...flags, ranks: setting.profile.dataParallelSize ?? 1 };
}

/** Options whose values the profile says. */
export function saidBy(setting: EngineSetting | null): readonly string[] {
  return setting === null ? [] : [RANKS, ...LIMITS.filter((name) => setting.profile[name] !== undefined)];
}

/** The policy that the flags say over that of the engine. Errors: those of `policyOf`. */
export async function enginePolicy(
  flags: PolicyFlags,
  setting: EngineSetting | null,
  base: Policy | undefined,
  signal?: AbortSignal,
): Promise<Partial<Policy>> {
  if (setting === null) return await policyOf(flags, base, signal);
  const { asRun } = setting;
  const policy = await policyOf(flags, base ?? engineCapture(asRun).policy, signal);
  return profiledPolicy(policy, asRun);
}

/** What is known of the engine whose policy decides: the profile, or what the cost model says of its GPU; undefined for none. */
export function profileFor(
  policy: Partial<Policy>,
  setting: EngineSetting | null,
  flags: CostFlags,
): EngineProfile | undefined {
  if (setting !== null) return setting.profile;
  const own = engineOfPolicy(policy.name ?? '');
  const gpu = gpuOf(flags);
  return own === null || Object.keys(gpu).length === 0 ? undefined : { engine: own.engine, ...gpu };
}

/** The engine as a report in JSON has it. */
export function engineReport(setting: EngineSetting | null): { engine?: EngineReport } {
  if (setting === null) return {};
  const { profile, asRun, ignored, unknown, overridden } = setting;
  const { mode, profile: complete } = engineCapture(asRun);
  return { engine: { profile, version: complete.version, mode, ignored, unknown, overridden } };
}

/** The lines of a report that name the engine, and what of it was not understood. */
export function engineLines(setting: EngineSetting | null): string[] {
  const { engine } = engineReport(setting);
  if (engine === undefined) return [];
  const { profile, version, mode, ignored, unknown, overridden } = engine;
  const ranks = overridden.includes('--ranks')
    ? ''
    : `, ${countOf(profile.dataParallelSize ?? 1, 'data-parallel rank')}`;
  const said = overridden.length > 0 ? `; ${overridden.join(', ')} given besides` : '';
  return [
    reportLine('engine', `${profile.engine}, rules of ${version}, graph mode ${mode}${ranks}${said}`),
    ...(unknown.length > 0 ? [reportLine('unknown', `${unknown.join('  ')} (may matter to graphs)`)] : []),
    ...(ignored.length > 0 ? [reportLine('passed over', `${ignored.join('  ')} (no matter to graphs)`)] : []),
  ];
}
