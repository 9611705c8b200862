import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { createService, type GenerateOptions, type Service, type ServiceOptions } from '../../dist/entry/service.js';
import { letters } from '../fixtures/service/letters.mjs';
import { TEST_DEVICE } from '../support/device-fixture.js';
import { FULL_RUN, runs } from '../support/property-runs.js';

/** Its few tokens repeat themselves soon, so that many drafts are right. */
const model = 'random:dense,vocabSize=16';
const limits = { maxModelLen: 96, maxNumSeqs: 6, maxNumBatchedTokens: 48, blockSize: 8 };

/** One rank, eager, a token a step. */
const plain = await createService({ model, device: TEST_DEVICE, limits, tokenizer: letters });
afterAll(() => plain.close());

interface Asked {
  readonly prompt: readonly number[];
  readonly options: GenerateOptions;
}

const asked: fc.Arbitrary<Asked> = fc.record({
  prompt: fc.array(fc.nat({ max: 15 }), { minLength: 1, maxLength: 20 }),
  options: fc.record({
    maxTokens: fc.integer({ min: 0, max: 60 }),
    temperature: fc.constantFrom(0, 0.2, 0.6, 1, 2),
    topK: fc.constantFrom(0, 2, 5),
    topP: fc.constantFrom(0.5, 0.9, 1),
    seed: fc.nat(),
    stop: fc.constantFrom<readonly string[]>([], ['ab'], ['c', 'dd'], ['eafb']),
    stopTokenIds: fc.constantFrom<readonly number[]>([], [], [7]),
    ignoreEos: fc.boolean(),
  }),
});

const cut = { ubatches: 2, ubatchThresholdDecode: 2 };
/** Whole steps, steps cut between requests, and steps cut wherever half of their padded tokens ends: within a window of drafts too. */
const policies = [
  {},
  cut,
  { ...cut, graphAgreement: 'min-mode-padded', split: 'padded-share', sharedBlocks: 'veto' },
] as const;

const serving: fc.Arbitrary<Partial<ServiceOptions>> = fc
  .record({
    ranks: fc.integer({ min: 1, max: 4 }),
    queryLen: fc.integer({ min: 2, max: 4 }),
    numBlocks: fc.constantFrom(14, 80),
    maxNumBatchedTokens: fc.constantFrom(16, 48),
    graphs: fc.boolean(),
    policy: fc.constantFrom(...policies),
    async: fc.constantFrom(true, true, true, false),
  })
  .map(({ ranks, async, queryLen, graphs, policy, ...few }) => ({
    ...{ ranks, async, policy, limits: { ...limits, ...few, queryLen } },
    ...(graphs && !('split' in policy) ? { ladder: [queryLen, 2 * queryLen, 4 * queryLen] } : {}),
  }));

/** What a request is given, token by token, and how it ends. */
async function said(service: Service, { prompt, options }: Asked): Promise<unknown[]> {
  const all: unknown[] = [];
  for await (const { token, text, finishReason } of service.generate(prompt, options))
    all.push([token, text, finishReason]);
  return all;
}

it('law: requests that draw their tokens say with drafts, planned ahead or not, what they say without, greedy ones beside them', async () => {
  let [drafted, accepted] = [0, 0];
  await fc.assert(
    fc.asyncProperty(fc.array(asked, { minLength: 1, maxLength: 10 }), serving, async (requests, options) => {
      const expected = await Promise.all(requests.map((request) => said(plain, request)));
      await using service = await createService({ model, device: TEST_DEVICE, tokenizer: letters, ...options });
      expect(await Promise.all(requests.map((request) => said(service, request)))).toEqual(expected);
      for (const { engine } of service.stats().ranks) {
        drafted += engine.draftTokens;
        accepted += engine.acceptedTokens;
      }
    }),
    runs(60),
  );
  if (!FULL_RUN) return;
  expect(Math.min(accepted, drafted - accepted)).toBeGreaterThan(50);
});
