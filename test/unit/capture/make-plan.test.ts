import { describe, expect, it } from 'vitest';
import {
  type CountedSteps,
  type MakePlanOptions,
  makePlan,
  PLAN_PHASES,
  type PlanBudget,
  type PlanDocument,
  type PlanPhase,
  planCosts,
  scheduledSteps,
  type UncapturedMaximum,
  uncapturedMaxima,
} from '../../../dist/entry/capture.js';
import { DEFAULT_LIMITS, type Limits, LOCKSTEP_POLICY, type Policy } from '../../../dist/entry/planner.js';
import { captureCost, generateWorkload, StepHistogram, schedulerLimits } from '../../../dist/entry/workload.js';

const limits = { ...DEFAULT_LIMITS, maxNumSeqs: 64 };

async function counted(policy: Policy = LOCKSTEP_POLICY): Promise<CountedSteps> {
  const scheduler = schedulerLimits({ ranks: 2, maxNumSeqs: 64 });
  const requests = generateWorkload({ requests: 80, seed: 2 });
  return scheduledSteps(requests, { scheduler, policy, split: 0.5 });
}

async function options(more: Partial<MakePlanOptions> = {}): Promise<MakePlanOptions> {
  return {
    limits,
    policy: LOCKSTEP_POLICY,
    costs: await planCosts(limits, true, null),
    memory: captureCost('trtllm-deepseek-r1'),
    budget: { kind: 'graphs', most: 20 },
    sizeMultiple: 1,
    include: [],
    mixed: true,
    split: 0.5,
    ...more,
  };
}

describe('the making of a plan', () => {
  it('tells its phases in their order, and ends between any two once it is aborted', async () => {
    const steps = await counted();
    const phases: PlanPhase[] = [];
    const whole = await options({ onPhase: (phase) => phases.push(phase) });
    await makePlan(steps, whole);
    expect(phases).toEqual(PLAN_PHASES);
    for (const last of PLAN_PHASES) {
      const abort = new AbortController();
      const seen: PlanPhase[] = [];
      const onPhase = (phase: PlanPhase): void => {
        seen.push(phase);
        // As a signal would come: while the event loop has its turn.
        if (phase === last) setImmediate(() => abort.abort());
      };
      const making = makePlan(steps, { ...whole, signal: abort.signal, onPhase });
      await expect(making).rejects.toMatchObject({ code: 'ERR_ABORTED', details: { phase: last } });
      expect(seen.at(-1)).toBe(last);
    }
  });

  it('gives graphs that gain nothing to what was not seen, and captures none of them for a loss', async () => {
    const whole = new StepHistogram({ maxSize: 64 });
    const shape = { prefillRequests: 0, ubatched: false };
    for (const tokens of [3, 5]) whole.add({ ...shape, tokens, decodeRequests: tokens, requests: tokens }, 10);
    const steps: CountedSteps = { kind: 'engine-log', whole, parts: null, ranked: [] };
    const made = async (budget: PlanBudget): Promise<PlanDocument> =>
      makePlan(steps, await options({ budget, mixed: false, objective: 'seen' }));
    const few = await made({ kind: 'padding', most: 0 });
    expect(few.ladders.decode).toEqual([3, 5, 64]);
    expect(few.audit.worstPadding?.ratio).toBe((64 - 6) / 6);
    const ten = await made({ kind: 'graphs', most: 10 });
    expect(ten).toMatchObject({ graphs: 10, paddingRatio: 0, curve: few.curve });
    expect(ten.ladders.decode).toEqual(expect.arrayContaining([3, 5, 64]));
    expect(ten.audit.worstPadding?.ratio).toBeLessThanOrEqual(1);
    const memory = await made({ kind: 'graph-memory', most: 10 * 10e6 });
    expect(memory.ladders).toEqual(ten.ladders);
  });

  it("tells which of the user's maxima engines' defaults leave without a graph", async () => {
    const lost = (more: Partial<Limits>): UncapturedMaximum[] => uncapturedMaxima({ ...limits, ...more });
    const batch = { engine: 'trtllm', maximum: 'largest-decode', asked: 256, captured: 128 };
    expect(lost({ maxNumSeqs: 256 })).toEqual([batch]);
    expect(lost({ maxNumSeqs: 128 })).toEqual([]);
    const list = { engine: 'vllm', maximum: 'largest-size', asked: 500, captured: 496 };
    // The list has 250 itself, since pull request 57355.
    expect(lost({ maxNumSeqs: 250 })[0]).toEqual(list);
    const ceiling = { maximum: 'largest-decode', asked: 1000 };
    expect(lost({ maxNumSeqs: 1000 })).toEqual(
      expect.arrayContaining([
        { ...ceiling, engine: 'vllm', captured: 512 },
        { ...ceiling, engine: 'sglang', captured: 256 },
      ]),
    );
    const { audit } = await makePlan(await counted(), await options({ mixed: false }));
    expect(audit.uncapturedMaxima).toEqual(uncapturedMaxima(limits));
  });

  it('tells where ranks agree to micro-batches in smaller decodes than are captured so', async () => {
    const policy = { ...LOCKSTEP_POLICY, ubatches: 2, ubatchThresholdDecode: 4, ubatchCaptureMinRequests: 16 };
    const include = [4, 8, 15, 16];
    const { audit, ladders } = await makePlan(await counted(policy), await options({ policy, include, mixed: false }));
    expect(audit.looseGate).toEqual({
      agreedFrom: 4,
      capturedFrom: 16,
      sizes: ladders.decode.filter((size) => size >= 4 && size < 16),
    });
    expect(audit.looseGate?.sizes).toEqual(expect.arrayContaining([4, 8, 15]));
    const same = { ...policy, ubatchCaptureMinRequests: 0 };
    expect((await makePlan(await counted(policy), await options({ policy: same }))).audit.looseGate).toBeNull();
  });
});
