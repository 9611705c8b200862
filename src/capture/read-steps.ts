import { statSync } from 'node:fs';
import { readEngineLog } from '../engines/index.js';
import { LockstepError } from '../errors.js';
import {
  admissionAdvice,
  checkAborted,
  detectTrace,
  isStepLine,
  type RequestTable,
  readHead,
  readLines,
  readText,
  type SchedulerLimits,
  SchedulerModel,
  type StepHistogram,
  type StepShape,
  scheduleShape,
  sourceName,
  stepLineShape,
  type TraceSource,
} from '../workload/index.js';
import { StepSequence } from './step-sequence.js';

/** What a file of steps is: requests that have to be scheduled, our own step log, or an engine's log. */
export type StepSource = 'trace' | 'step-log' | 'engine-log';

/** How steps are counted. */
export interface CountOptions {
  readonly scheduler: SchedulerLimits;
  /** Most tokens of a decode. */
  readonly maximum: number;
  /** Tokens from which a rank wishes micro-batches; null where no step is cut. */
  readonly ubatchThreshold: number | null;
  /** Requests from which it can be cut. Default 2. */
  readonly ubatchMinRequests?: number | undefined;
  /** Share of the time that counts as seen, between 0 and 1. */
  readonly split: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (now: ScheduleProgress) => void;
}

export interface ScheduleProgress {
  readonly steps: number;
  readonly finished: number;
}

/** The steps that a plan is made for. */
export interface CountedSteps {
  readonly kind: StepSource;
  readonly whole: StepHistogram;
  /** The first and the second part by time; null where the source does not tell the order of its steps, or a part has no decode. */
  readonly parts: { readonly seen: StepHistogram; readonly unseen: StepHistogram } | null;
}

/** Most steps that are counted as one stretch, which a split does not cut. */
const STRETCH = 64;
/** Between two looks at signals and progress. */
const SLICE_MS = 50;

/** Tells what a file is by its first line. Errors: ERR_INPUT_INVALID for one that is empty or cannot be read, and for a pipe, ERR_ABORTED. */
export async function detectSource(source: TraceSource, signal?: AbortSignal): Promise<StepSource> {
  const file = sourceName(source);
  if (typeof source === 'string' && isPipe(source)) {
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      `${file}: a pipe can be read only once, and telling what it holds takes one more; say so: --trace, --steps or --log`,
      { file },
    );
  }
  const text = readText(source, signal);
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
    return detectTrace(line) === null ? 'engine-log' : 'trace';
  } finally {
    await text.return(undefined);
  }
}

/** Whether a path is one. Whatever else is the matter with it, its reader says. */
function isPipe(path: string): boolean {
  try {
    return statSync(path).isFIFO();
  } catch {
    return false;
  }
}

/** Schedules requests and counts the steps; time is the simulated clock. Errors: ERR_ABORTED. */
export async function scheduledSteps(requests: RequestTable, options: CountOptions): Promise<CountedSteps> {
  const { scheduler, ubatchThreshold, ubatchMinRequests, signal, onProgress } = options;
  const agreement = { ubatchThreshold: ubatchThreshold ?? undefined, ubatchMinRequests };
  const model = new SchedulerModel(requests, scheduler, { edits: false });
  const sequence = new StepSequence();
  let steps = 0;
  let last = performance.now();
  for (let schedule = model.next(); schedule !== null; schedule = model.next()) {
    const shape = scheduleShape(schedule, scheduler.queryLen, agreement);
    const begin = model.stats.clockMs;
    const count = model.complete(STRETCH);
    if (shape !== null) {
      sequence.add(plain(shape, ubatchThreshold), count, begin, model.stats.clockMs);
      steps += count;
    }
    if (performance.now() - last < SLICE_MS) continue;
    onProgress?.({ steps, finished: model.stats.finished + model.stats.rejected });
    await new Promise(setImmediate);
    checkAborted(signal, 'the schedule');
    last = performance.now();
  }
  if (steps === 0) {
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      `None of the ${requests.length} requests fits the limits, so that there is no step to plan for; ${admissionAdvice(requests, scheduler)}`,
      { requests: requests.length, rejected: model.stats.rejected },
    );
  }
  const { maxNumSeqs, queryLen } = scheduler;
  // A rank short of tokens may decode more requests than fit at full query length: those steps are above every ladder.
  return counted('trace', sequence, maxNumSeqs * queryLen, options.split);
}

