import { describe, expect, test } from 'vitest';
import { draftQueryLen } from '../../../dist/config.js';
import { engineCapture, readProfile } from '../../../dist/engines/index.js';
import { simulate } from '../../../dist/entry/run.js';
import { generateWorkload, SchedulerModel, schedulerLimits } from '../../../dist/entry/workload.js';

/** 4 drafts up to 64 requests, 2 up to 128, 1 above. */
const SCHEDULE = [
  { maxRequests: 64, drafts: 4 },
  { maxRequests: 128, drafts: 2 },
  { maxRequests: null, drafts: 1 },
];

describe('drafts by batch size', () => {
  test('each tier has its query length', () => {
    const lengths = [1, 64, 65, 128, 129, 1000].map((requests) => draftQueryLen(SCHEDULE, requests));
    expect(lengths).toEqual([5, 5, 3, 3, 2, 2]);
  });

  test('an engine captures decode graphs of every query length that a batch can have', () => {
    for (const engine of ['vllm', 'sglang', 'trtllm'] as const) {
      const of = (maxNumSeqs: number): number[] => {
        const { keys } = engineCapture({ engine, draftSchedule: SCHEDULE, maxNumSeqs });
        const decodes = keys.filter(({ mode, prefillRequests }) => mode === 'full' && prefillRequests === 0);
        return [...new Set(decodes.map(({ queryLen }) => queryLen))].sort();
      };
      expect(of(200)).toEqual([2, 3, 5]);
      expect(of(100)).toEqual([3, 5]);
      expect(of(10)).toEqual([5]);
    }
  });

  test("launch lines and YAML that say so are read; vLLM's first runner has no full graphs then", () => {
    const config = JSON.stringify({
      num_speculative_tokens_per_batch_size: [
        [1, 64, 4],
        [65, 128, 2],
        [129, 256, 1],
      ],
    });
    const { profile } = readProfile(`vllm serve m --speculative-config '${config}'`);
    expect(profile.draftSchedule).toEqual(SCHEDULE);
    expect(engineCapture(profile).mode).toBe('FULL_AND_PIECEWISE');
    expect(engineCapture({ ...profile, runner: 'v1' }).mode).toBe('PIECEWISE');
    const yaml = 'cuda_graph_config: {batch_sizes: [1, 8]}\nspeculative_config: {draft_len_schedule: {8: 2, 4: 4}}';
    expect(readProfile(yaml).profile.draftSchedule).toEqual([
      { maxRequests: 4, drafts: 4 },
      { maxRequests: 8, drafts: 2 },
      { maxRequests: null, drafts: 0 },
    ]);
  });

  test('the scheduler gives a decode the tokens of its tier, and every tier runs on full graphs of its own', async () => {
    const draftSchedule = [
      { maxRequests: 2, drafts: 3 },
      { maxRequests: null, drafts: 1 },
    ];
    const requests = generateWorkload({ requests: 30, seed: 3, requestsPerSecond: 30 });
    const model = new SchedulerModel(
      requests,
      schedulerLimits({ ranks: 1, maxNumSeqs: 8, queryLen: 4, draftSchedule }),
    );
    const seen = new Set<string>();
    for (let schedule = model.next(); schedule !== null; schedule = model.next()) {
      const decodes = schedule.ranks[0].scheduled.filter(({ phase }) => phase === 'decode');
      const longest = Math.max(0, ...decodes.map(({ queryLen }) => queryLen));
      const most = draftQueryLen(draftSchedule, decodes.length);
      if (decodes.length > 0) expect(longest).toBeLessThanOrEqual(most);
      if (longest === most) seen.add(`${decodes.length <= 2} ${longest}`);
      model.complete();
    }
    expect([...seen].sort()).toEqual(['false 2', 'true 4']);
    const engine = { engine: 'vllm', maxNumSeqs: 8, draftSchedule } as const;
    const summary = await simulate(requests, { ranks: 1, engine });
    expect(summary).toMatchObject({ queryLen: 4, policy: 'vllm-v2' });
    expect(summary.reasons.graph).toBeGreaterThan(summary.steps / 3);
    const fixed = await simulate(requests, { ranks: 1, engine: { engine: 'vllm', maxNumSeqs: 8, queryLen: 4 } });
    expect(summary.graphKinds.decode).toBeGreaterThan(fixed.graphKinds.decode);
  });
});
