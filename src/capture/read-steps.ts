import { type AgreedShape, RawRules, VoteGroup } from '../agreement/index.js';
import { checkHas, checkOptions, Faults } from '../checks.js';
import { completeLimits } from '../config.js';
import { readEngineRun } from '../engines/index.js';
import { LockstepError } from '../errors.js';
import { checkAborted, isPipe, readHead, readText, sourceName } from '../input/index.js';
import { loadModules } from '../memory/index.js';
import type { Policy } from '../policy/index.js';
import { nextTurn } from '../timing.js';
import {
  ADMITTING_OPTIONS,
  admissionAdvice,
  type Chunk,
  checkTable,
  detectTrace,
  isStepLine,
  LogReader,
  type RequestTable,
  type SchedulerLimits,
  SchedulerModel,
  type StepHistogram,
  type StepShape,
  stepShape,
  type TraceReading,
  type TraceSource,
} from '../workload/index.js';
import { type LogRun, logRun } from './log-run.js';
import { LoggedRuns } from './logged-runs.js';
import { largestDecode } from './plan-costs.js';
import { type RankedShape, StepSequence } from './step-sequence.js';
import { type CountedTables, VoteTables } from './vote-tables.js';

/** What a file of steps is: requests that have to be scheduled, our own step log, or an engine's log. */
export type StepSource = 'trace' | 'step-log' | 'engine-log';

/** How steps are counted. */
export interface CountOptions {
  /** What the service runs with, or would. A trace is scheduled under it; from logs its sizes count. */
  readonly scheduler: SchedulerLimits;
  /** How the ranks agree to micro-batches. Where it has none, every decode counts as one batch. */
  readonly policy: Policy;
  /** Share of the time that counts as seen, between 0 and 1. */
  readonly split: number;
  /** Decodes that a line of SGLang's log stands for: it logs every prefill, and one decode of so many. Default 1: lines are counted. */
  readonly decodeLogInterval?: number | undefined;
  /** Ends the counting with ERR_ABORTED. */
  readonly signal?: AbortSignal | undefined;
  /** Called as a trace is scheduled, every 50 ms or so. */
  readonly onProgress?: (now: ScheduleProgress) => void;
}

/** How far a trace is scheduled: steps counted, and requests that ended. */
export interface ScheduleProgress {
  /** Steps counted so far. */
  readonly steps: number;
  /** Requests that ended so far, rejected ones included. */
  readonly finished: number;
}

/** The steps that a plan is made for. */
export interface CountedSteps {
  /** What the steps were read from. */
  readonly kind: StepSource;
  /** Every step counted, by size and shape. */
  readonly whole: StepHistogram;
  /** The first and the second part by time; null if the source does not give the order of its steps, or a part has no decode. */
  readonly parts: {
    /** Steps of the first part. */
    readonly seen: StepHistogram;
    /** Steps of the second part. */
    readonly unseen: StepHistogram;
    /** What the ranks held in the steps of the second part. Absent where `tables` is. */
    readonly unseenTables?: CountedTables;
  } | null;
  /** What the ranks held in every step, from which engines' rules decide how it runs. Absent where the source does not say it. */
  readonly tables?: CountedTables;
  /** The shapes of the whole with the real tokens of all ranks. An engine's log is of one rank. */
  readonly ranked: readonly RankedShape[];
  /** Of a step log that was cut off, or lacks lines: why, as the end of a sentence about it. Null or absent elsewhere. */
  readonly incomplete?: string | null;
  /** What an engine's log tells of its graphs. Null or absent elsewhere. */
  readonly log?: LogRun | null;
  /** How the decodes of a step log ran. Absent elsewhere. */
  readonly ran?: Pick<LogRun, 'ran' | 'graphs' | 'capture'>;
}

/** Most steps that are counted together; a split does not cut between them. */
const STRETCH = 64;
/** Milliseconds between two checks of signals and progress. */
const SLICE_MS = 50;

/** Detects the kind of a file by its first line; `reading` says how a trace is read. Errors: ERR_INPUT_INVALID for one that is empty or cannot be read, and for a pipe, ERR_ABORTED. */
export async function detectSource(
  source: TraceSource,
  signal?: AbortSignal,
  reading: TraceReading = {},
): Promise<StepSource> {
  const file = sourceName(source);
  if (typeof source === 'string' && isPipe(source)) {
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      `${file}: a pipe can be read only once, and finding out what it holds takes a second reading; set its kind: trace, step-log or engine-log`,
      { file, options: ['its kind: trace, step-log or engine-log'] },
    );
  }
  const text = readText(source, { signal });
  try {
    const { line } = await readHead(text);
    if (line === undefined) {
      throw new LockstepError(
        'ERR_INPUT_INVALID',
        `${file}: empty; give a trace, a step log of simulate or run, or an engine's log`,
        { file },
      );
    }
    if (isStepLine(line)) return 'step-log';
    return (await detectTrace(line, reading)) === null ? 'engine-log' : 'trace';
  } finally {
    await text.return(undefined);
  }
}

