import { Faults, withoutUndefined } from '../../config.js';
import type { SchedulerModel } from '../scheduler/scheduler-model.js';
import type { StepSchedule } from '../scheduler/step-schedule.js';
import { StepHistogram, type StepShape } from './step-histogram.js';

/** How ranks agree about micro-batches in what is counted. */
export interface ScheduleShapeOptions {
  /** Tokens from which a rank wishes a decode in micro-batches; every busy rank has to. Default: never. */
  readonly ubatchThreshold?: number | undefined;
  /** Least requests with which a rank can be cut, `ubatchMinRequests` of a policy. Default 2. */
  readonly ubatchMinRequests?: number | undefined;
}

const MIN_REQUESTS = 2;

/**
 * The shape that the ranks of a schedule agree on, or null where no rank has a request. A decode is as large as the largest
 * rank's: its requests, each with room for `queryLen` tokens.
 */
export function scheduleShape(
  schedule: StepSchedule,
  queryLen: number,
  options: ScheduleShapeOptions = {},
): StepShape | null {
  const { ubatchThreshold: threshold = Infinity, ubatchMinRequests = MIN_REQUESTS } = options;
  const shape = { tokens: 0, prefillRequests: 0, decodeRequests: 0, requests: 0, ubatched: true };
  for (const { scheduled } of schedule.ranks) {
    let tokens = 0;
    let prefills = 0;
    for (const chunk of scheduled) {
      tokens += chunk.queryLen;
      if (chunk.phase === 'prefill') prefills++;
    }
    shape.tokens = Math.max(shape.tokens, tokens);
    shape.prefillRequests = Math.max(shape.prefillRequests, prefills);
    shape.decodeRequests = Math.max(shape.decodeRequests, scheduled.length - prefills);
    shape.requests = Math.max(shape.requests, scheduled.length);
    if (tokens > 0 && (tokens < threshold || scheduled.length < ubatchMinRequests)) shape.ubatched = false;
  }
  if (shape.tokens === 0) return null;
  if (shape.prefillRequests > 0) return { ...shape, ubatched: false };
  return { ...shape, tokens: shape.decodeRequests * queryLen };
}

/**
 * Runs a scheduler model to its end and counts its steps. Throws `ERR_CONFIG_INVALID` for a threshold that is no count, and
 * `ERR_STEP_ORDER` if a step of the model is open.
 */
export function scheduleHistogram(model: SchedulerModel, options: ScheduleShapeOptions = {}): StepHistogram {
  const { ubatchThreshold, ubatchMinRequests } = withoutUndefined(options);
  const faults = new Faults();
  faults.names('schedule options', options, ['ubatchThreshold', 'ubatchMinRequests']);
  if (ubatchThreshold !== undefined) faults.integer('ubatchThreshold', ubatchThreshold, 1, 2 ** 31 - 1);
  if (ubatchMinRequests !== undefined) faults.integer('ubatchMinRequests', ubatchMinRequests, 1, 1 << 16);
  faults.throwIfAny('This histogram');
  const { maxNumSeqs, queryLen } = model.limits;
  const histogram = new StepHistogram({ maxSize: maxNumSeqs * queryLen });
  for (let schedule = model.next(); schedule !== null; schedule = model.next()) {
    const shape = scheduleShape(schedule, queryLen, { ubatchThreshold, ubatchMinRequests });
    if (shape !== null) histogram.add(shape);
    model.complete();
  }
  return histogram;
}
