import { isDeepStrictEqual } from 'node:util';
import {
  type CaptureKey,
  decodeKey,
  LockstepError,
  mixedKey,
  type Policy,
  piecewiseKey,
  type ScheduledChunk,
  StepPlanner,
  type VoteIntent,
} from '../../dist/entry/planner.js';
import { VOTE_WORDS } from '../../dist/layout/layout.js';
import type { PlannerModules } from '../../dist/memory/modules.js';
import { sealTable } from '../oracles/seal-oracle.js';
import type { Law } from './law.js';

const LIMITS = { maxNumSeqs: 8, maxNumBatchedTokens: 32, maxModelLen: 64, blockSize: 8, numBlocks: 64, queryLen: 2 };

const decodes = (count: number): ScheduledChunk[] =>
  Array.from({ length: count }, () => ({ phase: 'decode', queryLen: 2 }));
const prefill = (queryLen: number): ScheduledChunk[] => [{ phase: 'prefill', queryLen, lastChunk: true }];

/** What two ranks hold, and what sizes each one's tensors: padded tokens, attention requests, tokens of a window. */
interface Case {
  readonly what: string;
  readonly keys?: readonly CaptureKey[];
  readonly policy?: Partial<Policy>;
  readonly batches: readonly [readonly ScheduledChunk[], readonly ScheduledChunk[]];
  readonly intent?: VoteIntent;
  readonly sizes: readonly [readonly number[], readonly number[]];
}

const CUT: Partial<Policy> = { ubatches: 2, ubatchThresholdDecode: 4, ubatchThresholdPrefill: 4 };

const CASES: readonly Case[] = [
  {
    what: 'a decode graph',
    keys: [decodeKey(4, 2, 1)],
    batches: [decodes(3), []],
    sizes: [
      [8, 4, 2],
      [8, 4, 2],
    ],
  },
  {
    what: 'a decode graph in two parts',
    keys: [decodeKey(4, 2, 2)],
    policy: CUT,
    batches: [decodes(4), decodes(3)],
    sizes: [
      [8, 4, 2],
      [8, 4, 2],
    ],
  },
  {
    what: 'a mixed graph: tokens are packed',
    keys: [mixedKey(8, 1, 2, 2)],
    batches: [[...decodes(1), ...prefill(4)], decodes(2)],
    sizes: [
      [8, 3, 0],
      [8, 3, 0],
    ],
  },
  {
    what: 'a piecewise graph: attention is eager',
    keys: [piecewiseKey(8)],
    batches: [[...decodes(1), ...prefill(4)], []],
    sizes: [
      [8, 2, 0],
      [8, 1, 0],
    ],
  },
  {
    what: 'eager: each rank its own tokens',
    batches: [prefill(5), decodes(3)],
    sizes: [
      [5, 1, 0],
      [6, 3, 0],
    ],
  },
  {
    what: 'eager beside an idle rank, which runs a dummy',
    batches: [[], decodes(3)],
    sizes: [
      [1, 1, 0],
      [6, 3, 0],
    ],
  },
  {
    what: 'eager in parts, which alone are padded',
    policy: CUT,
    batches: [decodes(4), decodes(2)],
    sizes: [
      [8, 4, 0],
      [4, 2, 0],
    ],
  },
  {
    what: 'parked',
    batches: [[], []],
    sizes: [
      [0, 0, 0],
      [0, 0, 0],
    ],
  },
];

function plannersOf(modules: PlannerModules, { keys = [], policy = {}, batches }: Case): StepPlanner[] {
  return batches.map((chunks, rank) => {
    const planner = new StepPlanner(modules, { limits: LIMITS, plan: { keys }, policy, ranks: 2, rank });
    for (const [index, chunk] of chunks.entries()) {
      planner.requests.schedule(planner.requests.add({ blockIds: [2 * index + 1, 2 * index + 2] }), chunk);
    }
    return planner;
  });
}

/** A rank's tensors have the sizes that its decision and its own batch give them. */
export const sizes: Law = {
  name: 'sizes',
  async broken(modules) {
    for (const one of CASES) {
      const planners = plannersOf(modules, one);
      const table = Int32Array.from(planners.flatMap((planner) => [...planner.vote()]));
      const built = planners.map((planner) => {
        const { paddedTokens, attentionRequests, queryLen } = planner.build(planner.resolve(table));
        return [paddedTokens, attentionRequests, queryLen];
      });
      if (!isDeepStrictEqual(built, one.sizes)) return one.what;
    }
    return undefined;
  },
};

/** A step is built of the batch that was voted, and of no other: one other word in the table's own row refuses it. */
export const ownRow: Law = {
  name: 'own row',
  async broken(modules) {
    const [one] = CASES;
    // Words that only this rank's build would miss: no table is refused for them.
    for (const name of ['maxSeqLen', 'meetsMinimum', 'graphVeto', 'faultCode'] as const) {
      for (const rank of [0, 1]) {
        const planners = plannersOf(modules, one);
        const table = Int32Array.from(planners.flatMap((planner) => [...planner.vote()]));
        table[rank * VOTE_WORDS.length + VOTE_WORDS.indexOf(name)] ^= 1;
        const refused = planners.map((planner) => {
          const decision = planner.resolve(sealTable(table));
          try {
            planner.build(decision);
            return false;
          } catch (error) {
            return error instanceof LockstepError && error.code === 'ERR_RANKS_DIVERGED';
          }
        });
        if (refused[rank] !== true || refused[1 - rank] !== false) return `${name} of rank ${rank}`;
      }
    }
    return undefined;
  },
};
