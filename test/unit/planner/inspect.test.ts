import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { createPlanner, decodePlan, LOCKSTEP_POLICY } from '../../../dist/entry/planner.js';

test('console.log and JSON show names, and no raw words', async () => {
  const limits = { maxNumSeqs: 4, maxNumBatchedTokens: 8, blockSize: 8, queryLen: 1 };
  const planner = await createPlanner({ limits, plan: decodePlan({ sizes: [2, 4], limits, policy: LOCKSTEP_POLICY }) });
  for (const block of [3, 5, 6]) {
    const row = planner.requests.add({ blockIds: [block], numComputedTokens: 2 });
    planner.requests.schedule(row, { phase: 'decode', queryLen: 1 });
  }
  const decision = planner.resolve(planner.vote());
  const local = planner.build(decision);
  expect(JSON.parse(JSON.stringify(decision))).toEqual(decision.snapshot());
  expect(inspect(decision)).toMatch(/^DecisionView \{.*run: 'full',.*reason: 'graph',.*paddedTokens: 4,/s);
  expect(inspect({ decision }, { depth: 5 })).toContain("reason: 'graph'");
  expect(inspect(local)).toMatch(/^ForwardBatch \{.*tokens: 3,.*paddedTokens: 4,/s);
  expect(JSON.parse(JSON.stringify(local))).toMatchObject({
    step: 0,
    tokens: 3,
    requests: 3,
    parts: [{ tokens: [0, 3] }],
  });
  for (const text of [inspect(decision), inspect(local), JSON.stringify(local)]) expect(text).not.toContain('words');
});
