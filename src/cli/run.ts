import type { Command } from 'commander';
import type { TimelineDocument } from '../counts/index.js';
import { LockstepError } from '../errors.js';
import type { CaptureProgress } from '../execution/index.js';
import { type PlanFile, readPlanFile, writePlanFile } from '../formats/index.js';
import type { CapturePlan } from '../keys/index.js';
import { startMpi } from '../ranks/index.js';
import { recordingFile } from '../recorder/index.js';
import {
  completeRunOptions,
  mpiRunOptions,
  type RunControl,
  type RunOptions,
  type RunSummary,
  runMpiRank,
  runWorkload,
} from '../run/index.js';
import { grouped } from '../text.js';
import { type AdmissionLimits, type RequestTable, scalePrompts, traceFacts } from '../workload/index.js';
import { assumedLines, TELLING } from './assumed.js';
import { describe, speakAsRank } from './describe.js';
import {
  type EngineSetting,
  enginePolicy,
  engineSetting,
  ladderGiven,
  saidBy,
  withEngineLimits,
  withEngineRanks,
} from './engine-options.js';
import { EXIT, exitCodeOf } from './exit.js';
import { checkHtml, type HtmlFlags, writeHtml } from './html.js';
import { interrupts, unlessInterrupted } from './interrupts.js';
import { filesOfModel, modelLimitsSaid, OF_MODEL } from './model-options.js';
import { checkOutputs, checkWritable, inputsOf, rankFiles } from './outputs.js';
import type { PlannerFlags, PoolFlags } from './planner-options.js';
import { StepProgress } from './progress.js';
import { RankOut, rankOutFile } from './rank-out.js';
import { runReport } from './run-report.js';
import { type ShowFlags, show } from './show.js';
import { overTimeLines, showsBars } from './sparkline.js';
import { STDIN } from './stdin.js';
import { reasonRows, reportLine } from './step-report.js';
import {
  checkServed,
  traceLines,
  type WorkloadFlags,
  workloadLine,
  workloadName,
  workloadOf,
  workloadOptionsOf,
} from './workload-options.js';

interface RunFlags extends PlannerFlags, PoolFlags, WorkloadFlags, HtmlFlags, ShowFlags {
  readonly tensorParallelSize: number;
  readonly device: NonNullable<RunOptions['device']>;
  readonly transport?: NonNullable<RunOptions['transport']>;
  readonly verify: NonNullable<RunOptions['verify']>;
  readonly planOut?: string;
  readonly timeout: number;
  readonly deviceMemory?: number;
  readonly checkShapes?: boolean;
  readonly rankOut?: string;
  readonly stepLog?: string;
  readonly captureLog?: string;
  readonly record?: string;
  readonly model?: string;
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly sampledShare: number;
  readonly async?: boolean;
  readonly promptScale: number;
}

/** What ran, and what it was to serve. */
interface Ran extends Served {
  readonly summary: RunSummary;
  /** Graphs in capture order, and the decisions in short where a page is asked for. */
  readonly captured: readonly CaptureProgress[];
  readonly timeline: TimelineDocument | null;
}

/** Runs a workload as the flags say, and prints its summary. */
export async function run(flags: RunFlags, command: Command): Promise<void> {
  // A run whose ranks had to be terminated is reported like one whose ranks had not begun.
  await unlessInterrupted(async () => {
    checkHtml(flags);
    if (flags.transport === 'mpi') return await runProcess(flags, command);
    if (flags.rankOut !== undefined) throw onlyMpi();
    const setting = await engineSettingOf(flags, command);
    const ranked = withEngineRanks(flags, setting, command);
    await checkFiles(ranked, setting);
    const served = await prepare(ranked, setting, true, command);
    const work = (control: RunControl): Promise<RunSummary> => runWorkload(served.requests, served.options, control);
    await print(await watched(served, ranked, work), ranked, command);
  });
}

