import type { Parameters } from 'fast-check';

/** Cases that properties take, of those their tests say: `LOCKSTEP_RUNS`. `vitest.config.ts` has each lane's default: a tenth in `npm test`. */
export const FACTOR: number = Number(process.env.LOCKSTEP_RUNS);

/** Whether properties take cases enough to expect that every kind came up. */
export const FULL_RUN: boolean = FACTOR >= 1;

/**
 * So many of the requests of a fixed workload, times `LOCKSTEP_RUNS`: never more than `count`, and never fewer than `least`, which
 * still show what the test is for.
 */
export function share(count: number, least: number): number {
  return Math.min(count, Math.max(least, Math.round(count * FACTOR)));
}

/** All of some fixed cases in a full run, else every `n`th, by the seed which. */
export function drawn<T>(cases: readonly T[], n: number): T[] {
  return cases.filter((_, index) => FULL_RUN || (index + SEED) % n === 0);
}

/** The whole run's seed, which `vitest.config.ts` prints at its head: with `LOCKSTEP_SEED` the same cases come again. */
export const SEED: number = Number(process.env.LOCKSTEP_SEED);

/** Settings of a property: `count` cases, times `LOCKSTEP_RUNS`. A failure prints its seed and path. */
export function runs<T>(count: number): Parameters<T> {
  return { numRuns: Math.max(1, Math.round(count * FACTOR)), seed: SEED };
}
