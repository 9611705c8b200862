import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { PlanDocument } from '../../../dist/entry/capture.js';
import { ladderCost, leastCostsByLayers } from '../../oracles/ladder-oracle.js';
import { cli } from '../../support/cli.js';
import { profiles, profilesAbsent, traces, tracesAbsent } from '../../support/traces.js';

function plan(...args: string[]): PlanDocument {
  const trace = path.join(traces, 'azure-llm-2023-conv.csv');
  const { status, stdout, stderr } = cli([
    'plan',
    ...['--trace', trace, '--ranks', '1', '--max-num-seqs', '512', '--objective', 'seen', '--json'],
    ...args,
  ]);
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout);
}

/** What is reported must be the optimum of its own histogram and costs. */
function expectOptimal({ histogram, cost, graphs, ladders }: PlanDocument): void {
  const sizes = Array.from({ length: 513 }, (_, size) => size);
  const counts = sizes.map((size) => histogram.decode[size] ?? 0);
  const problem = { counts, costs: sizes.map((size) => cost.decode[size] ?? 0), multiple: 1, include: [] };
  const least = leastCostsByLayers(problem, graphs).at(-1) as number;
  expect(ladderCost(problem, ladders.decode) / least).toBeCloseTo(1, 9);
}

describe.skipIf(tracesAbsent)('lockstep plan of the Azure trace, one rank of 512 requests', () => {
  it("pads a quarter of what vLLM's 51 do, a third of the graphs do as well, and the unseen half less than 0.4", () => {
    const document = plan('--graphs', '51');
    const vllm = document.engines.find(({ engine }) => engine === 'vllm');
    expect([document.graphs, vllm?.graphs]).toEqual([51, 51]);
    expect(document.paddingRatio).toBeLessThanOrEqual((vllm?.paddingRatio ?? 0) / 4);
    expect(document.equalPadding[0]).toEqual({ engine: 'vllm', graphs: expect.any(Number) });
    expect(document.equalPadding[0].graphs).toBeLessThanOrEqual(17);
    const theirs = document.unseen?.engines.find(({ engine }) => engine === 'vllm')?.paddingRatio ?? 0;
    expect(document.unseen?.paddingRatio).toBeLessThanOrEqual(0.4 * theirs);
    expectOptimal(document);
  });

  it.skipIf(profilesAbsent)('loses at most 0.1 % of the time on 12 graphs, by a measured H100 profile', () => {
    const cost = path.join(profiles, 'h100-llama-2-70b-hf.csv');
    const document = plan('--cost', cost, '--tensor-parallel-size', '4');
    expect(document.graphs).toBeLessThanOrEqual(12);
    expect(document.timeRatio).toBeLessThanOrEqual(0.001);
    expectOptimal(document);
  });
});
