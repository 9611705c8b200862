import { rmSync } from 'node:fs';
import {
  type DecisionCounts,
  type RunProgress,
  StepTimeline,
  type TimelineDocument,
  type TokenCounts,
} from '../counts/index.js';
import { type Device, openDevice } from '../device/index.js';
import {
  type CaptureProgress,
  type CaptureReport,
  type CollectivesImplementation,
  createDeviceCollectives,
  type DeviceCollectives,
  type DeviceCollectivesOptions,
} from '../execution/index.js';
import { LogWriter } from '../formats/index.js';
import { loadModules } from '../memory/index.js';
import { type OpenOutput, staleRankFiles } from '../output/index.js';
import { StepPlanner } from '../planner/index.js';
import type { Collective } from '../ranks/index.js';
import { openRecorder, recordingFile, type StepRecorder } from '../recorder/index.js';
import { createRank, type StepTimings } from '../runtime/index.js';
import { RequestTable, type SchedulerStats, type SharedRequests } from '../workload/index.js';
import { RequestRows } from './request-rows.js';
import { tokenJob } from './run-job.js';
import { RunLoop } from './run-loop.js';
import type { CompleteRunOptions } from './run-options.js';
import type { Mismatch, RunWork } from './run-work.js';

/** What a rank gets at its start. */
export interface RunRankData {
  /** A number of this run, an int32 other than 0. */
  readonly run: number;
  readonly options: CompleteRunOptions;
  readonly requests: SharedRequests;
  readonly logs: OpenLogs;
  /** Whether rank 0 collects its decisions in short. */
  readonly timeline: boolean;
}

/** The logs of a run, opened and locked for the rank that writes them; null where they are not asked for. */
export interface OpenLogs {
  readonly stepLog: OpenOutput | null;
  readonly captureLog: OpenOutput | null;
}

/** What rank 0 tells while it runs. */
export interface RunMessage {
  readonly captured?: CaptureProgress;
  readonly progress?: RunProgress;
  readonly timeline?: TimelineDocument;
}

/** Seconds of a rank's steps, by what it did. */
export interface RunSeconds extends StepTimings {
  /** Waiting for kernels and checking what they wrote. */
  readonly kernels: number;
  /** From the first step to the last, all of the above and the rest. */
  readonly all: number;
}

/** What one rank did. */
export interface RankReport {
  readonly decisions: DecisionCounts;
  readonly tokens: TokenCounts;
  readonly digest: number;
  readonly scheduler: SchedulerStats;
  readonly mismatches: number;
  readonly compared: number;
  readonly firstMismatches: readonly Mismatch[];
  /** Drafts that a model took, and that it did not; 0 without a model. */
  readonly acceptedDrafts: number;
  readonly rejectedDrafts: number;
  /** Those of them whose requests draw their tokens at a temperature above 0. */
  readonly sampledAcceptedDrafts: number;
  readonly sampledRejectedDrafts: number;
  /** Where the time of the steps went. */
  readonly seconds: RunSeconds;
  /** KV blocks of each rank, the null block included. */
  readonly numBlocks: number;
  readonly captured: number;
  readonly skipped: number;
  readonly graphBytes: number;
  readonly peakBytes: number;
  readonly device: string;
  readonly deviceChoice: string;
  /** What the ranks' devices exchange data with, and why that. */
  readonly collectives: CollectivesImplementation;
  readonly collectivesReason: string;
  /** Collectives of the forward that ran in graphs, and those enqueued in eager steps and between graphs. */
  readonly collectivesInGraphs: number;
  readonly collectivesEager: number;
  /** Stopped before the workload's end, by agreement of all ranks. */
  readonly interrupted: boolean;
}

/** The device and collective that a rank runs on. */
export interface RankHost {
  readonly collective: Collective;
  /** Makes the device collectives of the group. Default: `createDeviceCollectives`. */
  readonly connect?: (options: DeviceCollectivesOptions) => DeviceCollectives;
  interrupted(): boolean;
  tell(message: RunMessage): void;
}

