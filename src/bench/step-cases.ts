import type { Row } from '../batch/index.js';
import { decodePlan } from '../keys/index.js';
import type { PlannerModules } from '../memory/index.js';
import { StepPlanner } from '../planner/index.js';
import { LOCKSTEP_POLICY } from '../policy/index.js';
import { decodes, scheduleBatch } from './batches.js';
import type { BenchCase, BenchRow } from './measure.js';

const BLOCK_SIZE = 16;
/** Steps that a run of decodes can take, and the blocks each request needs for them. */
const MODEL_LEN = 32768;
const BLOCKS = MODEL_LEN / BLOCK_SIZE;
/** Bytes a decode's step writes anew: a position, a slot, a sequence length. */
const STEP_BYTES = 20;

/** Rows of whole steady steps, as a server takes them: every decode advances by one token. */
export const STEP_ROWS: readonly BenchRow[] = [
  ...[64, 256, 1024].map((count): BenchRow => ({ name: `step-${count}`, make: (modules) => stepCase(modules, count) })),
  { name: 'step-checked-256', make: (modules) => stepCase(modules, 256, true) },
];

/** `continueDecodes`, `vote`, `resolve` and `build` of `count` decodes on one rank, beside a copy of what they write. */
export function stepCase(modules: PlannerModules, count: number, checked = false): BenchCase {
  const limits = {
    maxNumSeqs: count,
    maxNumBatchedTokens: count,
    maxModelLen: MODEL_LEN,
    blockSize: BLOCK_SIZE,
    numBlocks: count * BLOCKS + 1,
  };
  const plan = decodePlan({ sizes: [count], limits: { ...limits, queryLen: 1 }, policy: LOCKSTEP_POLICY });
  const planner = new StepPlanner(modules, { limits, plan, checked });
  // The copy has its own memory: only steps write the planner's.
  const { memory } = scheduleBatch(modules, {}, decodes(count));
  const { metadata } = memory;
  const [from, to] = [memory.groupOffset('blockTable0'), memory.groupOffset('blockTable1')];
  const { requests } = planner;
  let rows: Row[] = [];
  let left = 0;
  const step = (): void => {
    planner.vote();
    planner.build(planner.resolve(planner.table));
  };
  const restart = (): void => {
    for (const row of rows) requests.remove(row);
    rows = Array.from({ length: count }, (_, index) => {
      const blockIds = Int32Array.from({ length: BLOCKS }, (_, block) => 1 + index * BLOCKS + block);
      const row = requests.add({ blockIds, numComputedTokens: index % BLOCK_SIZE });
      requests.schedule(row, { phase: 'decode', queryLen: 1 });
      return row;
    });
    step();
    left = MODEL_LEN - 2 * BLOCK_SIZE;
  };
  return {
    most: MODEL_LEN / 2,
    ready: (calls) => {
      if (left < calls) restart();
      left -= calls;
    },
    ours: () => {
      requests.continueDecodes();
      step();
    },
    limit: () => metadata.limit_copy(to, from, count * STEP_BYTES),
    peer: { kind: 'slots', queryLens: new Array<number>(count).fill(1), blockSize: BLOCK_SIZE, maxBlocks: BLOCKS },
  };
}
