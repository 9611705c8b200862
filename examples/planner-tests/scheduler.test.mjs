// Tests of a scheduler with the planner alone: no device, no addon, no GPU, any system that runs Node.
//   node --test examples/planner-tests/scheduler.test.mjs
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPlanner, decodePlan, LOCKSTEP_POLICY } from 'lockstep/planner';
import { Scheduler } from './scheduler.mjs';

const limits = {
  maxNumSeqs: 8,
  maxNumBatchedTokens: 128,
  maxModelLen: 512,
  blockSize: 16,
  numBlocks: 512,
  queryLen: 1,
};
const plan = decodePlan({ sizes: [1, 2, 4, 8], limits, policy: LOCKSTEP_POLICY });

/** A rank: its scheduler, and the planner that holds its requests. */
async function createRank(rank, ranks, load) {
  const planner = await createPlanner({ limits, plan, rank, ranks });
  const scheduler = new Scheduler(limits);
  const rows = new Map();
  let block = 1;
  for (const request of load) scheduler.add(request);
  return {
    planner,
    schedule() {
      const chunks = scheduler.next();
      for (const { request, phase, queryLen } of chunks) {
        if (!rows.has(request)) {
          const blocks = Math.ceil((request.prompt + request.output) / limits.blockSize);
          rows.set(request, planner.requests.add({ blockIds: Array.from({ length: blocks }, () => block++) }));
        }
        planner.requests.schedule(rows.get(request), { phase, queryLen });
      }
      return chunks;
    },
    done(chunks) {
      scheduler.done(chunks);
      for (const [request, row] of rows) {
        if (request.computed < request.prompt + request.output) continue;
        planner.requests.remove(row);
        rows.delete(request);
      }
    },
  };
}

/** Steps of ranks in one process: votes, the same table for all, and each rank's decision. */
function step(ranks) {
  const chunks = ranks.map((rank) => rank.schedule());
  const votes = ranks.map(({ planner }) => [...planner.vote()]);
  const decisions = ranks.map(({ planner }) => {
    planner.table.set(votes.flat());
    const decision = planner.resolve(planner.table);
    planner.build(decision);
    return { run: decision.run, reason: decision.reason, paddedTokens: decision.paddedTokens };
  });
  for (const [index, rank] of ranks.entries()) rank.done(chunks[index]);
  return { tokens: chunks.map((list) => list.reduce((sum, { queryLen }) => sum + queryLen, 0)), decisions };
}

const LOADS = [
  [
    { prompt: 40, output: 6 },
    { prompt: 100, output: 3 },
    { prompt: 20, output: 9 },
  ],
  [{ prompt: 10, output: 4 }],
];

test('ranks with unequal loads decide alike, and no decode misses its graph', async () => {
  const ranks = await Promise.all(LOADS.map((load, rank) => createRank(rank, LOADS.length, load)));
  const seen = { full: 0, eager: 0, park: 0 };
  for (let count = 0; count < 16; count += 1) {
    const { tokens, decisions } = step(ranks);
    assert.deepEqual(decisions[1], decisions[0], `ranks differ in step ${count}`);
    const [{ run, paddedTokens, reason }] = decisions;
    seen[run] += 1;
    if (run === 'full')
      assert.ok(
        paddedTokens >= Math.max(...tokens) && paddedTokens < 2 * Math.max(1, ...tokens),
        `${paddedTokens} for ${tokens}`,
      );
    // Steps with a prompt run eager: this plan holds graphs of decodes alone.
    if (run === 'eager') assert.equal(reason, 'no-key-for-phase');
  }
  assert.deepEqual(seen, { full: 9, eager: 2, park: 5 });
  for (const { planner } of ranks) planner.dispose();
});

test('a step never holds more tokens than the limits allow', async () => {
  const [rank] = [
    await createRank(
      0,
      1,
      Array.from({ length: 20 }, () => ({ prompt: 60, output: 2 })),
    ),
  ];
  for (let count = 0; count < 40; count += 1) {
    const { tokens } = step([rank]);
    assert.ok(tokens[0] <= limits.maxNumBatchedTokens);
  }
  rank.planner.dispose();
});
