import { randomInt } from 'node:crypto';
import { checkHas } from '../checks.js';
import { paddingRatio, paddingRatios, type RunProgress, type TimelineDocument } from '../counts/index.js';
import { openDevice } from '../device/index.js';
import { decodeGraphs, graphKinds } from '../engines/index.js';
import { LockstepError } from '../errors.js';
import type { CaptureProgress } from '../execution/index.js';
import { GrowingFile, type OpenOutput } from '../output/index.js';
import { jobRanks, type RankResult, type SuperviseOptions, startMpi, superviseRanks } from '../ranks/index.js';
import type { StepSummary } from '../simulation/index.js';
import { checkTable, type RequestTable, type SchedulerStats } from '../workload/index.js';
import { completeRunOptions } from './complete-options.js';
import { type CompleteRunOptions, DEFAULT_RUN_OPTIONS, type RunOptions } from './run-options.js';
import type { RankReport, RunMessage, RunRankData, RunSeconds } from './run-rank.js';
import type { RunSampling } from './run-sampling.js';
import type { Mismatch } from './run-work.js';

/** How a run is watched and ended early. */
export interface RunControl {
  /** Stops all ranks at an agreed step; the summary then covers what was done and says `interrupted`. */
  readonly signal?: AbortSignal;
  /** Called about ten times a second. */
  readonly onProgress?: (progress: RunProgress) => void;
  /** Called for each key that rank 0 captured: by how much the device's memory grew. Source: Megatron's capture log. */
  readonly onCapture?: (progress: CaptureProgress) => void;
  /** Called at the end with the decisions in short, which are collected for it alone. */
  readonly onTimeline?: (timeline: TimelineDocument) => void;
}

/** What a run did. The counts of decisions are equal on every rank; tokens are summed over them, once a replica. */
export interface RunSummary extends StepSummary {
  /** Processes of all ranks together. */
  readonly processes: number;
  /** KV cache entries that differ from what was written. */
  readonly mismatches: number;
  /** KV cache entries that were read back and compared. */
  readonly compared: number;
  /** The model whose tokens were computed and compared; null where the cache held ids. */
  readonly model: string | null;
  /** How the requests of the model drew their tokens; null without a model. */
  readonly sampling: Required<RunSampling> | null;
  /** Whether each step was planned while the one before ran. */
  readonly async: boolean;
  /** Drafts that the model took, of one rank of each replica. */
  readonly acceptedDrafts: number;
  /** Drafts that the model did not take, of one rank of each replica. */
  readonly rejectedDrafts: number;
  /** `acceptedDrafts` of requests that draw their tokens at a temperature above 0. */
  readonly sampledAcceptedDrafts: number;
  /** `rejectedDrafts` of those requests. */
  readonly sampledRejectedDrafts: number;
  /** Generated tokens for each second of the steps; null without a model. */
  readonly tokensPerSecond: number | null;
  /** Where rank 0's time went, in seconds; null without a model. */
  readonly stepSeconds: RunSeconds | null;
  /** The first few wrong entries. */
  readonly firstMismatches: readonly ({
    /** The rank that found it. */
    readonly rank: number;
    /** Its process among those of all ranks. */
    readonly process: number;
  } & Mismatch)[];
  /** Processes whose sequence of decisions differs from the first one's. */
  readonly diverged: number;
  /** KV blocks of each rank, the null block included: what the options say, or with `'auto'` what the ranks agreed on. */
  readonly numBlocks: number;
  /** Keys captured on each rank; of an engine's ladder those that decodes alone run on. */
  readonly graphs: number;
  /** Keys that no rank could capture. */
  readonly graphsSkipped: number;
  /** The device that ran: `host`, `cuda` or `hip`. */
  readonly device: string;
  /** Why it was chosen. */
  readonly deviceChoice: string;
  /** What the ranks' devices exchange data with: `solo` for one process, `local` for threads of one, `mpi` for several on the host, `nccl` or `rccl`, `none`. */
  readonly collectives: string;
  /** Why these collectives. */
  readonly collectivesReason: string;
  /** Collectives of the forward on each rank that ran in graphs. */
  readonly collectivesInGraphs: number;
  /** Collectives of the forward on each rank that were enqueued in eager steps and between graphs. */
  readonly collectivesEager: number;
  /** How votes crossed ranks: `solo`, `threads` or `mpi`. */
  readonly transport: string;
  /** How much was read back: `full` or `sampled`. */
  readonly verify: string;
}

