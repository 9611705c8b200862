/** What a page would do: a planner on bytes that the bundle holds, and one step of it. */
export const PAGE: string = `
import { createPlanner, decodePlan, LOCKSTEP_POLICY } from 'lockstep/planner';
import metadata from 'lockstep/planner/metadata.wasm';
import rules from 'lockstep/planner/rules.wasm';

export const step = () => planStep({ rules, metadata });
`;

/** The same where the bundler finds the modules by their addresses, and the page fetches them. */
export const FETCHING_PAGE: string = `
import { createPlanner, decodePlan, LOCKSTEP_POLICY } from 'lockstep/planner';
globalThis.step = () => planStep(undefined);
`;

/** The step that both plan: three decodes on the graph of four. */
export const PLAN_STEP: string = `
async function planStep(wasm) {
  const limits = { maxNumSeqs: 4, maxNumBatchedTokens: 32, maxModelLen: 256, blockSize: 16, numBlocks: 64, queryLen: 1 };
  const plan = decodePlan({ sizes: [1, 2, 4], limits, policy: LOCKSTEP_POLICY });
  const planner = await createPlanner(wasm === undefined ? { limits, plan } : { limits, plan, wasm });
  for (const block of [7, 9, 11]) {
    const row = planner.requests.add({ blockIds: [block], numComputedTokens: 3 });
    planner.requests.schedule(row, { phase: 'decode', queryLen: 1 });
  }
  planner.table.set(planner.vote());
  const decision = planner.resolve(planner.table);
  const { tensors } = planner.build(decision);
  return [decision.run, decision.paddedTokens, ...Array.from(tensors.slotMapping.subarray(0, 4), Number)].join(' ');
}
`;

/** What such a page answers. */
export const ANSWER = 'full 4 115 147 179 -1';