/** The steps of a step log; time is their number. Errors: ERR_INPUT_INVALID with file and line, ERR_ABORTED. */
export async function loggedSteps(source: TraceSource, options: CountOptions): Promise<CountedSteps> {
  const file = sourceName(source);
  const { scheduler, maximum, ubatchThreshold, signal } = options;
  const sequence = new StepSequence();
  const text = readText(source, signal);
  let line = 0;
  let steps = 0;
  for await (const one of readLines(text, file)) {
    line++;
    checkAborted(signal, file);
    if (one.trim() === '') continue;
    const shape = stepLineShape(one, scheduler.queryLen, { file, line });
    if (shape === null) continue;
    checkDecode(shape, maximum, `${file}:${line}`);
    sequence.add(plain(shape, ubatchThreshold), 1, steps, steps + 1);
    steps++;
  }
  if (steps === 0) {
    throw new LockstepError('ERR_INPUT_INVALID', `${file}: a step log in which no rank ever has a request`, { file });
  }
  return counted('step-log', sequence, maximum, options.split);
}

/**
 * The steps of an engine's log, which counts them without their order. A decode that is told by its tokens alone has as many
 * requests as hold them; a step that may hold prefills has all its requests as prefills, which need the most. Errors:
 * ERR_INPUT_INVALID, ERR_ABORTED.
 */
export async function engineSteps(source: TraceSource, options: CountOptions): Promise<CountedSteps> {
  const { scheduler, maximum, signal } = options;
  const { queryLen } = scheduler;
  const { batches } = await readEngineLog(source, { queryLen, ...(signal !== undefined && { signal }) });
  const sequence = new StepSequence();
  for (const { phase, tokens, requests, count } of batches) {
    const decode = phase === 'decode';
    const held = Math.max(1, requests ?? (decode ? Math.ceil(tokens / queryLen) : 1));
    const shape: StepShape = {
      tokens: decode ? held * queryLen : tokens,
      prefillRequests: decode ? 0 : held,
      decodeRequests: decode ? held : 0,
      requests: held,
      ubatched: false,
    };
    checkDecode(shape, maximum, sourceName(source));
    sequence.add(shape, count, 0, 0);
  }
  return { kind: 'engine-log', whole: sequence.histogram(maximum), parts: null };
}

function counted(kind: StepSource, sequence: StepSequence, maxSize: number, split: number): CountedSteps {
  const at = sequence.end * split;
  const seen = sequence.histogram(maxSize, -Infinity, at);
  const unseen = sequence.histogram(maxSize, at);
  // A ladder of decodes cannot be learnt from, or tried on, what holds none.
  const parts = seen.largestDecode > 0 && unseen.largestDecode > 0 ? { seen, unseen } : null;
  return { kind, whole: sequence.histogram(maxSize), parts };
}

/** Without micro-batches every decode is one batch, whatever was wished where it was logged. */
function plain(shape: StepShape, ubatchThreshold: number | null): StepShape {
  return ubatchThreshold === null && shape.ubatched ? { ...shape, ubatched: false } : shape;
}

function checkDecode({ tokens, prefillRequests }: StepShape, maximum: number, place: string): void {
  if (prefillRequests > 0 || tokens <= maximum) return;
  throw new LockstepError(
    'ERR_INPUT_INVALID',
    `${place}: a decode of ${tokens} tokens is above the largest size ${maximum}; raise --max-num-seqs or --max-num-batched-tokens to what the service ran with, or set --query-len`,
    { place, tokens, maximum },
  );
}
