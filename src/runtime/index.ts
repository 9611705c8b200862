export { createRank, Rank } from './rank.js';
export type { RankOptions, StepOptions, StepResult } from './rank-options.js';
