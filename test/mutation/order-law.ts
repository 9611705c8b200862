import { type CaptureKey, mixedKey, StepPlanner } from '../../dist/entry/planner.js';
import type { Law } from './law.js';

const LIMITS = { maxNumSeqs: 8, maxNumBatchedTokens: 32, maxModelLen: 64, blockSize: 8, numBlocks: 64, queryLen: 2 };

/** Two mixed graphs that both hold a prefill of four tokens and a decode of one, and differ in one thing: the lesser comes first. */
const PAIRS: readonly (readonly [what: string, less: CaptureKey, more: CaptureKey])[] = [
  ['tokens', mixedKey(8, 1, 2, 2), mixedKey(10, 1, 2, 2)],
  ['prefill slots', mixedKey(10, 1, 2, 2), mixedKey(10, 2, 2, 2)],
  ['prefill slots, before decode slots', mixedKey(10, 1, 3, 2), mixedKey(10, 2, 2, 2)],
  ['decode slots', mixedKey(10, 1, 2, 2), mixedKey(10, 1, 3, 2)],
  ['decode slots, before tokens of a decode', mixedKey(10, 1, 2, 2), mixedKey(10, 1, 3, 1)],
  ['tokens of a decode', mixedKey(10, 1, 2, 1), mixedKey(10, 1, 2, 2)],
  [
    'tokens of a decode, before those of a prefill',
    mixedKey(10, 1, 2, 1),
    { ...mixedKey(10, 1, 2, 2), maxQueryLen: 6 },
  ],
  ['tokens of a prefill', { ...mixedKey(10, 1, 2, 2), maxQueryLen: 6 }, mixedKey(10, 1, 2, 2)],
];

/** Of two graphs that hold a batch the lesser runs, in whatever order the plan has them. */
export const order: Law = {
  name: 'order',
  async broken(modules) {
    for (const [what, less, more] of PAIRS) {
      for (const keys of [
        [less, more],
        [more, less],
      ]) {
        const planner = new StepPlanner(modules, { limits: LIMITS, plan: { keys } });
        for (const [block, chunk] of [
          [1, { phase: 'decode', queryLen: 1 }],
          [2, { phase: 'prefill', queryLen: 4, lastChunk: true }],
        ] as const) {
          planner.requests.schedule(planner.requests.add({ blockIds: [block] }), chunk);
        }
        planner.vote();
        if (planner.resolve(planner.table).captureKey !== keys.indexOf(less)) return what;
      }
    }
    return undefined;
  },
};
