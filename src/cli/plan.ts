import type { Command } from 'commander';
import {
  type CountedSteps,
  type CountOptions,
  captureCostOfLog,
  checkPlanOptions,
  costsOfSteps,
  detectSource,
  engineSteps,
  loggedSteps,
  type MakePlanOptions,
  makePlan,
  type Objective,
  PLAN_PHASES,
  type PlanDocument,
  planCosts,
  planDefaults,
  planKeys,
  runsInPieces,
  type StepSource,
  scheduledSteps,
} from '../capture/index.js';
import { completeLimits, type DraftTier, type Limits } from '../config.js';
import { ENGINE_LOG_KINDS } from '../engines/index.js';
import { LockstepError } from '../errors.js';
import { writePlanFile } from '../formats/index.js';
import { checkPlan } from '../keys/index.js';
import { completePolicy, type Policy, withPaddedDecodes } from '../policy/index.js';
import type { MeasureCostsOptions } from '../run/index.js';
import { columnsHint, schedulerLimits, TRACE_KINDS, type TraceFacts, traceFacts } from '../workload/index.js';
import { assumedLines, TELLING } from './assumed.js';
import { type CostFlags, costSourceOf } from './cost-options.js';
import {
  type EngineFlags,
  type EngineSetting,
  engineLines,
  enginePolicy,
  engineReport,
  engineSetting,
  gpuOf,
  saidBy,
  withEngineLimits,
  withEngineRanks,
} from './engine-options.js';
import { checkHtml, type HtmlFlags, writeHtml } from './html.js';
import { interrupts, unlessInterrupted } from './interrupts.js';
import { checkOutputs, checkWritable, inputsOf } from './outputs.js';
import { type BudgetFlags, budgetOf, captureCostOf } from './plan-options.js';
import { planReport, planRows } from './plan-report.js';
import { type LimitFlags, limitsOf, type PolicyFlags } from './planner-options.js';
import { Progress, StepRate } from './progress.js';
import { type ShowFlags, show } from './show.js';
import { showsBars } from './sparkline.js';
import { endInput, inputIsWaiting, inputName, inputOf, inputReadTwice, STDIN, warnOfLog } from './stdin.js';
import { generatedBy, readingOf, traceLines, type WorkloadFlags, workloadOf } from './workload-options.js';

/** What the options of `lockstep plan` hold. */
export interface PlanFlags
  extends EngineFlags,
    LimitFlags,
    PolicyFlags,
    WorkloadFlags,
    BudgetFlags,
    CostFlags,
    HtmlFlags,
    ShowFlags {
  readonly steps?: string;
  readonly maxSize?: number;
  readonly log?: string;
  readonly captureCost: string;
  readonly decodeLogInterval?: number;
  readonly objective: Objective;
  readonly split: number;
  readonly sizeMultiple: number;
  readonly include: readonly number[];
  readonly mixed?: boolean;
  readonly out?: string;
  readonly measure?: string;
  readonly device: NonNullable<MeasureCostsOptions['device']>;
}

/** SGLang's default `decode_log_interval`. */
const DECODE_LOG_INTERVAL = 40;

const SOURCES = { trace: 'a trace', 'step-log': 'a step log', 'engine-log': 'an engine log' } as const;

/** Plans for a file, or for the workload that the flags say, and prints the plan. */
export async function plan(file: string | undefined, flags: PlanFlags, command: Command): Promise<void> {
  await unlessInterrupted(async () => {
    const { measure: model } = flags;
    if (model === undefined) return await planFor(file, flags, command);
    await (await import('./measure.js')).measure(file, { ...flags, measure: model }, command);
  });
}

