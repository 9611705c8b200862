export { type ComparedRecordings, compareRecordings, type Difference, type LastStep } from './compare-recordings.js';
export { type Rederived, rederive } from './rederive.js';
export { type LogDifference, type ReplayedLog, type ReplayOptions, replayLog } from './replay-log.js';
