import type { Parameters } from 'fast-check';

/** Cases that properties take, of those their tests say: `LOCKSTEP_RUNS`. `vitest.config.ts` has each lane's default: a tenth in `npm test`. */
export const FACTOR: number = Number(process.env.LOCKSTEP_RUNS);

/** Whether properties take cases enough to expect that every kind came up. */
export const FULL_RUN: boolean = FACTOR >= 1;

/** The whole run's seed, which `vitest.config.ts` prints at its head: with `LOCKSTEP_SEED` the same cases come again. */
export const SEED: number = Number(process.env.LOCKSTEP_SEED);

/** Settings of a property: `count` cases, times `LOCKSTEP_RUNS`. A failure prints its seed and path. */
export function runs<T>(count: number): Parameters<T> {
  return { numRuns: Math.max(1, Math.round(count * FACTOR)), seed: SEED };
}
