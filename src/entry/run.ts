// `lockstep/run`: run a workload on ranks and verify it, or simulate it; step logs; what a capture tells; recordings of ranks, and what they say; the time that ranks run in.

export {
  DecisionCounters,
  type DecisionCounts,
  paddingRatio,
  type RunProgress,
  type TokenCounts,
} from '../counts/index.js';
export type { CaptureOptions, CaptureProgress, LostTwin, SkippedKey } from '../execution/index.js';
export {
  type SimulatedSpan,
  type StepLogLine,
  spanLines,
  stepLogLine,
  stepRecord,
  type VoteWordName,
} from '../formats/index.js';
export type { GuardOutcome, GuardReady, GuardStage, JoinThreadsOptions, LackingRank } from '../ranks/index.js';
export {
  type CaptureStage,
  DEFAULT_RECORDED_STEPS,
  decodeRecording,
  openRecorder,
  type RecordedCapture,
  type RecorderOptions,
  type Recording,
  type RecordingDocument,
  type RecordState,
  readRecording,
  type StepRecord,
  type StepRecorder,
} from '../recorder/index.js';
export {
  type ComparedRecordings,
  compareRecordings,
  type Difference,
  type LastStep,
  type Leavers,
  type LogDifference,
  type ReplayedLog,
  type ReplayOptions,
  replayLog,
} from '../replay/index.js';
export {
  type CompleteRunOptions,
  completeRunOptions,
  costTableText,
  type MeasureCostsOptions,
  type MeasuredCost,
  type MeasuredTime,
  type Mismatch,
  measureCosts,
  type RunControl,
  RunCounters,
  type RunOptions,
  type RunSampling,
  type RunSeconds,
  type RunSummary,
  runWorkload,
  SAMPLED_SHARE,
  type VerifyMode,
} from '../run/index.js';
export { type SimulateControl, type SimulateOptions, type SimulateSummary, simulate } from '../simulation/index.js';
export type { Sleeper, Timing } from '../timing.js';