/** What one process of an MPI job did, and the summary of all, which is equal on every one. */
export interface MpiRankOutcome {
  readonly rank: number;
  readonly report: RankReport;
  readonly summary: RunSummary;
}

/**
 * Runs a workload on worker threads, one a process of each rank: every step planned, agreed, built and executed, and the KV cache read back
 * and compared. With the transport `mpi` this process is one of them, and each process of the job calls this and gets the same
 * summary. Does not block the event loop. Errors: ERR_CONFIG_INVALID (every fault at once), ERR_DEVICE_UNAVAILABLE,
 * ERR_NATIVE_UNAVAILABLE, ERR_TRANSPORT_UNAVAILABLE, ERR_RANK_LOST naming the rank, ERR_RANKS_DIVERGED, ERR_RANK_FAULT,
 * ERR_CAPTURE_ASYMMETRIC.
 */
export async function runWorkload(
  requests: RequestTable,
  options: RunOptions = {},
  control: RunControl = {},
): Promise<RunSummary> {
  checkTable(requests);
  checkHas('the options of a run', options, []);
  if (options.transport === 'mpi') return (await runMpiRank(requests, options, control)).summary;
  const complete = completeRunOptions(options);
  const start = performance.now();
  const reports = await onThreads(complete.ranks * complete.tensorParallelSize, requests, complete, control, true);
  return summarize(requests.length, reports as RankReport[], complete, (performance.now() - start) / 1000);
}

/** `runWorkload` with the transport `mpi`, and what this process did itself. */
export async function runMpiRank(
  requests: RequestTable,
  options: RunOptions,
  control: RunControl = {},
): Promise<MpiRankOutcome> {
  const complete = completeRunOptions(mpiRunOptions(options));
  const { rank } = startMpi();
  const start = performance.now();
  const [reports] = (await onThreads(1, requests, complete, control, rank === 0)) as [RankReport[]];
  const summary = summarize(requests.length, reports, complete, (performance.now() - start) / 1000);
  return { rank, report: reports[rank], summary };
}

/** Options with the ranks of this MPI job. Errors: those of `jobRanks`. */
export function mpiRunOptions(options: RunOptions): RunOptions & { readonly ranks: number } {
  const { ranks, tensorParallelSize = DEFAULT_RUN_OPTIONS.tensorParallelSize } = options;
  return { ...options, ranks: jobRanks({ ranks, tensorParallelSize }) };
}

/** Runs so many processes as threads of this one and returns what each came to. `logs`: whether one of them writes the logs. */
async function onThreads(
  threads: number,
  requests: RequestTable,
  options: CompleteRunOptions,
  control: RunControl,
  logs: boolean,
): Promise<unknown[]> {
  // A device or a log that cannot be opened is reported once, before any thread is started.
  openDevice({ device: options.device }).dispose();
  const { signal } = control;
  using stepLog = logs && options.stepLog !== null ? await GrowingFile.open(options.stepLog, signal) : null;
  using captureLog = logs && options.captureLog !== null ? await GrowingFile.open(options.captureLog, signal) : null;
  const data: RunRankData = {
    run: 1 + randomInt(2 ** 31 - 1),
    options,
    requests: requests.toShared(),
    timeline: control.onTimeline !== undefined,
    logs: { stepLog: openOf(stepLog), captureLog: openOf(captureLog) },
  };
  const results = await supervised({
    ranks: threads,
    entry: new URL('./run-worker.js', import.meta.url),
    workerData: () => data,
    ...(signal === undefined ? {} : { signal }),
    onMessage: (_rank, message) => {
      const { captured, progress, timeline } = message as RunMessage;
      if (captured !== undefined) control.onCapture?.(captured);
      if (progress !== undefined) control.onProgress?.(progress);
      if (timeline !== undefined) control.onTimeline?.(timeline);
    },
  });
  return results.map(({ rank, value }) => {
    if (value !== undefined) return value;
    throw new LockstepError('ERR_RANK_LOST', `Rank ${rank} ended without a report`, { rank });
  });
}

