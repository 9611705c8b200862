import { setTimeout } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { LockstepError } from '../../dist/entry/planner.js';
import { createService } from '../../dist/entry/service.js';
import { textAfter } from '../fixtures/service/next-token.mjs';
import { TEST_DEVICE } from '../support/device-fixture.js';
import { FULL_RUN, runs } from '../support/property-runs.js';

const entry = new URL('../fixtures/service/hash-forward.mjs', import.meta.url);
const VOCABULARY = 12;
/** The token that ends the rank which computes it. */
const FATAL = 11;
const seen = { whole: 0, left: 0, lost: 0, refused: 0, slow: 0 };

const reader = fc.record({
  prompt: fc.array(fc.nat({ max: FATAL - 1 }), { minLength: 1, maxLength: 30 }),
  fatal: fc.nat({ max: 24 }).map((one) => one === 0),
  maxTokens: fc.integer({ min: 1, max: 40 }),
  temperature: fc.constantFrom(0, 1),
  seed: fc.nat({ max: 9 }),
  client: fc.constantFrom('a', 'b', 'c'),
  afterMs: fc.nat({ max: 30 }),
  leavesAfter: fc.option(fc.integer({ min: 1, max: 20 })),
  pauseMs: fc.constantFrom(0, 0, 0, 15),
});

type Reader = typeof reader extends fc.Arbitrary<infer T> ? T : never;

it('law: whoever leaves, waits or loses a rank, each reader gets what its request says, as far as it reads', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(reader, { minLength: 1, maxLength: 24, size: 'max' }),
      fc.record({ ranks: fc.integer({ min: 1, max: 3 }), tensorParallelSize: fc.constantFrom(1, 1, 2) }),
      fc.record({ queryLen: fc.integer({ min: 1, max: 3 }), numBlocks: fc.integer({ min: 24, max: 60 }) }),
      fc.constantFrom(2, 1000),
      fc.boolean(),
      async (readers, ranks, some, maxUnread, cycle) => {
        const limits = { maxNumSeqs: 3, maxNumBatchedTokens: 24, maxModelLen: 80, blockSize: 4, ...some };
        const data = { vocabSize: VOCABULARY, cycle, crashOn: FATAL };
        const service = await createService({
          model: { entry, data, vocabSize: VOCABULARY },
          device: TEST_DEVICE,
          ...ranks,
          limits,
          maxQueue: 10,
          maxUnread,
          restarts: 100,
          ladder: [1, 2, 4].map((size) => size * some.queryLen),
        });
        const follow = async (given: Reader): Promise<void> => {
          const { prompt, maxTokens, temperature, seed, client, afterMs, leavesAfter, pauseMs } = given;
          await setTimeout(afterMs);
          const ids = given.fatal ? [...prompt, FATAL] : prompt;
          const whole = textAfter(data, ids, maxTokens, { temperature, seed: BigInt(seed), stops: [FATAL] });
          const said: number[] = [];
          try {
            const options = { maxTokens, temperature, seed, client, stopTokenIds: [FATAL] };
            for await (const { token } of service.generate(ids, options)) {
              said.push(token);
              if (said.length === leavesAfter) break;
              if (pauseMs > 0 && said.length < 4) await setTimeout(pauseMs);
            }
            const count = Math.min(whole.length, leavesAfter ?? whole.length);
            expect(said).toEqual(whole.slice(0, count));
            if (count === whole.length) seen.whole++;
            else seen.left++;
            if (pauseMs > 0) seen.slow++;
          } catch (error) {
            const { code } = error as LockstepError;
            if (code !== 'ERR_OVERLOADED' && code !== 'ERR_RANK_LOST') throw error;
            expect(said).toEqual(whole.slice(0, said.length));
            if (code === 'ERR_RANK_LOST') seen.lost++;
            else seen.refused++;
          }
        };
        await Promise.all(readers.map(follow));
        await service.drain();
        const deadline = performance.now() + 20_000;
        const idle = (): boolean => {
          const { queued, waiting, running, suspended } = service.stats();
          return queued + waiting + running + suspended === 0;
        };
        while (!idle() && performance.now() < deadline) await setTimeout(2);
        expect(idle()).toBe(true);
        await service.close();
      },
    ),
    runs(80),
  );
  if (!FULL_RUN) return;
  expect(Math.min(...Object.values(seen))).toBeGreaterThan(0);
});
