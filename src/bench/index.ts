export type { BenchResult } from './measure.js';
export { type BenchSummary, DEFAULT_ROUNDS, runBench } from './run-bench.js';
