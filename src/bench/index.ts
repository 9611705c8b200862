export type { BenchResult } from './measure.js';
export { type BenchSummary, runBench } from './run-bench.js';
