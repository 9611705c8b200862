export type { TextSource, TextSource as TraceSource } from '../input/index.js';
export { ADMITTING_OPTIONS, type AdmissionLimits, admissionAdvice } from './admission.js';
export {
  CAPTURE_COSTS,
  type CaptureCost,
  type CaptureCostName,
  captureCost,
  captureOf,
  type LadderCapture,
} from './costs/capture-cost.js';
export {
  type CaptureFit,
  type CaptureLogOptions,
  type CaptureLogRecord,
  fitCaptureCost,
  readCaptureLog,
} from './costs/capture-fit.js';
export { type CostModel, type RaisedCost, tokenCosts } from './costs/cost-model.js';
export { type CostSource, parseCostModel, readCosts } from './costs/cost-source.js';
export { type CostTableOptions, readCostTable } from './costs/cost-table.js';
export {
  type ExpertShape,
  GPUS,
  type GpuName,
  type GpuSpec,
  type LatentShape,
  MODELS,
  type ModelName,
  type ModelShape,
} from './costs/hardware.js';
export { modelShape, readModelShape } from './costs/model-shape.js';
export { type RooflineOptions, rooflineCosts } from './costs/roofline.js';
export { generateWorkload, type LengthDistribution, type SharedPrefixes, type WorkloadOptions } from './generator.js';
export {
  type HistogramDocument,
  type HistogramOptions,
  type MixedCount,
  StepHistogram,
  type StepShape,
} from './histogram/step-histogram.js';
export {
  isStepLine,
  type LoggedRun,
  type LoggedShape,
  type LoggedVote,
  type LogPlace,
  loggedRun,
  loggedVotes,
  stepLineShape,
  stepShape,
} from './histogram/step-log.js';
export { type LoggedLine, type LogObject, LogReader } from './log-reader.js';
export { hash32 } from './random.js';
export {
  checkTable,
  HASH_BLOCK_TOKENS,
  type Request,
  RequestTable,
  RequestTableBuilder,
  type RequestTableOptions,
  type SharedRequests,
} from './request.js';
export { scalePrompts } from './scale-prompts.js';
export { LiveScheduler, type LiveSchedulerLimits, type SchedulerEvent } from './scheduler/live-scheduler.js';
export { rankLoad } from './scheduler/rank-load.js';
export type { RankLimits, RankStats } from './scheduler/rank-scheduler.js';
export { DEFAULT_SCHEDULER_LIMITS, type SchedulerLimits, schedulerLimits } from './scheduler/scheduler-limits.js';
export { SchedulerModel, type SchedulerModelOptions } from './scheduler/scheduler-model.js';
export type { SchedulerStats } from './scheduler/scheduler-stats.js';
export type {
  AddedRequest,
  AppendedBlocks,
  BatchTotals,
  Chunk,
  RankSchedule,
  StepSchedule,
} from './scheduler/step-schedule.js';
export { rejectedDraftId, tokenId } from './token-id.js';
export { type LengthFacts, type TraceFacts, traceFacts } from './trace-facts.js';
export { AZURE, CsvTrace } from './traces/csv.js';
export {
  columnsHint,
  TIME_UNITS,
  type TimeUnit,
  TRACE_FIELDS,
  type TraceField,
  type TraceReading,
} from './traces/fields.js';
export { detectTrace, type ReadTraceOptions, readRequests, readTrace, TRACE_KINDS } from './traces/read-trace.js';