/** The same as one process of an MPI job. Rank 0 prints; every process exits alike. */
async function runProcess(flags: RunFlags, command: Command): Promise<void> {
  const { rank, size } = startMpi();
  speakAsRank(rank);
  await checkFiles(flags, null);
  const out = flags.rankOut === undefined ? null : new RankOut(flags.rankOut, { rank, processes: size });
  let ended = false;
  let unwritten: unknown;
  try {
    if (flags.trace === STDIN) throw noStdin();
    const { tensorParallelSize } = flags;
    // The job says how many ranks there are; what the command line says must agree.
    const said = command.getOptionValueSource('ranks') === 'default' ? {} : { ranks: flags.ranks };
    const { ranks } = mpiRunOptions({ tensorParallelSize, ...said });
    const setting = await engineSettingOf(flags, command);
    await checkFiles(flags, setting);
    const served = await prepare({ ...flags, ranks }, setting, rank === 0, command);
    const work = async (control: RunControl): Promise<RunSummary> => {
      const { report, summary } = await runMpiRank(served.requests, served.options, control);
      ended = true;
      // A summary does not wait for a disk that has room.
      await out?.finished(report).catch((error) => {
        unwritten = error;
      });
      return summary;
    };
    if (rank === 0) await print(await watched(served, flags, work), flags, command);
    else settle(await work({ signal: interrupts.signal }), served);
  } catch (error) {
    if (!ended) await out?.failed(error).catch(tell);
    if (unwritten !== undefined) tell(unwritten);
    throw error;
  }
  if (unwritten !== undefined) throw unwritten;
}

/** Says what is wrong beside the error that the command ends with. */
function tell(error: unknown): void {
  process.stderr.write(`${describe(error)}\n`);
}

async function print(ran: Ran, flags: RunFlags, command: Command): Promise<void> {
  const { summary, requests, limits, setting } = ran;
  const facts = traceFacts(requests);
  const said = flags.model === undefined ? [] : OF_MODEL;
  const assumed = TELLING.workload.filter(
    (name) => (flags.transport !== 'mpi' || name !== 'ranks') && !said.includes(name),
  );
  const json = { schemaVersion: 1, ...summary, trace: facts };
  const text = runReport(summary, [
    workloadLine(flags),
    ...(flags.trace === undefined ? [] : traceLines(facts)),
    ...(flags.numBlocks === 'auto' ? [poolLine(summary)] : []),
    ...summary.ladderNotes.map((note) => reportLine('ladder', note)),
    ...assumedLines(command, assumed, saidBy(setting)),
  ]);
  const { plan, captured, timeline } = ran;
  if (timeline !== null) {
    const served = { of: workloadName(flags), plan, timeline, text, json };
    await writeHtml(flags, ({ runPage }) => runPage(summary, captured, served));
  }
  const drawn = timeline !== null && showsBars() ? overTimeLines(timeline) : [];
  await show(flags, {
    document: () => json,
    rows: () => reasonRows(summary),
    text: () => `${text}${drawn.map((line) => `${line}\n`).join('')}`,
  });
  checkServed(summary, requests, limits);
  settle(summary, ran);
}

/** What `--num-blocks auto` came to. */
function poolLine({ numBlocks }: RunSummary): string {
  return reportLine(
    'KV pool',
    `${grouped(numBlocks)} blocks a rank, of the memory that is left once graphs are captured`,
  );
}

/** The exit code that a summary asks for. */
function settle(summary: RunSummary, { requests, limits }: Pick<Ran, 'requests' | 'limits'>): void {
  try {
    checkServed(summary, requests, limits);
    if (summary.mismatches > 0 || summary.diverged > 0) process.exitCode = EXIT.failed;
  } catch (error) {
    process.exitCode = exitCodeOf(error);
  }
}

interface Served {
  /** The engine that the flags name, read once: its file may be a pipe. */
  readonly setting: EngineSetting | null;
  readonly requests: RequestTable;
  readonly options: RunOptions;
  /** Those that say which requests can ever run. */
  readonly limits: AdmissionLimits;
  readonly plan: CapturePlan;
}

/** Checks that no output, of any rank, is an input or another output. Errors: ERR_CONFIG_INVALID. */
async function checkFiles(flags: RunFlags, setting: EngineSetting | null): Promise<void> {
  const { planOut, stepLog, captureLog, record, rankOut, html, model } = flags;
  checkOutputs(
    { ...inputsOf(flags, setting), '--model': model === undefined ? [] : await filesOfModel(model) },
    {
      '--plan-out': planOut,
      '--step-log': stepLog,
      '--capture-log': captureLog,
      '--html': html,
      '--record': record === undefined ? [] : rankFiles(record, recordingFile),
      '--rank-out': rankOut === undefined ? [] : rankFiles(rankOut, rankOutFile),
    },
  );
}

