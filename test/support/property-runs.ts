import type { Parameters } from 'fast-check';

const factor = Number(process.env.LOCKSTEP_RUNS ?? 1);

/** Whether properties run often enough to expect that every case came up. */
export const FULL_RUN: boolean = factor >= 1;

/** Settings of a property: `count` runs, times `LOCKSTEP_RUNS` (default 1). A failure prints its seed and path. */
export function runs<T>(count: number): Parameters<T> {
  return { numRuns: Math.max(1, Math.round(count * factor)) };
}
