import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { decodeKey, EAGER_REASONS, mixedKey, piecewiseKey, type ReasonCode } from '../../../dist/entry/planner.js';
import type { RunSummary } from '../../../dist/entry/run.js';
import { cli } from '../../support/cli.js';
import { share } from '../../support/property-runs.js';
import { traces, tracesAbsent } from '../../support/traces.js';

const azure = path.join(traces, 'azure-llm-2023-conv.csv');
const mooncake = path.join(traces, 'mooncake-conversation.jsonl');

const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-traces-'));
afterAll(() => rmSync(folder, { recursive: true }));
const plan = path.join(folder, 'plan.json');
const powers = (least: number, most: number): number[] =>
  Array.from({ length: Math.log2(most / least) + 1 }, (_, exponent) => least * 2 ** exponent);
writeFileSync(
  plan,
  JSON.stringify({
    schemaVersion: 1,
    policy: {},
    keys: [
      ...powers(1, 256).map((requests) => decodeKey(requests, 1, 1)),
      ...powers(256, 8192).map((tokens) => mixedKey(tokens, 1, 64, 1)),
      ...powers(1, 8192).map(piecewiseKey),
    ],
  }),
);

/** So many requests of a trace, as the option is typed. */
const ofTrace = (count: number, least: number): string => String(share(count, least));

/** The plan has a graph for every batch: of each kind some runs, and nothing runs eager. */
function everyKind(run: RunSummary): void {
  for (const reason of ['graph', 'graph-mixed', 'graph-piecewise'] as const) {
    expect(run.reasons[reason], reason).toBeGreaterThan(0);
  }
  expect([run.graphSteps, run.eagerSteps]).toEqual([run.steps, 0]);
}

describe.skipIf(tracesAbsent)('real traces (skipped where there are none)', () => {
  it.each<[string, string[], (run: RunSummary) => void]>([
    [
      'Azure',
      ['--trace', azure, '--requests', ofTrace(2000, 200), '--ranks', '4'],
      (run) => expect(run.idleRankSteps).toBeGreaterThan(0),
    ],
    [
      'Azure with drafts',
      ['--trace', azure, '--requests', ofTrace(800, 200), '--ranks', '4', '--query-len', '4'],
      (run) => expect(run.tokens).toBeGreaterThan(0),
    ],
    [
      'Azure with micro-batches',
      ['--trace', azure, '--requests', ofTrace(800, 200), '--ranks', '4', '--ubatches', '2', '--speed', '20'],
      (run) => expect(run.ubatchedSteps).toBeGreaterThan(0),
    ],
    [
      'Azure with a pool so small that requests are preempted',
      ['--trace', azure, '--requests', ofTrace(800, 200), '--ranks', '4', '--num-blocks', '500'],
      (run) => expect(run.preemptions).toBeGreaterThan(0),
    ],
    [
      'Mooncake',
      ['--trace', mooncake, '--requests', ofTrace(300, 100)],
      (run) => expect(run.reusedTokens).toBeGreaterThan(0),
    ],
    [
      'Azure on mixed and piecewise graphs',
      [
        '--trace',
        azure,
        '--requests',
        ofTrace(400, 150),
        '--ranks',
        '4',
        '--speed',
        '8',
        '--plan',
        plan,
        '--check-shapes',
      ],
      everyKind,
    ],
    [
      'Azure on them in replicas',
      [
        '--trace',
        azure,
        '--requests',
        ofTrace(300, 100),
        '--tensor-parallel-size',
        '2',
        '--speed',
        '4',
        '--plan',
        plan,
      ],
      everyKind,
    ],
    [
      'Mooncake on mixed and piecewise graphs',
      ['--trace', mooncake, '--requests', ofTrace(200, 80), '--plan', plan],
      everyKind,
    ],
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