/**
 * Schedules requests, has every rank vote on its batches, and counts what the ranks agree on where no graph is captured yet; time is
 * the simulated clock. Errors: ERR_CONFIG_INVALID (limits that no planner takes), ERR_INPUT_INVALID (no step), ERR_PLAN_CAPACITY,
 * ERR_ABORTED.
 */
export async function scheduledSteps(requests: RequestTable, options: CountOptions): Promise<CountedSteps> {
  checkCounting(options);
  checkTable(requests);
  const { scheduler, policy, signal, onProgress } = options;
  const { ranks, maxNumSeqs, queryLen } = scheduler;
  const model = new SchedulerModel(requests, scheduler, { edits: false, blockIds: policy.ubatches > 1 });
  const group = await voteGroupFor(requests, options);
  const sequence = new StepSequence();
  const tables = new VoteTables(ranks, policy);
  let step = 0;
  let steps = 0;
  let last = performance.now();
  for (let schedule = model.next(); schedule !== null; schedule = model.next()) {
    // Graphs with prefill slots have one part. Whether such a step is cut matters only to the next step, by hysteresis.
    const prefills = schedule.ranks.some((_, rank) => model.totals(rank).prefillRequests > 0);
    const cuts = policy.ubatches > 1 && (policy.ubatchHysteresis > 0 || !prefills);
    for (const [rank, batch] of schedule.ranks.entries()) {
      if (cuts) {
        const { scheduled } = batch;
        group.vote(rank, scheduled, (index) => model.blocksOf((scheduled[index] as Chunk).request));
      } else {
        group.voteTotals(rank, model.totals(rank));
      }
      tables.note(rank, group);
    }
    const table = tables.number();
    const begin = model.stats.clockMs;
    let left = model.complete(STRETCH);
    while (left > 0) {
      group.resolve(step);
      const alike = group.settled ? left : 1;
      const shape = graphShape(group.shape(), queryLen);
      if (shape !== null) {
        let tokens = 0;
        for (let rank = 0; rank < ranks; rank++) tokens += group.tokens(rank);
        sequence.add(shape, alike, { begin, end: model.stats.clockMs, ranks, tokens }, table);
        steps += alike;
      }
      step += alike;
      left -= alike;
      if (left > 0) group.lengthen(alike);
    }
    if (performance.now() - last < SLICE_MS) continue;
    onProgress?.({ steps, finished: model.stats.finished + model.stats.rejected });
    await nextTurn();
    checkAborted(signal, 'the schedule');
    last = performance.now();
  }
  if (steps === 0) {
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      `None of the ${requests.length} requests fits the limits, so that there is no step to plan for; ${admissionAdvice(requests, scheduler)}`,
      { requests: requests.length, rejected: model.stats.rejected, options: ADMITTING_OPTIONS },
    );
  }
  // A rank short of tokens may decode more requests than fit at full query length: those steps are above every ladder.
  return counted('trace', sequence, maxNumSeqs * queryLen, options.split, tables);
}

/**
 * The vote group for a schedule, with memory for what these requests need: the limits may allow far more than a planner's
 * memory holds. Errors: ERR_CONFIG_INVALID, ERR_PLAN_CAPACITY.
 */
async function voteGroupFor(requests: RequestTable, { scheduler, policy }: CountOptions): Promise<VoteGroup> {
  const { ranks, maxNumSeqs, maxNumBatchedTokens, blockSize, numBlocks, maxModelLen, queryLen } = scheduler;
  let longest = 1;
  // The KV blocks of requests matter only where a batch may be cut.
  for (let id = 0; policy.ubatches > 1 && id < requests.length; id++) {
    longest = Math.max(longest, (requests.inputTokens[id] as number) + (requests.outputTokens[id] as number));
  }
  const limits = completeLimits({
    maxNumSeqs: Math.max(1, Math.min(maxNumSeqs, requests.length)),
    maxNumBatchedTokens,
    blockSize,
    numBlocks,
    maxModelLen: Math.min(maxModelLen, longest),
    queryLen,
  });
  return new VoteGroup(new RawRules(await loadModules(), { limits, policy, ranks }));
}

/**
 * The steps of a step log, in micro-batches where the step logged was; the number of a step stands for its time. What the ranks held is in its rows, from
 * which engines' rules decide; how its steps ran is in its decisions. Errors: ERR_INPUT_INVALID with file and line, ERR_ABORTED.
 */
