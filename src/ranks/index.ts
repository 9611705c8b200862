export {
  type Collective,
  DEFAULT_ROW_WORDS,
  DEFAULT_TIMEOUT_MS,
  MAX_ROW_WORDS,
  type ParkOptions,
  type Transport,
  type WorkSource,
} from './collective.js';
export type { MissingRank } from './gather-errors.js';
export { MAX_RANKS } from './group-memory.js';
export { agreeOnCapture, agreeOnCaptureSync, type GuardPolicy } from './guard.js';
export { CAPTURE_LACKS, type CaptureLack, type GuardReady, guardRow, type OnAsymmetric } from './guard-row.js';
export { connectRank, type RankConnection } from './rank-connection.js';
export { type GuardDifference, type GuardOutcome, type LackingRank, resolveGuard } from './resolve-guard.js';
export { createSolo } from './solo.js';
export { type RankResult, type SuperviseOptions, superviseRanks } from './supervisor.js';
export { joinThreads } from './threads.js';
export {
  abortGroup,
  createThreadsGroup,
  heartbeatAges,
  interruptGroup,
  isInterrupted,
  type ThreadsGroup,
  type ThreadsGroupOptions,
} from './threads-group.js';
