import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeCounts } from '../../dist/capture/choices.js';
import { scoreEngines } from '../../dist/capture/compare-engines.js';
import { planCosts, scheduledSteps } from '../../dist/capture/index.js';
import { largestDecode } from '../../dist/capture/plan-costs.js';
import { completeLimits, draftQueryLen } from '../../dist/config.js';
import {
  capturedBy,
  emitFlags,
  engineCapture,
  engineOfPolicy,
  ladderPlan,
  namedPolicy,
} from '../../dist/engines/index.js';
import { createVllmDispatcher, ENGINE_NAMES, type EngineName, vllmDecodeSizes } from '../../dist/entry/engines.js';
import { simulate } from '../../dist/entry/run.js';
import { captureCost, generateWorkload, schedulerLimits } from '../../dist/entry/workload.js';
import { POLICY_NAMES, type PolicyName } from '../../dist/names.js';
import { completePolicy } from '../../dist/policy/index.js';
import { runs } from '../support/property-runs.js';

const ENGINE_POLICIES = POLICY_NAMES.filter((name) => name !== 'lockstep');
const memory = captureCost('trtllm-deepseek-r1');

const setting = fc.record({
  name: fc.constantFrom<PolicyName>(...ENGINE_POLICIES),
  ranks: fc.integer({ min: 1, max: 3 }),
  maxNumSeqs: fc.integer({ min: 1, max: 40 }),
  maxNumBatchedTokens: fc.integer({ min: 64, max: 700 }),
  queryLen: fc.constantFrom<number>(1, 1, 2, 3),
  ubatches: fc.constantFrom<number>(1, 1, 2),
  threshold: fc.integer({ min: 1, max: 8 }),
  seed: fc.integer({ min: 0, max: 1000 }),
});

const EXAMPLE = { ranks: 1, maxNumSeqs: 12, maxNumBatchedTokens: 300, queryLen: 1, ubatches: 1, threshold: 1, seed: 5 };

