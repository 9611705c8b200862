export { type ComparedRecordings, compareRecordings, type Difference } from './compare-recordings.js';
export type { Leavers } from './first-to-leave.js';
export type { LastStep } from './last-step.js';
export { type Rederived, rederive } from './rederive.js';
export { type LogDifference, type ReplayedLog, type ReplayOptions, replayLog } from './replay-log.js';
