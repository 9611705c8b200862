import { describe, expect, it } from 'vitest';
import { decodeKey, mixedKey, piecewiseKey } from '../../../dist/entry/planner.js';
import { type RunOptions, type RunSummary, runWorkload } from '../../../dist/entry/run.js';
import { RequestTable } from '../../../dist/entry/workload.js';
import { TEST_DEVICE } from '../../support/device-fixture.js';
import { FULL_RUN, SEED } from '../../support/property-runs.js';

/** Steps that must have run in a mode for its row to count. */
const LEAST = 50;

const dense = `random:dense,seed=${SEED % 1000},layers=2,hiddenSize=32,intermediateSize=48,vocabSize=96,maxPositions=1024`;
const experts = `random:moe,seed=${SEED % 1000},layers=2,hiddenSize=32,intermediateSize=48,vocabSize=96,maxPositions=1024`;

const limits = { maxNumSeqs: 8, maxNumBatchedTokens: 64, blockSize: 8, maxModelLen: 192 };
const ladder = [1, 2, 4, 8, 16];
const cut = { ubatches: 2, ubatchThresholdDecode: 3, ubatchThresholdPrefill: 12 };

/** Requests that come a few at a time: prompts of 5 to 40 tokens, 16 to 96 generated. */
function workload(count: number): RequestTable {
  return RequestTable.from(
    Array.from({ length: count }, (_, index) => ({
      arrivalMs: index * 8,
      inputTokens: 5 + ((index * 17) % 36),
      outputTokens: 16 + ((index * 29) % 81),
      hashIds: null,
    })),
  );
}

/** Requests that share prompts of 512 tokens. */
function shared(count: number): RequestTable {
  return RequestTable.from(
    Array.from({ length: count }, (_, index) => ({
      arrivalMs: index * 200,
      inputTokens: 520 + index,
      outputTokens: 8,
      hashIds: [index % 2, 100 + index],
    })),
  );
}

interface Row {
  readonly name: string;
  readonly options: RunOptions;
  readonly requests?: RequestTable;
  /** Of the summary, how often the mode came up. */
  readonly modes: (run: RunSummary) => readonly number[];
}

/** Steps of a run that was planned ahead. */
const ahead = (run: RunSummary): number => (run.async ? run.steps : 0);

const graphs = (run: RunSummary): readonly number[] => [run.graphSteps];

/** Drafts of requests that draw their tokens, taken and refused. */
const sampledDrafts = (run: RunSummary): readonly number[] => [run.sampledAcceptedDrafts, run.sampledRejectedDrafts];

