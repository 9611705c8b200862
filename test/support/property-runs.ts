import type { Parameters } from 'fast-check';

/** Settings of a property: `count` runs, times `LOCKSTEP_RUNS` (default 1). A failure prints its seed and path. */
export function runs<T>(count: number): Parameters<T> {
  return { numRuns: Math.max(1, Math.round(count * Number(process.env.LOCKSTEP_RUNS ?? 1))) };
}
