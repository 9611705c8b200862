import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { EAGER_REASONS, type ReasonCode } from '../../dist/index.js';
import { cli } from '../support/cli.js';
import { traces, tracesAbsent } from '../support/traces.js';

const azure = path.join(traces, 'azure-llm-2023-conv.csv');
const mooncake = path.join(traces, 'mooncake-conversation.jsonl');

describe.skipIf(tracesAbsent)('real traces (skipped where there are none)', () => {
  it.each<[string, string[], (run: Record<string, number>) => void]>([
    [
      'Azure',
      ['--trace', azure, '--requests', '2000', '--ranks', '4'],
      (run) => expect(run.idleRankSteps).toBeGreaterThan(0),
    ],
    [
      'Azure with drafts',
      ['--trace', azure, '--requests', '800', '--ranks', '4', '--query-len', '4'],
      (run) => expect(run.tokens).toBeGreaterThan(0),
    ],
    [
      'Azure with micro-batches',
      ['--trace', azure, '--requests', '800', '--ranks', '4', '--ubatches', '2', '--speed', '20'],
      (run) => expect(run.ubatchedSteps).toBeGreaterThan(0),
    ],
    [
      'Azure with a pool so small that requests are preempted',
      ['--trace', azure, '--requests', '800', '--ranks', '4', '--num-blocks', '500'],
      (run) => expect(run.preemptions).toBeGreaterThan(0),
    ],
    ['Mooncake', ['--trace', mooncake, '--requests', '300'], (run) => expect(run.reusedTokens).toBeGreaterThan(0)],
  ])('%s: no mismatch, no divergence, every eager step with a reason', (_name, args, holds) => {
    const { status, stdout, stderr } = cli(['run', ...args, '--json']);
    expect(status, stderr).toBe(0);
    const run = JSON.parse(stdout);
    expect(run).toMatchObject({ mismatches: 0, diverged: 0, interrupted: false });
    const reasons = Object.entries(run.reasons) as [ReasonCode, number][];
    const eager = reasons.filter(([reason]) => EAGER_REASONS.includes(reason));
    expect(eager.reduce((sum, [, count]) => sum + count, 0)).toBe(run.eagerSteps);
    holds(run);
  });
});