const rows: readonly Row[] = [
  { name: 'one rank, graphs', options: { ranks: 1, ladder }, modes: graphs },
  { name: 'one rank, every batch padded to one size', options: { ranks: 1, ladder: [16] }, modes: graphs },
  {
    name: 'graphs of mixed steps',
    options: { ranks: 2, plan: { keys: [decodeKey(8, 1, 1), mixedKey(64, 4, 8, 1)] } },
    modes: (run) => [run.graphSteps - run.eagerSteps],
  },
  {
    name: 'piecewise graphs',
    options: { ranks: 2, plan: { keys: [piecewiseKey(8), piecewiseKey(64)] } },
    modes: (run) => [run.piecewiseSteps],
  },
  {
    name: 'piecewise graphs in parts',
    options: {
      ranks: 2,
      plan: { keys: [piecewiseKey(8), piecewiseKey(64)] },
      policy: { ...cut, graphAgreement: 'min-mode-padded', split: 'padded-share', sharedBlocks: 'veto' },
    },
    modes: (run) => [run.piecewiseSteps],
  },
  {
    name: 'eager, cut in two where tokens say',
    options: { ranks: 2, policy: cut },
    modes: (run) => [run.ubatchedSteps],
  },
  {
    name: 'graphs in two parts, and their twins',
    options: { ranks: 2, ladder, policy: cut, speed: 0.6 },
    requests: workload(80),
    modes: (run) => [run.ubatchedSteps, run.twinSteps],
  },
  {
    name: 'graphs and eager steps in four parts',
    options: { ranks: 1, ladder, policy: { ...cut, ubatches: 4, ubatchThresholdDecode: 4 } },
    modes: (run) => [run.ubatchedSteps],
  },
  {
    name: 'four ranks, idle ones too',
    options: { ranks: 4, ladder, policy: cut, speed: 0.2 },
    modes: (run) => [run.idleRankSteps],
  },
  {
    name: 'preemption',
    options: { ranks: 1, ladder, limits: { ...limits, numBlocks: 36 } },
    modes: (run) => [run.preemptions],
  },
  {
    name: 'reused prefixes',
    options: { ranks: 2, ladder, limits: { ...limits, maxModelLen: 640, numBlocks: 400 } },
    requests: shared(12),
    modes: (run) => [run.reusedTokens / limits.blockSize],
  },
  {
    name: 'drafts, taken and refused',
    options: { ranks: 2, ladder, limits: { ...limits, queryLen: 3 }, policy: cut },
    modes: (run) => [run.acceptedDrafts, run.rejectedDrafts, run.graphSteps],
  },
  {
    name: 'tensor parallel ranks',
    options: { ranks: 1, tensorParallelSize: 2, ladder },
    modes: graphs,
  },
  {
    name: 'graphs and eager steps in three parts',
    options: { ranks: 1, ladder, policy: { ...cut, ubatches: 3, ubatchThresholdDecode: 3 } },
    modes: (run) => [run.ubatchedSteps, run.graphSteps],
  },
  {
    name: 'planned ahead',
    options: { ranks: 2, ladder, policy: cut, async: true },
    modes: (run) => [ahead(run), run.graphSteps],
  },
  {
    name: 'planned ahead, with drafts, taken and refused',
    options: { ranks: 2, ladder, limits: { ...limits, queryLen: 3 }, policy: cut, async: true },
    modes: (run) => [ahead(run), run.acceptedDrafts, run.rejectedDrafts, run.graphSteps],
  },
  {
    name: 'drawn tokens, with drafts',
    options: { ranks: 2, ladder, limits: { ...limits, queryLen: 4 }, policy: cut, sampling: { temperature: 0.8 } },
    modes: sampledDrafts,
  },
  {
    name: 'planned ahead, drawn tokens beside greedy ones, with drafts',
    options: {
      ranks: 2,
      ladder,
      limits: { ...limits, queryLen: 3 },
      policy: cut,
      async: true,
      sampling: { temperature: 1.2, topK: 40, topP: 0.9, share: 0.6 },
    },
    modes: (run) => [ahead(run), run.graphSteps, run.acceptedDrafts - run.sampledAcceptedDrafts, ...sampledDrafts(run)],
  },
  {
    name: 'planned ahead, drawn tokens with drafts, preempted, in pieces of two parts',
    options: {
      ranks: 1,
      plan: { keys: [piecewiseKey(8), piecewiseKey(64)] },
      policy: { ...cut, graphAgreement: 'min-mode-padded', split: 'padded-share', sharedBlocks: 'veto' },
      limits: { ...limits, queryLen: 2, numBlocks: 30 },
      async: true,
      sampling: { temperature: 0.7, topP: 0.8 },
    },
    modes: (run) => [ahead(run), run.preemptions, run.piecewiseSteps, ...sampledDrafts(run)],
  },
  {
    name: 'planned ahead on four ranks, idle ones too, drawn tokens with drafts',
    options: {
      ranks: 4,
      ladder,
      limits: { ...limits, queryLen: 4 },
      policy: cut,
      speed: 0.2,
      async: true,
      sampling: { temperature: 1, topK: 5 },
    },
    modes: (run) => [ahead(run), run.idleRankSteps, ...sampledDrafts(run)],
  },
  {
    name: 'planned ahead on tensor parallel ranks, drawn tokens with drafts',
    options: {
      ranks: 1,
      tensorParallelSize: 2,
      ladder,
      limits: { ...limits, queryLen: 3 },
      async: true,
      sampling: { temperature: 1 },
    },
    modes: (run) => [ahead(run), ...sampledDrafts(run)],
  },
  {
    name: 'planned ahead, preempted, in pieces of two parts',
    options: {
      ranks: 1,
      plan: { keys: [piecewiseKey(8), piecewiseKey(64)] },
      policy: { ...cut, graphAgreement: 'min-mode-padded', split: 'padded-share', sharedBlocks: 'veto' },
      limits: { ...limits, numBlocks: 36 },
      async: true,
    },
    modes: (run) => [ahead(run), run.preemptions, run.piecewiseSteps],
  },
  {
    name: 'planned ahead on two replicas of tensor parallel ranks, idle ones too',
    options: { ranks: 2, tensorParallelSize: 2, ladder, policy: cut, speed: 0.2, async: true },
    modes: (run) => [ahead(run), run.idleRankSteps],
  },
  {
    name: 'two replicas of tensor parallel ranks, with drafts',
    options: { ranks: 2, tensorParallelSize: 2, ladder, limits: { ...limits, queryLen: 2 }, policy: cut, speed: 0.3 },
    modes: (run) => [run.graphSteps, run.idleRankSteps],
  },
];

// Each row of either model; but for a full run a quarter of them, by the seed which.
describe.each([
  ['dense', dense, 0],
  ['experts', experts, 1],
])('a model of %s samples the tokens, of logits with the bits, of one eager rank', (_, model, turn) => {
  it.each(rows.filter((_row, index) => FULL_RUN || (index + SEED) % 4 === 2 * turn))(
    '$name',
    async ({ options, requests = workload(40), modes }) => {
      const run = await runWorkload(requests, {
        ...{ limits, stepTime: [1, 0.01, 0], ...options, model },
        device: TEST_DEVICE,
      });
      expect(run.firstMismatches).toEqual([]);
      expect(run).toMatchObject({
        device: TEST_DEVICE,
        mismatches: 0,
        diverged: 0,
        rejected: 0,
        finished: requests.length,
      });
      const processes = options.tensorParallelSize ?? 1;
      expect(run.compared).toBe(run.generatedTokens * processes);
      expect(modes(run).map((count) => count >= LEAST || count)).toEqual(modes(run).map(() => true));
    },
  );
});
