import { describe, expect, test } from 'vitest';
import { draftQueryLen } from '../../../dist/config.js';
import { emitFlags, engineCapture, readProfile } from '../../../dist/engines/index.js';
import { simulate } from '../../../dist/entry/run.js';
import { generateWorkload, SchedulerModel, schedulerLimits } from '../../../dist/entry/workload.js';

/** 4 drafts up to 64 requests, 2 up to 128, 1 above. */
const SCHEDULE = [
  { maxRequests: 64, drafts: 4 },
  { maxRequests: 128, drafts: 2 },
  { maxRequests: null, drafts: 1 },
];

const TIERS = [
  { maxRequests: 37, drafts: 1 },
  { maxRequests: null, drafts: 0 },
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
      // TensorRT-LLM's list ends at 128 requests.
      expect(of(200)).toEqual(engine === 'trtllm' ? [3, 5] : [2, 3, 5]);
      expect(of(100)).toEqual([3, 5]);
      expect(of(10)).toEqual([5]);
    }
  });

  test('TensorRT-LLM captures each batch with the drafts of its tier alone', () => {
    const { profile } = readProfile(
      [
        'cuda_graph_config: {batch_sizes: [1, 2, 3, 4, 5, 6, 7, 8, 16, 24, 32, 64], enable_padding: true}',
        'speculative_config: {draft_len_schedule: {4: 4, 8: 2, 32: 1}}',
      ].join('\n'),
    );
    const { keys } = engineCapture({ ...profile, maxNumSeqs: 64 });
    const drafts = Object.fromEntries(keys.map(({ decodeRequests, queryLen }) => [decodeRequests, queryLen - 1]));
    const first = { 1: 4, 2: 4, 3: 4, 4: 4, 5: 2, 6: 2, 7: 2, 8: 2 };
    expect(drafts).toEqual({ ...first, 16: 1, 24: 1, 32: 1, 64: 0 });
    // The ends of the tiers join the list that it makes itself.
    const own = engineCapture({ engine: 'trtllm', maxNumSeqs: 64, draftSchedule: TIERS });
    expect(own.keys.some(({ decodeRequests }) => decodeRequests === 37)).toBe(true);
  });

  test('a schedule is in the flags of the engines that take one, with the sizes of its own tiers', () => {
    const limits = { maxNumSeqs: 256, maxNumBatchedTokens: 8192, queryLen: 5 };
    const emitted = (engine: 'vllm' | 'trtllm' | 'sglang') =>
      emitFlags(engine, [5, 40, 320, 640, 1280], limits, { profile: { draftSchedule: SCHEDULE } });
    expect(emitted('vllm')).toMatchObject({ sizes: [5, 40, 320, 384, 512], exact: true });
    expect(emitted('vllm').flags).toContain("per_batch_size '[[1,64,4],[65,128,2],[129,256,1]]'");
    expect(emitted('trtllm')).toMatchObject({ sizes: [5, 40, 320, 384, 512], exact: true });
    expect(emitted('trtllm').flags).toContain('draft_len_schedule: {64: 4, 128: 2, 256: 1}');
    expect(emitted('sglang')).toMatchObject({ exact: false });
    expect(emitted('sglang').note).toContain('it takes no drafts by batch size');
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