describe("an engine's graphs are the same wherever they are asked for", () => {
  test("plan's row and simulate count the same graphs and the same eager decodes", async () => {
    let eager = 0;
    let cut = 0;
    await fc.assert(
      fc.asyncProperty(setting, async ({ name, ranks, ubatches, threshold, seed, ...own }) => {
        const engine = engineOfPolicy(name)?.engine as EngineName;
        const limits = completeLimits({ ...own, maxModelLen: 400, numBlocks: 2000 });
        const policy = completePolicy({
          ...namedPolicy(name),
          ubatches,
          ubatchThresholdDecode: Math.min(threshold, namedPolicy(name).ubatchThresholdDecode),
        });
        const requests = generateWorkload({
          requests: 25,
          seed,
          requestsPerSecond: 40,
          inputTokens: { median: 30, max: 60 },
          outputTokens: { median: 20, max: 60 },
        });
        const scheduler = schedulerLimits({ ranks, ...own, maxModelLen: 400, numBlocks: 2000, acceptRate: 0 });
        const { whole, tables } = await scheduledSteps(requests, { scheduler, policy, split: 0.5 });
        const ubatched = new Float64Array(largestDecode(limits) + 1);
        for (const [size, count] of whole.ubatched) ubatched[size] += count;
        const steps = { ...decodeCounts(whole, largestDecode(limits)), ubatched, mixed: null };
        const costs = await planCosts(limits, false, null);
        const rows = await scoreEngines({ ...steps, tables }, costs, limits, memory, { policy, ranks });
        const row = rows.find((one) => one.engine === engine);
        const simulated = await simulate(requests, { ranks, limits, policy, ladder: engine, acceptRate: 0 });
        expect({ graphs: row?.graphs, kinds: row?.graphKinds }).toEqual({
          graphs: simulated.graphs,
          kinds: simulated.graphKinds,
        });
        expect(row?.eagerSteps).toBe(simulated.eagerDecodeSteps);
        eager += simulated.eagerDecodeSteps;
        cut += simulated.ubatchedSteps;
      }),
      {
        ...runs(300),
        examples: [
          [{ ...EXAMPLE, name: 'atom', maxNumSeqs: 7 }],
          [{ ...EXAMPLE, name: 'sglang', ranks: 2, ubatches: 2 }],
          [{ ...EXAMPLE, name: 'vllm-v1', ranks: 2, ubatches: 2, threshold: 4 }],
          [{ ...EXAMPLE, name: 'megatron', queryLen: 3 }],
        ],
      },
    );
    expect(eager).toBeGreaterThan(0);
    expect(cut).toBeGreaterThan(0);
  });

  test("the graphs of any list under an engine's policy are those of its profile", () => {
    fc.assert(
      fc.property(
        setting,
        fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 8 }),
        ({ name, maxNumSeqs, maxNumBatchedTokens, queryLen, ubatches }, list) => {
          const own = engineOfPolicy(name);
          if (own === null) return;
          const limits = { maxNumSeqs, maxNumBatchedTokens, queryLen };
          const policy = completePolicy({ ...namedPolicy(name), ubatches });
          const sizes =
            own.engine === 'vllm' || own.engine === 'megatron' ? list : list.map((size) => Math.ceil(size / queryLen));
          const wanted = answer(() => engineCapture({ ...limits, ...own, sizes }, policy).keys);
          const found = answer(() => ladderPlan({ ladder: list, limits, policy }).plan.keys);
          expect(found).toEqual(wanted);
          if (name === 'vllm-v2' && ubatches === 1) {
            const tokens = (found as unknown as { mode: string; tokens: number }[])
              .filter(({ mode }) => mode === 'full')
              .map((key) => key.tokens);
            expect(tokens.reverse()).toEqual(vllmDecodeSizes(list, limits));
          }
        },
      ),
      runs(400),
    );
  });

  test('flags that were emitted give the same graphs when they are read', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<EngineName>(...ENGINE_NAMES),
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 600 }), { maxLength: 4 }),
        fc.integer({ min: 1, max: 80 }),
        fc.integer({ min: 1, max: 4 }),
        fc.constantFrom(1, 2),
        (engine, ladder, prefillSizes, maxNumSeqs, queryLen, ubatches) => {
          const limits = { maxNumSeqs, maxNumBatchedTokens: 600, queryLen };
          const profile = { ubatches };
          const emitted = answer(() => emitFlags(engine, ladder, limits, { prefillSizes, profile }));
          if (!('flags' in emitted)) return;
          const { flags, sizes } = emitted as { flags: string; sizes: number[] };
          const captured = capturedBy(engine, flags, limits, { profile });
          expect([...captured.sizes]).toEqual(sizes);
          const again = capturedBy(engine, flags.replaceAll(' --', ' \\\n --'), limits, { profile });
          expect(again.keys).toEqual(captured.keys);
        },
      ),
      runs(300),
    );
  });

  test('drafts by batch size are in the flags that are emitted, and give the same graphs when they are read', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<EngineName>(...ENGINE_NAMES),
        fc.uniqueArray(fc.integer({ min: 1, max: 80 }), { minLength: 1, maxLength: 8 }),
        fc.uniqueArray(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 3 }),
        fc.uniqueArray(fc.integer({ min: 0, max: 5 }), { minLength: 4, maxLength: 4 }),
        fc.integer({ min: 1, max: 80 }),
        (engine, requests, ends, drafts, maxNumSeqs) => {
          const tiers = [...ends.sort((a, b) => a - b), null];
          const draftSchedule = tiers.map((maxRequests, at) => ({ maxRequests, drafts: drafts[at] }));
          const queryLen = 1 + Math.max(...draftSchedule.map((tier) => tier.drafts));
          const limits = { maxNumSeqs, maxNumBatchedTokens: 600, queryLen };
          const ladder = requests.map((count) => count * queryLen);
          const { flags, exact, sizes } = emitFlags(engine, ladder, limits, { profile: { draftSchedule } });
          const captured = capturedBy(engine, flags, { maxNumSeqs, maxNumBatchedTokens: 600 });
          if (engine !== 'vllm' && engine !== 'trtllm') {
            expect(flags).not.toMatch(/speculative/);
            return;
          }
          const known = engineCapture({ ...limits, ...given(captured.profile), engine, draftSchedule });
          expect(captured.keys).toEqual(known.keys);
          expect(captured.sizes).toEqual(sizes);
          if (exact) {
            // Every batch that the ladder holds has a graph of its own tier.
            const most = Math.min(maxNumSeqs, ...[Math.max(...requests)]);
            for (let count = 1; count <= most; count++) {
              const length = draftQueryLen(draftSchedule, count);
              const holds = captured.keys.some((key) => key.queryLen === length && key.decodeRequests >= count);
              if (engine === 'vllm') expect({ count, holds }).toEqual({ count, holds: true });
            }
          }
        },
      ),
      runs(300),
    );
  });

  test("vLLM's dispatcher runs every uniform decode on the graph that the capture has for it", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 60 }),
        async (maxNumSeqs, queryLen, requests) => {
          const limits = { maxNumSeqs, maxNumBatchedTokens: 500, queryLen };
          const { sizes, decodeSizes, piecewiseSizes } = engineCapture({ engine: 'vllm', ...limits });
          const dispatcher = await createVllmDispatcher({ captureSizes: sizes, ...limits });
          const count = Math.min(requests, maxNumSeqs);
          const tokens = count * queryLen;
          const full = decodeSizes.find((size) => size >= tokens);
          const piece = piecewiseSizes.find((size) => size >= tokens);
          const mode = full !== undefined ? 'full' : piece !== undefined ? 'piecewise' : 'none';
          expect(
            dispatcher.dispatch({ numRequests: count, numTokens: tokens, uniformQueryLen: queryLen }),
          ).toMatchObject({
            mode,
            numTokens: full ?? piece ?? tokens,
          });
        },
      ),
      runs(150),
    );
  });
});

/** A complete profile as it can be given. */
function given(own: object): object {
  return Object.fromEntries(Object.entries(own).filter(([, value]) => value !== null));
}

/** What a call gives, or the code of its error. */
function answer<T>(call: () => T): T | { refused: string } {
  try {
    return call();
  } catch (error) {
    return { refused: (error as { code: string }).code };
  }
}
