import { describe, expect, it } from 'vitest';
import { HANG_MS, runCase } from '../fixtures/faults/job.mjs';
import { complaints } from '../fixtures/faults/judge.mjs';
import { caseOf, KINDS, TRANSPORTS } from '../fixtures/faults/kinds.mjs';
import { SEED } from './property-runs.js';

/** Cases of each kind; `npm run soak:faults` takes more. */
const CASES = 10;

/** Tests that every survivor of a run of four ranks, of which one fails at a random step, says so in time and names it. */
export function describeFaults(transport: (typeof TRANSPORTS)[number]): void {
  describe(`a rank of four on ${transport}, at a random step`, () => {
    // A case that hangs is ended by itself, and is named then.
    const timeout = (CASES + 1) * HANG_MS;
    it.each(KINDS.map((kind, at) => [kind, at] as const))('%s', { timeout }, async (kind, at) => {
      const cases = Array.from({ length: CASES }, (_, round) =>
        caseOf(SEED, (round * TRANSPORTS.length + TRANSPORTS.indexOf(transport)) * KINDS.length + at),
      );
      const left = cases.values();
      const work = async (): Promise<void> => {
        for (const given of left) {
          expect(given).toMatchObject({ transport, fault: { kind } });
          const broken = complaints(await runCase(given));
          expect(broken, `case ${given.index} of seed ${SEED}: ${broken.join('; ')}`).toEqual([]);
        }
      };
      // Ranks that wait for a deadline leave the cores to another case.
      await Promise.all(Array.from({ length: kind === 'stall' ? 2 : 1 }, work));
    });
  });
}