/** What a worker needs to write an open log: threads of a process share its files. */
function openOf(log: GrowingFile | null): OpenOutput | null {
  return log === null ? null : { path: log.path, descriptor: log.descriptor, regular: log.regular };
}

/** Causes that concern what was asked for, and no rank in particular. */
const OF_THE_JOB: readonly string[] = [
  'ERR_INPUT_INVALID',
  'ERR_CONFIG_INVALID',
  'ERR_MODEL_INVALID',
  'ERR_DEVICE_MEMORY',
  'ERR_DEVICE_UNAVAILABLE',
];

/** `superviseRanks`, except that what no rank can do, such as to write a log or to hold a model, is reported as such and not as a lost rank. */
async function supervised(options: SuperviseOptions): Promise<RankResult[]> {
  try {
    return await superviseRanks(options);
  } catch (error) {
    let cause: unknown = error;
    // A rank that waited for the one that failed says that it is lost, and why.
    while (cause instanceof LockstepError && cause.code === 'ERR_RANK_LOST') cause = cause.cause;
    if (cause instanceof LockstepError && OF_THE_JOB.includes(cause.code)) throw cause;
    throw error;
  }
}

function summarize(
  requests: number,
  reports: readonly RankReport[],
  options: CompleteRunOptions,
  seconds: number,
): RunSummary {
  const first = reports[0];
  const { ranks, tensorParallelSize } = options;
  const kinds = graphKinds(options.plan.keys, options.policy);
  const tokens = reports.filter((_, process) => process % tensorParallelSize === 0).map((report) => report.tokens);
  const sum = (value: (report: RankReport) => number): number =>
    reports.reduce((total, report) => total + value(report), 0);
  const scheduler: SchedulerStats = first.scheduler;
  return {
    ...first.decisions,
    ranks,
    processes: reports.length,
    requests,
    finished: scheduler.finished,
    rejected: scheduler.rejected,
    preemptions: scheduler.preemptions,
    tokens: tokens.reduce((total, counts) => total + counts.tokens, 0),
    promptTokens: scheduler.promptTokens,
    generatedTokens: scheduler.generatedTokens,
    reusedTokens: scheduler.reusedTokens,
    paddingRatio: paddingRatio(tokens),
    ...paddingRatios(tokens),
    mismatches: sum((report) => report.mismatches),
    compared: sum((report) => report.compared),
    model: options.model,
    sampling: options.model === null ? null : options.sampling,
    async: options.async,
    acceptedDrafts: sum((report) => report.acceptedDrafts) / tensorParallelSize,
    rejectedDrafts: sum((report) => report.rejectedDrafts) / tensorParallelSize,
    sampledAcceptedDrafts: sum((report) => report.sampledAcceptedDrafts) / tensorParallelSize,
    sampledRejectedDrafts: sum((report) => report.sampledRejectedDrafts) / tensorParallelSize,
    ...(options.model === null
      ? { tokensPerSecond: null, stepSeconds: null }
      : { tokensPerSecond: scheduler.generatedTokens / first.seconds.all, stepSeconds: first.seconds }),
    firstMismatches: reports.flatMap((report, process) => {
      const rank = Math.floor(process / tensorParallelSize);
      return report.firstMismatches.map((mismatch) => ({ rank, process, ...mismatch }));
    }),
    diverged: reports.filter((report) => report.digest !== first.digest).length,
    numBlocks: first.numBlocks,
    graphs:
      options.ladderEngine === null
        ? first.captured
        : Math.min(first.captured, decodeGraphs(options.plan.keys, options.policy).length),
    graphKinds: kinds,
    ladderNotes: options.ladderNotes,
    graphsSkipped: first.skipped,
    device: first.device,
    deviceChoice: first.deviceChoice,
    collectives: first.collectives,
    collectivesReason: first.collectivesReason,
    collectivesInGraphs: first.collectivesInGraphs,
    collectivesEager: first.collectivesEager,
    policy: options.policy.name,
    transport: options.transport,
    verify: options.verify,
    queryLen: options.scheduler.queryLen,
    acceptRate: options.scheduler.acceptRate,
    seed: options.scheduler.seed,
    simulatedSeconds: scheduler.clockMs / 1000,
    seconds,
    interrupted: reports.some((report) => report.interrupted),
  };
}
