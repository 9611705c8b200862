export { DEFAULT_TIMEOUT_MS } from '../names.js';
export {
  type Collective,
  DEFAULT_ROW_WORDS,
  type ParkOptions,
  type Transport,
  type WorkSource,
} from './collective.js';
export type { MissingRank } from './failure/gather-errors.js';
export { culpritsOf, reasonOf, sentence } from './failure/loss-record.js';
export { allGatherBytesSync, allGatherJsonSync } from './gather-bytes.js';
export { type AgreedKeys, agreeingOnKeys, type DroppedKey } from './guard/agree-keys.js';
export { agreeingOnCapture, agreeOnCapture, agreeOnCaptureSync, type GuardPolicy } from './guard/guard.js';
export {
  CAPTURE_LACKS,
  type CaptureLack,
  type GuardReady,
  type GuardStage,
  guardRow,
  type OnAsymmetric,
} from './guard/guard-row.js';
export { type GuardOutcome, type LackingRank, resolveGuard } from './guard/resolve-guard.js';
export { jobRanks } from './mpi/job-ranks.js';
export { type MpiAttempt, type MpiProbe, probeMpi } from './mpi/library.js';
export { MpiMail } from './mpi/mail.js';
export type { MpiCollective } from './mpi/message-group.js';
export { joinMpi, type MpiOptions } from './mpi/mpi.js';
export { allGatherRounds, joinedJob, mpiRank, spinsOf, startMpi } from './mpi/world.js';
export { createSolo } from './solo.js';
export { connectRank, type RankConnection } from './threads/rank-connection.js';
export {
  type RankResult,
  type SupervisedRanks,
  type SuperviseOptions,
  supervise,
  superviseRanks,
} from './threads/supervisor.js';
export { type JoinThreadsOptions, joinThreads } from './threads/threads.js';
export {
  abortGroup,
  createThreadsGroup,
  heartbeatAges,
  interruptGroup,
  isInterrupted,
  type ThreadsGroup,
  type ThreadsGroupOptions,
} from './threads/threads-group.js';
