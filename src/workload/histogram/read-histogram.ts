import { LockstepError, shown } from '../../errors.js';
import { RequestTable } from '../request.js';
import { type SchedulerLimits, schedulerLimits } from '../scheduler/scheduler-limits.js';
import { SchedulerModel } from '../scheduler/scheduler-model.js';
import { checkLimit, detectTrace, requestsOf, TRACE_FORMATS } from '../traces/read-trace.js';
import { checkAborted, readHead, readLines, readText, sourceName, type TraceSource } from '../traces/text.js';
import { scheduleHistogram } from './schedule-shape.js';
import { StepHistogram, type StepShape } from './step-histogram.js';
import { isStepLine, stepLineShape } from './step-log.js';

/** Steps of one shape, as an engine's log tells them. */
export interface EngineStepRecord {
  readonly phase: 'decode' | 'prefill' | 'mixed';
  /** Tokens of the step before padding. */
  readonly tokens: number;
  /** 0 where the log does not say. */
  readonly requests: number;
  /** Steps of this shape. Default 1. */
  readonly count?: number;
}

/** Reads the lines of an engine's log. `src/engines/` has such readers. */
export type EngineLogReader = (lines: AsyncIterable<string>, file: string) => AsyncIterable<EngineStepRecord>;

/** How what is read becomes steps. */
export interface ReadHistogramOptions {
  /** What the service ran with, or would. A trace is scheduled under it; from logs only its sizes count. Default: 1 rank and the defaults. */
  readonly scheduler?: Partial<SchedulerLimits> | undefined;
  /** For a trace: tokens from which a rank wishes a decode in micro-batches. Default: never. */
  readonly ubatchThreshold?: number | undefined;
  /** Requests of a trace after which reading stops. Default: all. */
  readonly limit?: number | undefined;
  /** Reads what is neither a trace nor a step log. Default: such a source is refused. */
  readonly engineLog?: EngineLogReader | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A histogram and what it was read from. */
export interface ReadHistogram {
  readonly kind: 'trace' | 'step-log' | 'engine-log';
  readonly histogram: StepHistogram;
}

const STEP_LOG = '  step log of Lockstep: {"step": 0, "rows": [{"tokens": 3, …}], "decision": {…}}, one step a line';

/**
 * The steps of a trace, of our own step log or of an engine's log, told apart by the first line that is not blank. Errors:
 * ERR_CONFIG_INVALID for the options; ERR_INPUT_INVALID with file and line for a log's bad line, a decode above
 * maxNumSeqs * queryLen, an empty source and one without a step; ERR_TRACE_INVALID for a trace's; ERR_ABORTED.
 */
export async function readHistogram(source: TraceSource, options: ReadHistogramOptions = {}): Promise<ReadHistogram> {
  const limits = schedulerLimits({ ranks: 1, ...options.scheduler });
  const limit = checkLimit(options.limit);
  const file = sourceName(source);
  const text = readText(source, options.signal);
  try {
    const { line, whole } = await readHead(text);
    if (line === undefined) throw unusable(file, 'empty');
    if (isStepLine(line)) {
      return { kind: 'step-log', histogram: await readStepLog(readLines(whole, file), file, limits, options.signal) };
    }
    if (detectTrace(line) !== null) {
      const requests = requestsOf(whole, file, limit, options.signal);
      const model = new SchedulerModel(await RequestTable.collect(requests), limits);
      return { kind: 'trace', histogram: scheduleHistogram(model, { ubatchThreshold: options.ubatchThreshold }) };
    }
    if (options.engineLog === undefined) throw unusable(file, `unknown format, the first line is ${shown(line)}`);
    const records = options.engineLog(readLines(whole, file), file);
    return { kind: 'engine-log', histogram: await readEngineLog(records, file, limits, options.signal) };
  } finally {
    await text.return(undefined);
  }
}

async function readStepLog(
  lines: AsyncIterable<string>,
  file: string,
  limits: SchedulerLimits,
  signal: AbortSignal | undefined,
): Promise<StepHistogram> {
  const histogram = new StepHistogram({ maxSize: limits.maxNumSeqs * limits.queryLen });
  let line = 0;
  for await (const text of lines) {
    line++;
    checkAborted(signal, file);
    if (text.trim() === '') continue;
    const shape = stepLineShape(text, limits.queryLen, { file, line });
    if (shape !== null) count(histogram, shape, 1, `${file}:${line}`);
  }
  if (histogram.steps === 0) throw unusable(file, 'a step log in which no rank ever has a request');
  return histogram;
}

/** A step that an engine calls mixed may hold its requests in any split; as prefills they need the most. */
async function readEngineLog(
  records: AsyncIterable<EngineStepRecord>,
  file: string,
  limits: SchedulerLimits,
  signal: AbortSignal | undefined,
): Promise<StepHistogram> {
  const histogram = new StepHistogram({ maxSize: limits.maxNumSeqs * limits.queryLen });
  for await (const { phase, tokens, requests, count: steps = 1 } of records) {
    checkAborted(signal, file);
    const decode = phase === 'decode';
    const held = decode ? requests : Math.max(1, requests);
    const shape = {
      tokens,
      prefillRequests: decode ? 0 : held,
      decodeRequests: decode ? held : 0,
      requests: held,
      ubatched: false,
    };
    count(histogram, shape, steps, file);
  }
  if (histogram.steps === 0) throw unusable(file, 'a log in which no line tells of a step');
  return histogram;
}

/** Adds a shape, and says where it stands if it cannot be one. */
function count(histogram: StepHistogram, shape: StepShape, steps: number, place: string): void {
  try {
    histogram.add(shape, steps);
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    throw new LockstepError(error.code, `${place}: ${error.message}`, { place, ...error.details }, { cause: error });
  }
}

function unusable(file: string, why: string): LockstepError {
  return new LockstepError('ERR_INPUT_INVALID', `${file}: ${why}; ${TRACE_FORMATS}\n${STEP_LOG}`, { file });
}
