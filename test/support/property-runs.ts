import type { Parameters } from 'fast-check';

/** How many times as often as usual properties run: `LOCKSTEP_RUNS`, default 1. */
export const FACTOR: number = Number(process.env.LOCKSTEP_RUNS ?? 1);

/** Whether properties run often enough to expect that every case came up. */
export const FULL_RUN: boolean = FACTOR >= 1;

/** The whole run's seed, which `vitest.config.ts` prints at its head: with `LOCKSTEP_SEED` the same cases come again. */
const seed = Number(process.env.LOCKSTEP_SEED);

/** Settings of a property: `count` runs, times `LOCKSTEP_RUNS`. A failure prints its seed and path. */
export function runs<T>(count: number): Parameters<T> {
  return { numRuns: Math.max(1, Math.round(count * FACTOR)), seed };
}