/** Reads what the flags name and checks every option. `writes`: whether this process writes the plan and the logs. */
async function prepare(
  flags: RunFlags,
  setting: EngineSetting | null,
  writes: boolean,
  command: Command,
): Promise<Served> {
  const { plan: planPath, planOut, stepLog, captureLog, promptScale, html } = flags;
  if (!(promptScale > 0 && promptScale <= 1)) throw wrongScale(promptScale);
  const { signal } = interrupts;
  const planFile = planPath === undefined ? undefined : await readPlanFile(planPath, { signal });
  const options = await runOptions(flags, setting, planFile, command);
  // Every fault of the options is reported before a long trace is read.
  const { policy, plan, limits: own, pool } = completeRunOptions(options);
  // A pool that fills memory holds a longest request, however long.
  const limits = pool === null ? own : { ...own, numBlocks: Number.POSITIVE_INFINITY };
  if (writes) await checkWritable([planOut, stepLog, captureLog, html], signal);
  const requests = scalePrompts(await workloadOf(flags, signal), flags.promptScale);
  if (planOut !== undefined && writes) await writePlanFile(planOut, policy, plan, { queryLen: own.queryLen, signal });
  return { setting, requests, options, limits, plan };
}

/** Does the work with its progress in sight. */
async function watched(
  served: Served,
  { html, json, output }: RunFlags,
  work: (control: RunControl) => Promise<RunSummary>,
): Promise<Ran> {
  const captured: CaptureProgress[] = [];
  const drawn = html !== undefined || (json !== true && output === undefined && showsBars());
  let timeline: TimelineDocument | null = null;
  const progress = new StepProgress(served.requests.length);
  try {
    const { signal } = interrupts;
    const control: RunControl = {
      signal,
      onProgress: (now) => progress.show(now),
      onCapture: (one) => {
        progress.captured(one);
        captured.push(one);
      },
      ...(drawn && {
        onTimeline: (collected) => {
          timeline = collected;
        },
      }),
    };
    const summary = await work(control);
    return { ...served, summary, captured, timeline };
  } finally {
    progress.stop();
  }
}

function onlyMpi(): LockstepError {
  return new LockstepError(
    'ERR_CONFIG_INVALID',
    '--rank-out is for processes of an MPI job; give --transport mpi, or leave it out',
    { options: ['--rank-out'] },
  );
}

function wrongScale(scale: number): LockstepError {
  return new LockstepError('ERR_CONFIG_INVALID', `--prompt-scale is ${scale}; give a number above 0, 1 at most`, {
    options: ['--prompt-scale'],
  });
}

function noStdin(): LockstepError {
  return new LockstepError(
    'ERR_CONFIG_INVALID',
    '--trace is -, and standard input reaches one process of an MPI job only; name a file that all of them can read',
    { options: ['--trace'] },
  );
}

/** The engine that the flags name. Tensor parallel ranks are those of the run. */
function engineSettingOf(flags: RunFlags, command: Command): Promise<EngineSetting | null> {
  return engineSetting({ ...flags, tensorParallelSize: undefined }, command, interrupts.signal);
}

async function runOptions(
  flags: RunFlags,
  setting: EngineSetting | null,
  planFile: PlanFile | undefined,
  command: Command,
): Promise<RunOptions> {
  const pooled = flags.model !== undefined;
  const workload = workloadOptionsOf(withEngineLimits(flags, setting, command), planFile, { pooled });
  return {
    ...workload,
    ...(flags.model === undefined ? {} : { limits: modelLimitsSaid(workload.limits ?? {}, command) }),
    tensorParallelSize: flags.tensorParallelSize,
    policy: await enginePolicy(flags, setting, planFile?.policy, interrupts.signal),
    ...(planFile === undefined
      ? { ladder: ladderGiven(flags, setting, command), engine: setting?.profile }
      : { plan: planFile.plan }),
    device: flags.device,
    verify: flags.verify,
    timeoutMs: flags.timeout,
    checkShapes: flags.checkShapes === true,
    ...(flags.transport === undefined ? {} : { transport: flags.transport }),
    ...(flags.stepLog === undefined ? {} : { stepLog: flags.stepLog }),
    ...(flags.captureLog === undefined ? {} : { captureLog: flags.captureLog }),
    ...(flags.record === undefined ? {} : { record: flags.record }),
    ...(flags.model === undefined ? {} : { model: flags.model }),
    ...samplingSaid(flags, command),
    ...(flags.async === undefined ? {} : { async: flags.async }),
    ...(flags.deviceMemory === undefined ? {} : { deviceMemory: flags.deviceMemory }),
    ...(flags.gpuMemoryUtilization === undefined ? {} : { gpuMemoryUtilization: flags.gpuMemoryUtilization }),
  };
}

/** How requests draw their tokens, where the command line says. */
function samplingSaid(
  { temperature, topK, topP, sampledShare: share }: RunFlags,
  command: Command,
): Pick<RunOptions, 'sampling'> {
  const names = ['temperature', 'topK', 'topP', 'sampledShare'];
  const isSaid = names.some((name) => command.getOptionValueSource(name) !== 'default');
  return isSaid ? { sampling: { temperature, topK, topP, share } } : {};
}