async function planFor(given: string | undefined, asGiven: PlanFlags, command: Command): Promise<void> {
  checkHtml(asGiven);
  const { signal } = interrupts;
  const setting = await engineSetting(asGiven, command, signal);
  const flags = withEngineRanks(asGiven, setting, command);
  const mixed = flags.mixed === true;
  const limits = completeLimits(limitsOf(withEngineLimits(flags, setting, command)));
  const policy = completePolicy(await enginePolicy(flags, setting, undefined, signal));
  const { split, sizeMultiple, include, objective, maxSize } = flags;
  const defaults = planDefaults(budgetOf(flags), limits, mixed);
  const numbers = { limits, ...defaults, objective, maxSize, split, sizeMultiple, include };
  checkPlanOptions(numbers);
  if (mixed) checkMixed(policy, flags.ranks);
  // Every fault of the options is reported before a long trace is read.
  const step = stepOptions(flags, limits, policy, signal, setting?.profile.draftSchedule ?? null);
  const source = sourceOf(given, flags);
  const { captureCost, out, html } = flags;
  checkOutputs(
    { ...inputsOf({ ...flags, trace: undefined }, setting), 'the source': source.file, '--capture-cost': captureCost },
    { '--out': out, '--html': html },
  );
  await checkWritable([out, html], signal);
  if (source.file === undefined) await checkNothingWaits();
  const asked = await planCosts(limits, mixed, costSourceOf(flags), signal, policy);
  const published = await captureCostOf(flags.captureCost, signal);
  const steps = await readSteps(source, flags, step);
  // What the log itself tells of times and captures counts unless something else was asked for.
  const costs = costsOfSteps(steps, asked);
  const toldCost = command.getOptionValueSource('captureCost') === 'default' ? captureCostOfLog(steps.log) : null;
  const memory = toldCost ?? published;
  const document = await shownPlan(steps, {
    ...numbers,
    policy,
    costs,
    memory,
    mixed,
    ranks: flags.ranks,
    pieces: steps.kind === 'engine-log' && (await isOfPieces(source.file, signal)),
    engineProfile: gpuOf(flags),
    engine: setting?.profile,
  });
  await interrupts.look('before the plan was written');
  if (flags.out !== undefined) await write(flags.out, document, limits, policy);
  const { file } = source;
  const json = { ...document, generated: file === undefined, trace: steps.trace ?? null, ...engineReport(setting) };
  const telling = document.source === 'trace' ? TELLING.workload : TELLING.log;
  const of =
    file === undefined
      ? `a generated workload ${generatedBy(flags)}`
      : `${SOURCES[document.source]}, ${inputName(file)}`;
  const told = {
    of,
    assumed: [
      ...(file === undefined || steps.trace === undefined ? [] : traceLines(steps.trace)),
      ...engineLines(setting),
      ...assumedLines(command, telling, saidBy(setting)),
    ],
  };
  await writeHtml(flags, ({ planPage }) => planPage(document, of, { text: planReport(document, told), json }));
  await show(flags, {
    document: () => json,
    rows: () => planRows(document),
    text: () => planReport(document, { ...told, bars: showsBars() }),
  });
}

/** Whether the log of a file is of an engine whose graphs are all piecewise. What can be read only once is not read again. */
async function isOfPieces(file: string | undefined, signal: AbortSignal): Promise<boolean> {
  return file !== undefined && file !== STDIN && (await runsInPieces(file, signal));
}

/** Throws ERR_INPUT_INVALID if standard input holds data that no argument names. It does not wait for any. */
async function checkNothingWaits(): Promise<void> {
  if (!(await inputIsWaiting())) return;
  throw new LockstepError(
    'ERR_INPUT_INVALID',
    'Standard input holds data, and no file is named: give - to plan for them (lockstep plan -), or < /dev/null for a generated workload',
  );
}

/** Throws ERR_CONFIG_INVALID where the policy runs no graph for a step with a prefill. */
function checkMixed({ name, mixedGraphs }: Policy, ranks: number): void {
  if (mixedGraphs === 'agreed' || mixedGraphs === 'any-step' || (mixedGraphs === 'one-rank' && ranks === 1)) return;
  const never = mixedGraphs === 'never' || mixedGraphs === 'decodes' ? 'never' : `on ${ranks} ranks never`;
  throw new LockstepError(
    'ERR_CONFIG_INVALID',
    `--mixed plans graphs for steps with a prefill, which policy ${name} ${never} runs; leave --mixed out, or give another --policy`,
    { policy: name, mixedGraphs, ranks },
  );
}

function stepOptions(
  flags: PlanFlags,
  limits: Limits,
  policy: Policy,
  signal: AbortSignal,
  draftSchedule: readonly DraftTier[] | null = null,
): CountOptions {
  const { ranks, acceptRate, seed, speed, stepTime, split } = flags;
  const { maxNumSeqs, maxNumBatchedTokens, blockSize, numBlocks, maxModelLen, queryLen } = limits;
  const sizes = { maxNumSeqs, maxNumBatchedTokens, blockSize, numBlocks, maxModelLen, queryLen };
  return {
    scheduler: schedulerLimits({ ranks, ...sizes, draftSchedule, acceptRate, seed, speed, stepTime }),
    policy,
    split,
    signal,
  };
}

