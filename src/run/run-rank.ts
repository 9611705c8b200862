import { readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { type Device, openDevice } from '../device/index.js';
import {
  type CaptureProgress,
  type CaptureReport,
  type CollectivesImplementation,
  createDeviceCollectives,
  type DeviceCollectives,
  type DeviceCollectivesOptions,
} from '../execution/index.js';
import { LogWriter, stepRecord } from '../formats/index.js';
import { loadModules } from '../memory/index.js';
import type { OpenOutput } from '../output/index.js';
import { StepPlanner } from '../planner/index.js';
import type { Collective } from '../ranks/index.js';
import { openRecorder, recordingFile, type StepRecorder } from '../recorder/index.js';
import { createRank, type Rank } from '../runtime/index.js';
import {
  type RankSchedule,
  RequestTable,
  SchedulerModel,
  type SchedulerStats,
  type SharedRequests,
} from '../workload/index.js';
import { TokenKvCache } from './kv-cache.js';
import { KvLedger } from './kv-ledger.js';
import { KvVerifier, type Mismatch } from './kv-verifier.js';
import { RequestRows } from './request-rows.js';
import { type DecisionCounts, RunCounters, type TokenCounts } from './run-counters.js';
import type { CompleteRunOptions } from './run-options.js';

/** What a rank gets at its start. */
export interface RunRankData {
  readonly options: CompleteRunOptions;
  readonly requests: SharedRequests;
  readonly logs: OpenLogs;
}

/** The logs of a run, opened and locked for the rank that writes them; null where they are not asked for. */
export interface OpenLogs {
  readonly stepLog: OpenOutput | null;
  readonly captureLog: OpenOutput | null;
}

/** The progress of a run, as rank 0 reports it. */
export interface RunProgress {
  readonly steps: number;
  readonly graphSteps: number;
  readonly graphTokens: number;
  readonly graphPaddedTokens: number;
  readonly finished: number;
  readonly rejected: number;
  readonly requests: number;
}

/** What rank 0 tells while it runs. */
export interface RunMessage {
  readonly captured?: CaptureProgress;
  readonly progress?: RunProgress;
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

const PROGRESS_MS = 100;
/** An empty batch, for ranks that only take part. */
const NOTHING: RankSchedule = Object.freeze({ removed: [], added: [], appended: [], scheduled: [] });

/** Runs a workload to its end on one rank: schedule, step, verify, until all ranks agree to leave. Blocks its thread. */
export async function runRank(data: RunRankData, host: RankHost): Promise<RankReport> {
  const { options } = data;
  const modules = await loadModules();
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
  const ledger = new KvLedger(table);
  const rows = new RequestRows(planner, ledger);
  using collectives = (host.connect ?? createDeviceCollectives)({
    device,
    collective: host.collective,
    timeoutMs: options.timeoutMs,
  });
  using recorder = options.record === null ? null : recorderIn(options.record, planner);
  let cache: TokenKvCache | undefined;
  using rank = createRank({
    planner,
    device,
    collective: host.collective,
    collectives,
    timeoutMs: options.timeoutMs,
    checkShapes: options.checkShapes,
    ...(recorder === null ? {} : { recorder }),
    forward: (executor) => {
      cache = new TokenKvCache(executor, options.limits, (local) => rows.supply(local));
      return cache;
    },
  });
  if (cache === undefined) throw new RangeError('the rank made no forward');
  const first = planner.rank === 0;
  const capture = rank.capture({
    onProgress: (captured) => {
      if (first && captured.stage === 'capture') host.tell({ captured });
    },
  });
  if (first && data.logs.captureLog !== null) writeCaptureLog(data.logs.captureLog, capture);
  const stepLog = first && data.logs.stepLog !== null ? new LogWriter(data.logs.stepLog) : null;
  const loop = new RunLoop({ rank, rows, ledger, cache, table, options, host, stepLog });
  try {
    loop.run();
    stepLog?.end();
  } finally {
    stepLog?.flushSync();
  }
  return {
    decisions: loop.counters.decisions,
    tokens: loop.counters.tokens,
    digest: loop.counters.digest,
    scheduler: { ...loop.model.stats },
    mismatches: loop.verifier.mismatches,
    compared: loop.verifier.compared,
    firstMismatches: loop.verifier.first,
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
function recorderIn(folder: string, planner: StepPlanner): StepRecorder {
  const recorder = openRecorder({ planner, path: recordingFile(folder, planner.rank) });
  if (planner.rank > 0) return recorder;
  for (const name of readdirSync(folder)) {
    const rank = Number(/^rank-(\d+)\.rec$/.exec(name)?.[1] ?? -1);
    if (rank >= planner.ranks) rmSync(path.join(folder, name), { force: true });
  }
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

interface RunLoopParts {
  readonly rank: Rank;
  readonly rows: RequestRows;
  readonly ledger: KvLedger;
  readonly cache: TokenKvCache;
  readonly table: RequestTable;
  readonly options: CompleteRunOptions;
  readonly host: RankHost;
  readonly stepLog: LogWriter | null;
}

/** The steps of one rank over a workload. */
class RunLoop {
  readonly counters = new RunCounters();
  readonly model: SchedulerModel;
  readonly verifier: KvVerifier;
  interrupted = false;
  readonly #rank: Rank;
  readonly #rows: RequestRows;
  readonly #host: RankHost;
  readonly #stepLog: LogWriter | null;
  /** The replica whose batch this rank computes. */
  readonly #replica: number;
  readonly #timeoutMs: number;
  #nextProgress = 0;

  constructor({ rank, rows, ledger, cache, table, options, host, stepLog }: RunLoopParts) {
    this.#rank = rank;
    this.#rows = rows;
    this.#host = host;
    this.#stepLog = stepLog;
    this.#replica = Math.floor(rank.planner.rank / options.tensorParallelSize);
    this.#timeoutMs = options.timeoutMs;
    this.model = new SchedulerModel(table, options.scheduler);
    this.verifier = new KvVerifier(cache, ledger, {
      mode: options.verify,
      seed: options.scheduler.seed,
      timeoutMs: options.timeoutMs,
    });
  }

  run(): void {
    for (;;) {
      // An interrupted rank takes part with an empty batch until every rank has seen the interrupt and votes to leave.
      if (!this.interrupted && this.#host.interrupted()) this.interrupted = true;
      const schedule = this.interrupted ? null : this.model.next();
      const mine = schedule?.ranks[this.#replica] ?? NOTHING;
      this.#rows.apply(mine, this.#rank.planner.step);
      const { decision, local } = this.#rank.stepSync({ leave: schedule === null });
      this.counters.count(decision, local);
      if (this.#stepLog?.write(stepRecord(this.#rank.planner.table, decision)) === true) this.#stepLog.flushSync();
      if (decision.leave) return;
      if (decision.run !== 'park') {
        this.verifier.check(this.#rows.inOrder(mine, local), decision.step, local.order);
        this.#rank.executor.stream.synchronizeSync({ timeoutMs: this.#timeoutMs });
      }
      this.#rows.advance(mine);
      if (schedule !== null) this.model.complete();
      this.#progress();
    }
  }

  #progress(): void {
    const now = performance.now();
    if (this.#rank.planner.rank !== 0 || now < this.#nextProgress) return;
    this.#nextProgress = now + PROGRESS_MS;
    const { stats, table } = this.model;
    const { decisions, tokens } = this.counters;
    const progress: RunProgress = {
      steps: decisions.steps,
      graphSteps: decisions.graphSteps,
      graphTokens: tokens.graphTokens,
      graphPaddedTokens: tokens.graphPaddedTokens,
      finished: stats.finished,
      rejected: stats.rejected,
      requests: table.length,
    };
    this.#host.tell({ progress });
  }
}