/** Runs a workload to its end on one rank: schedule, step, verify, until all ranks agree to leave. Blocks its thread. */
export async function runRank(data: RunRankData, host: RankHost): Promise<RankReport> {
  const modules = await loadModules();
  const { model } = data.options;
  const models = model === null ? null : { model, ...(await import('./model-job.js')) };
  const options = models === null ? data.options : models.agreedOptions(models.model, modules, data.options, host);
  using device = openDevice({
    device: options.device,
    ...(options.deviceMemory === null ? {} : { memoryLimit: options.deviceMemory }),
  });
  using planner = new StepPlanner(modules, {
    limits: options.limits,
    plan: options.plan,
    policy: options.policy,
    rank: host.collective.rank,
    ranks: host.collective.size,
    replicaSize: options.tensorParallelSize,
    deviceSupplied: ['inputIds'],
  });
  const table = RequestTable.fromShared(data.requests);
  const job = models === null ? tokenJob(table, options) : models.modelJob(models.model, modules, table, options, host);
  const rows = new RequestRows(planner, job.ledger);
  using collectives = (host.connect ?? createDeviceCollectives)({
    device,
    collective: host.collective,
    timeoutMs: options.timeoutMs,
  });
  using recorder = options.record === null ? null : recorderIn(options.record, planner, data.run);
  let work: RunWork | undefined;
  using rank = createRank({
    planner,
    device,
    collective: host.collective,
    collectives,
    timeoutMs: options.timeoutMs,
    checkShapes: options.checkShapes,
    ...(recorder === null ? {} : { recorder }),
    clock: () => performance.now(),
    forward: (executor) => {
      const made = job.make(executor, (...given) => rows.supply(...given));
      work = made.work;
      return made.forward;
    },
  });
  if (work === undefined) throw new RangeError('the rank made no forward');
  const first = planner.rank === 0;
  const capture = rank.captureSync({
    interrupted: () => host.interrupted(),
    onProgress: (captured) => {
      if (first && captured.stage === 'capture') host.tell({ captured });
    },
  });
  if (first && data.logs.captureLog !== null) writeCaptureLog(data.logs.captureLog, capture);
  const stepLog = first && data.logs.stepLog !== null ? new LogWriter(data.logs.stepLog) : null;
  const timeline = first && data.timeline ? new StepTimeline(options.ranks, options.tensorParallelSize) : null;
  const loop = new RunLoop({
    rank,
    rows,
    work,
    table,
    scheduler: options.scheduler,
    tensorParallelSize: options.tensorParallelSize,
    timeoutMs: options.timeoutMs,
    stepLog,
    timeline,
    interrupted: () => host.interrupted(),
    onProgress: (progress) => host.tell({ progress }),
  });
  const start = performance.now();
  try {
    loop.run();
    stepLog?.end();
  } finally {
    stepLog?.flushSync();
  }
  if (timeline !== null) host.tell({ timeline: timeline.document() });
  return {
    decisions: loop.counters.decisions,
    tokens: loop.counters.tokens,
    digest: loop.counters.digest,
    scheduler: { ...loop.model.stats },
    mismatches: work.mismatches,
    compared: work.compared,
    firstMismatches: work.first,
    acceptedDrafts: work.acceptedDrafts ?? 0,
    rejectedDrafts: work.rejectedDrafts ?? 0,
    sampledAcceptedDrafts: work.sampledAcceptedDrafts ?? 0,
    sampledRejectedDrafts: work.sampledRejectedDrafts ?? 0,
    seconds: { ...rank.timings(), kernels: loop.checking, all: (performance.now() - start) / 1000 },
    numBlocks: options.limits.numBlocks,
    captured: capture.captured.length,
    skipped: capture.skipped.length,
    ...deviceReport(device),
    collectives: collectives.implementation,
    collectivesReason: collectives.reason,
    collectivesInGraphs: rank.executor.collectiveCounts.inGraphs,
    collectivesEager: rank.executor.collectiveCounts.eager,
    interrupted: loop.interrupted,
  };
}

/** The recorder of a rank in a folder. Rank 0 removes what an earlier run of more ranks left there. */
function recorderIn(folder: string, planner: StepPlanner, run: number): StepRecorder {
  const recorder = openRecorder({ planner, path: recordingFile(folder, planner.rank), run });
  const stale = planner.rank > 0 ? [] : staleRankFiles(folder, planner.ranks, recordingFile);
  for (const file of stale) rmSync(file, { force: true });
  return recorder;
}

function writeCaptureLog(log: OpenOutput, { captured }: CaptureReport): void {
  const writer = new LogWriter(log);
  for (const { key, reservedBytes, allocatedBytes, seconds } of captured) {
    writer.write({ key, reservedBytes, allocatedBytes, seconds });
  }
  writer.end();
  writer.flushSync();
}

function deviceReport(device: Device): Pick<RankReport, 'graphBytes' | 'peakBytes' | 'device' | 'deviceChoice'> {
  const { graphBytes, peakBytes } = device.memory();
  return { graphBytes, peakBytes, device: device.kind, deviceChoice: device.choice };
}