export async function loggedSteps(source: TraceSource, options: CountOptions): Promise<CountedSteps> {
  checkCounting(options);
  const file = sourceName(source);
  const { scheduler, policy, signal } = options;
  const { queryLen } = scheduler;
  const maximum = largestDecode(scheduler);
  const sequence = new StepSequence();
  const log = new LogReader(source, { signal, versioned: true });
  const ran = new LoggedRuns(policy);
  let steps = 0;
  for await (const block of log.blocks()) {
    for (const { line, value } of block) {
      const logged = stepShape(value, queryLen, { file, line });
      // The plan is made for this policy, even if the log was written under another one.
      const shape = graphShape({ ...logged, ubatched: logged.ubatched && policy.ubatches > 1 }, queryLen);
      if (shape === null) continue;
      checkDecode(shape, maximum, `${file}:${line}`);
      const { ranks, rankTokens } = logged;
      const table = ran.add(value, logged);
      sequence.add(shape, 1, { begin: steps, end: steps + 1, ranks, tokens: rankTokens }, table);
      steps++;
    }
  }
  if (steps === 0) {
    throw new LockstepError('ERR_INPUT_INVALID', `${file}: a step log in which no rank ever has a request`, { file });
  }
  const read = counted('step-log', sequence, maximum, options.split, ran.tables);
  return { ...read, incomplete: log.incomplete, ran: ran.summary };
}

/**
 * The steps of an engine's log, which counts them without their order. A decode whose log line has tokens alone is taken to have as few
 * requests as hold them; a step that may hold prefills counts all its requests as prefills, which need the most. A row that ran as another
 * rank's size is a step of that size. Errors: ERR_INPUT_INVALID, ERR_CONFIG_INVALID, ERR_ABORTED.
 */
export async function engineSteps(source: TraceSource, options: CountOptions): Promise<CountedSteps> {
  checkCounting(options);
  const file = sourceName(source);
  const { scheduler, signal, decodeLogInterval = 1 } = options;
  const { queryLen } = scheduler;
  const faults = new Faults();
  faults.integer('decodeLogInterval', decodeLogInterval, 1, 1 << 20);
  faults.throwIfAny('The reading of this log');
  const maximum = largestDecode(scheduler);
  const log = await readEngineRun(source, { queryLen, ...(signal !== undefined && { signal }) });
  const { steps, run } = logRun(log, scheduler);
  const sequence = new StepSequence();
  for (const { batch, tokens, decode } of steps) {
    const { requests, ranks = 1, rankTokens = batch.tokens } = batch;
    const known = tokens === batch.tokens ? requests : undefined;
    const held = Math.max(1, known ?? (decode ? Math.ceil(tokens / queryLen) : 1));
    const agreed: AgreedShape = {
      tokens,
      prefillRequests: decode ? 0 : held,
      decodeRequests: decode ? held : 0,
      requests: held,
      ubatched: false,
    };
    const shape = graphShape(agreed, queryLen);
    if (shape === null) continue;
    checkDecode(shape, maximum, file);
    const count = batch.count * (decode && log.engine === 'sglang' ? decodeLogInterval : 1);
    sequence.add(shape, count, { begin: 0, end: 0, ranks, tokens: rankTokens });
  }
  return { kind: 'engine-log', whole: sequence.histogram(maximum), parts: null, ranked: sequence.ranked, log: run };
}

function checkCounting(options: CountOptions): void {
  const own = ['signal', 'onProgress', 'decodeLogInterval'];
  checkOptions('the options of counting', options, ['scheduler', 'policy', 'split'], own);
  checkHas('scheduler', options.scheduler, ['maxNumSeqs', 'maxNumBatchedTokens', 'queryLen']);
  checkHas('policy', options.policy, ['ubatches']);
}

function counted(
  kind: StepSource,
  sequence: StepSequence,
  maxSize: number,
  split: number,
  tables?: VoteTables,
): CountedSteps {
  const at = sequence.end * split;
  const seen = sequence.histogram(maxSize, -Infinity, at);
  const unseen = sequence.histogram(maxSize, at);
  // A decode ladder can be neither planned from nor scored on a part without decodes.
  const ofTables = (from?: number): CountedTables | undefined =>
    tables && { tables, counts: sequence.tables(tables.length, from) };
  const [whole, later] = [ofTables(), ofTables(at)];
  const parts =
    seen.largestDecode > 0 && unseen.largestDecode > 0
      ? { seen, unseen, ...(later !== undefined && { unseenTables: later }) }
      : null;
  const known = whole !== undefined && { tables: whole };
  return { kind, whole: sequence.histogram(maxSize), parts, ranked: sequence.ranked, ...known };
}

/**
 * The shape that a graph has to hold: a decode needs `queryLen` tokens for each request, since each row has as many places. Graphs with prefill slots
 * have one part. Null where no rank has a request.
 */
function graphShape(agreed: AgreedShape, queryLen: number): StepShape | null {
  if (agreed.requests === 0) return null;
  if (agreed.prefillRequests > 0) return agreed.ubatched ? { ...agreed, ubatched: false } : agreed;
  return { ...agreed, tokens: agreed.decodeRequests * queryLen };
}

function checkDecode({ tokens, prefillRequests }: StepShape, maximum: number, place: string): void {
  if (prefillRequests > 0 || tokens <= maximum) return;
  throw new LockstepError(
    'ERR_INPUT_INVALID',
    `${place}: a decode of ${tokens} tokens is above the largest size ${maximum}; raise maxNumSeqs or maxNumBatchedTokens to what the service ran with, or set queryLen`,
    { place, tokens, maximum, options: ['maxNumSeqs', 'maxNumBatchedTokens', 'queryLen'] },
  );
}
