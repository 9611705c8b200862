import fc from 'fast-check';
import { expect, it } from 'vitest';
import { RawRules } from '../../dist/agreement/index.js';
import { mixedKey } from '../../dist/entry/planner.js';
import { holds, type MixedStep } from '../../dist/keys/index.js';
import { loadModules } from '../../dist/memory/modules.js';
import type { CheckedPolicy } from '../../dist/policy/index.js';
import { NO_PADDING_LIMIT } from '../../dist/policy/index.js';
import { FULL_RUN, runs } from '../support/property-runs.js';

const modules = await loadModules();
const length = fc.integer({ min: 1, max: 5 });
/** Query lengths of a rank's decodes and of its prefills. */
const batch = fc.record({ decodes: fc.array(length, { maxLength: 4 }), prefills: fc.array(length, { maxLength: 4 }) });

const key = fc
  .record({
    tokens: fc.integer({ min: 12, max: 36 }),
    prefills: fc.integer({ min: 1, max: 4 }),
    decodes: fc.nat(4),
    queryLen: fc.integer({ min: 2, max: 5 }),
    maxQueryLen: fc.integer({ min: 3, max: 30 }),
  })
  .map(({ tokens, prefills, decodes, queryLen, maxQueryLen }) => ({
    ...mixedKey(tokens, prefills, decodes, queryLen),
    maxQueryLen,
  }));

it('which mixed graph holds a step is the same to a plan as to the rules that run it', () => {
  const seen = new Map<string, number>();
  fc.assert(
    fc.property(
      key,
      fc.array(batch, { minLength: 1, maxLength: 3 }),
      fc.constantFrom<CheckedPolicy['mixedMatch']>('slots', 'strict', 'slot-count'),
      (one, batches, mixedMatch) => {
        fc.pre(batches.some(({ prefills }) => prefills.length > 0));
        const rules = new RawRules(modules, {
          limits: { maxNumSeqs: 8, maxNumBatchedTokens: 64, maxModelLen: 64, queryLen: 5 },
          policy: { mixedMatch, maxPaddingFactor: NO_PADDING_LIMIT },
          keys: [one],
          ranks: batches.length,
        });
        const all = batches.map(({ decodes, prefills }) => [...decodes, ...prefills]);
        for (const [rank, { decodes, prefills }] of batches.entries()) {
          const tokens = all[rank].reduce((sum, len) => sum + len, 0);
          rules.vote(rank, {
            tokens,
            prefillRequests: prefills.length,
            decodeRequests: decodes.length,
            maxQueryLen: Math.max(0, ...all[rank]),
            maxDecodeQueryLen: Math.max(0, ...decodes),
            part0Tokens: tokens,
          });
        }
        const most = (of: (rank: number) => number): number => Math.max(...batches.map((_, rank) => of(rank)));
        const step: MixedStep = {
          tokens: most((rank) => all[rank].reduce((sum, len) => sum + len, 0)),
          prefillRequests: most((rank) => batches[rank].prefills.length),
          decodeRequests: most((rank) => batches[rank].decodes.length),
          requests: most((rank) => all[rank].length),
          maxQueryLen: Math.max(...all.flat()),
          maxDecodeQueryLen: Math.max(0, ...batches.flatMap(({ decodes }) => decodes)),
        };
        const runsOn = rules.resolve().run === 'full';
        expect({ one, step, mixedMatch, held: holds(one, step, mixedMatch) }).toEqual({
          one,
          step,
          mixedMatch,
          held: runsOn,
        });
        const name = `${mixedMatch} ${runsOn}`;
        seen.set(name, (seen.get(name) ?? 0) + 1);
        // What is not known of query lengths is held.
        const { maxQueryLen: _, maxDecodeQueryLen: __, ...counts } = step;
        if (runsOn) expect(holds(one, counts, mixedMatch)).toBe(true);
      },
    ),
    runs(800),
  );
  if (FULL_RUN)
    for (const match of ['slots', 'strict', 'slot-count']) {
      for (const run of [true, false]) expect(seen.get(`${match} ${run}`)).toBeGreaterThan(10);
    }
});