/** The file that is given and its kind, if a flag names it; empty for a generated workload. Errors: ERR_CONFIG_INVALID for several. */
function sourceOf(file: string | undefined, { trace, steps, log }: PlanFlags): { file?: string; kind?: StepSource } {
  const given = [
    { option: 'a file', file },
    { option: '--trace', file: trace, kind: 'trace' },
    { option: '--steps', file: steps, kind: 'step-log' },
    { option: '--log', file: log, kind: 'engine-log' },
  ].filter((source) => source.file !== undefined);
  if (given.length > 1) {
    const names = given.map(({ option }) => option);
    throw new LockstepError('ERR_CONFIG_INVALID', `${names.join(' and ')} are given; a plan is made for one of them`, {
      options: names,
    });
  }
  return (given[0] ?? {}) as { file?: string; kind?: StepSource };
}

/** The steps of the file or the workload that the flags name. */
export async function countedSteps(
  file: string | undefined,
  flags: PlanFlags,
  limits: Limits,
  policy: Policy,
  setting: EngineSetting | null,
): Promise<CountedSteps> {
  const { signal } = interrupts;
  const step = stepOptions(flags, limits, policy, signal, setting?.profile.draftSchedule ?? null);
  return readSteps(sourceOf(file, flags), flags, step);
}

/** Adds what else a file may be, where its kind was not given. */
function refuseUnknown(error: unknown, kind: StepSource | undefined): never {
  if (kind === undefined && error instanceof LockstepError && error.message.includes(ENGINE_LOG_KINDS)) {
    const kinds = `${TRACE_KINDS}\na step log of simulate or run: {"schemaVersion": 1, "step": 0, "rows": […], "decision": {…}}`;
    const hint = columnsHint(String(error.details.first ?? ''));
    throw new LockstepError(error.code, `${error.message}\n${kinds}${hint}`, error.details, { cause: error });
  }
  throw error;
}

async function readSteps(
  { file, kind }: { file?: string; kind?: StepSource },
  flags: PlanFlags,
  options: CountOptions,
): Promise<CountedSteps & { readonly trace?: TraceFacts }> {
  const { signal } = interrupts;
  const input = file === undefined ? undefined : kind === undefined ? inputReadTwice(file) : inputOf(file);
  const found = kind ?? (input === undefined ? 'trace' : await detectSource(input, signal, readingOf(flags)));
  if (file !== undefined && input !== undefined && found === 'step-log') {
    const logged = await loggedSteps(input, options);
    warnOfLog(file, logged.incomplete);
    return logged;
  }
  if (input !== undefined && found === 'engine-log') {
    const { mixed, decodeLogInterval = mixed === true ? DECODE_LOG_INTERVAL : 1 } = flags;
    return engineSteps(input, { ...options, decodeLogInterval }).catch((error: unknown) => refuseUnknown(error, kind));
  }
  const requests = await workloadOf(flags, signal, input);
  endInput(file);
  const progress = new Progress('requests | {rate} steps/s', requests.length);
  const rate = new StepRate();
  try {
    const counted = await scheduledSteps(requests, {
      ...options,
      onProgress: ({ finished, steps }) => progress.show(finished, { rate: rate.at(steps) }),
    });
    return { ...counted, trace: traceFacts(requests) };
  } finally {
    progress.stop();
  }
}

/** Makes the plan and shows its current phase. */
async function shownPlan(steps: CountedSteps, options: MakePlanOptions): Promise<PlanDocument> {
  const progress = new Progress('planned | {phase}', PLAN_PHASES.length);
  try {
    return await makePlan(steps, {
      ...options,
      signal: interrupts.signal,
      onPhase: (phase) => progress.show(PLAN_PHASES.indexOf(phase), { phase }),
    });
  } finally {
    progress.stop();
  }
}

async function write(path: string, document: PlanDocument, limits: Limits, policy: Policy): Promise<void> {
  const keys = planKeys(document, limits, policy);
  const padded = withPaddedDecodes(policy);
  checkPlan(keys, limits, padded);
  await writePlanFile(path, padded, keys, { queryLen: limits.queryLen, signal: interrupts.signal });
}
