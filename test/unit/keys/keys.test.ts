import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  type CaptureKey,
  createPlanner,
  decodeKey,
  decodePlan,
  mixedKey,
  piecewiseKey,
  type Row,
  type StepPlanner,
} from '../../../dist/entry/planner.js';
import { refusedWith } from '../../support/expectations.js';
import { policyWith } from '../../support/planner-setup.js';
import { FULL_RUN, runs } from '../../support/property-runs.js';

const limits = { maxNumSeqs: 8, maxNumBatchedTokens: 32, maxModelLen: 64, blockSize: 8, numBlocks: 100 };
const plan = decodePlan({ sizes: [1, 2, 4, 8], limits: { maxNumSeqs: 8, queryLen: 1 }, policy: policyWith({}) });

let planner: StepPlanner;
let row: Row;

beforeEach(async () => {
  planner = await createPlanner({ limits, plan, poison: true });
  row = planner.requests.add({ blockIds: [7, 9], numComputedTokens: 8 });
});

function decodeStep(): void {
  planner.requests.schedule(row, { phase: 'decode', queryLen: 1 });
  planner.build(planner.resolve(planner.vote()));
}

describe('keepKeys', () => {
  it('leaves the captured graphs, renumbered, under another hash', () => {
    const { planHash } = planner;
    planner.keepKeys([0, 2]);
    expect(planner.plan.keys.map(({ tokens }) => tokens)).toEqual([8, 2]);
    expect(planner.planHash).not.toBe(planHash);
    decodeStep();
    expect(planner.decision).toMatchObject({ captureKey: 1, paddedTokens: 2 });
    planner.keepKeys([]);
    decodeStep();
    expect(planner.decision).toMatchObject({ run: 'eager', reason: 'no-key-for-phase' });
  });

  it('leaves what a plan of those graphs alone decides, of every kind', async () => {
    const every: CaptureKey[] = [
      ...[1, 2, 4, 8].map((requests) => decodeKey(requests, 1, 1)),
      ...[4, 8, 16, 32].map((tokens) => mixedKey(tokens, 1, 3, 1)),
      ...[2, 8, 16, 32].map((tokens) => piecewiseKey(tokens)),
    ];
    const batch = fc
      .record({ decodes: fc.nat(4), prefill: fc.nat(20) })
      .filter(({ decodes, prefill }) => decodes + prefill > 0);
    const kept = fc.subarray(every.map((_, index) => index));
    const reasons = new Set<string>();
    const law = fc.asyncProperty(kept, kept, batch, async (first, second, { decodes, prefill }) => {
      using whole = await createPlanner({ limits, plan: { keys: every } });
      const left = second.filter((index) => index < first.length);
      const known = whole.plan.keys;
      whole.keepKeys(first);
      whole.keepKeys(left);
      using alone = await createPlanner({ limits, plan: { keys: left.map((index) => known[first[index]]) } });
      expect([whole.planHash, whole.plan]).toEqual([alone.planHash, alone.plan]);
      const decided = [whole, alone].map((each) => {
        for (let request = 0; request < decodes + Math.min(prefill, 1); request++) {
          const isDecode = request < decodes;
          const blockIds = [3 * request + 1, 3 * request + 2, 3 * request + 3];
          const added = each.requests.add({ blockIds, numComputedTokens: isDecode ? 5 : 0 });
          each.requests.schedule(
            added,
            isDecode ? { phase: 'decode', queryLen: 1 } : { phase: 'prefill', queryLen: prefill },
          );
        }
        const { run, reason, captureKey, paddedTokens } = each.resolve(each.vote());
        return { run, reason, captureKey, paddedTokens };
      });
      expect(decided[0]).toEqual(decided[1]);
      reasons.add(decided[0].reason);
    });
    await fc.assert(law, runs(500));
    if (FULL_RUN) for (const reason of ['graph', 'graph-mixed', 'graph-piecewise']) expect(reasons).toContain(reason);
  });

  it('refuses a key that is not there, or twice the same, and keeps the plan', () => {
    const { planHash } = planner;
    refusedWith('ERR_INPUT_INVALID', () => planner.keepKeys([0, 4]));
    refusedWith('ERR_CONFIG_INVALID', () => planner.keepKeys([0, 1, 1]));
    refusedWith('ERR_CONFIG_INVALID', () => planner.keepKeys([0, 1, 2, 3, 0]));
    expect([planner.planHash, planner.plan.keys.length]).toEqual([planHash, 4]);
    decodeStep();
    expect(planner.decision.captureKey).toBe(3);
  });
});

describe('the plan hash', () => {
  it('is the same for the same policy, limits and keys, and differs with each', async () => {
    const hashes = new Set<number>();
    const options = [
      {},
      { plan: { keys: plan.keys.slice(1) } },
      { plan: { keys: [...plan.keys].reverse() } },
      { plan: { keys: [...plan.keys.slice(1), decodeKey(9, 1, 1)] } },
      { policy: { ubatches: 2 } },
      { policy: { enforceEager: true } },
      { limits: { ...limits, maxNumSeqs: 9 } },
      { limits: { ...limits, queryLen: 2 } },
      { ranks: 2 },
    ];
    for (const option of options) {
      const first = await createPlanner({ limits, plan, ...option });
      const second = await createPlanner({ limits, plan, poison: true, ...option });
      expect(second.planHash).toBe(first.planHash);
      hashes.add(first.planHash);
    }
    expect(hashes.size).toBe(options.length);
  });

  it('is the same on ranks that differ in what each keeps to itself', async () => {
    const a = await createPlanner({ limits, plan, ranks: 2, rank: 0 });
    const b = await createPlanner({ limits: { ...limits, numBlocks: 50 }, plan, ranks: 2, rank: 1 });
    expect(b.planHash).toBe(a.planHash);
  });
});
