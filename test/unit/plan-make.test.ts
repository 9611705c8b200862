import { describe, expect, it } from 'vitest';
import {
  type CountedSteps,
  captureCost,
  DEFAULT_LIMITS,
  generateWorkload,
  LOCKSTEP_POLICY,
  largestDecode,
  type MakePlanOptions,
  makePlan,
  PLAN_PHASES,
  type PlanPhase,
  planCosts,
  scheduledSteps,
  schedulerLimits,
} from '../../dist/index.js';

const limits = { ...DEFAULT_LIMITS, maxNumSeqs: 64 };

async function counted(ubatchThreshold: number | null): Promise<CountedSteps> {
  const scheduler = schedulerLimits({ ranks: 2, maxNumSeqs: 64 });
  const requests = generateWorkload({ requests: 80, seed: 2 });
  return scheduledSteps(requests, { scheduler, maximum: largestDecode(limits), ubatchThreshold, split: 0.5 });
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
    const steps = await counted(null);
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

  it('tells where ranks agree to micro-batches in smaller decodes than are captured so', async () => {
    const policy = { ...LOCKSTEP_POLICY, ubatches: 2, ubatchThresholdDecode: 4, ubatchCaptureMinRequests: 16 };
    const include = [4, 8, 15, 16];
    const { audit, ladders } = await makePlan(await counted(4), await options({ policy, include, mixed: false }));
    expect(audit.looseGate).toEqual({
      agreedFrom: 4,
      capturedFrom: 16,
      sizes: ladders.decode.filter((size) => size >= 4 && size < 16),
    });
    expect(audit.looseGate?.sizes).toEqual(expect.arrayContaining([4, 8, 15]));
    const same = { ...policy, ubatchCaptureMinRequests: 0 };
    expect((await makePlan(await counted(4), await options({ policy: same }))).audit.looseGate).toBeNull();
  });
});
