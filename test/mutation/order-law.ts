import { type CaptureKey, mixedKey } from '../../dist/planner/index.js';
import { RawRules } from '../../dist/planner/raw-rules.js';
import type { Law } from './law.js';

/** A prefill of 12 tokens beside a decode of one. */
const BATCH = {
  tokens: 13,
  part0Tokens: 13,
  prefillRequests: 1,
  decodeRequests: 1,
  maxQueryLen: 12,
  maxDecodeQueryLen: 1,
  maxSeqLen: 20,
};

const NARROW: CaptureKey = { ...mixedKey(16, 2, 2, 1), maxQueryLen: 12 };

/** Of two graphs that hold the batch, which differ in one thing alone: what the larger one has more of. */
const LARGER: readonly [what: string, key: CaptureKey][] = [
  ['decodes of 2 tokens', { ...NARROW, queryLen: 2 }],
  ['a prefill of 16 tokens', { ...NARROW, maxQueryLen: 16 }],
];

/** The smaller of two mixed graphs runs, whichever stands first in the plan. */
export const order: Law = {
  name: 'order of mixed graphs',
  async broken(modules) {
    for (const [what, larger] of LARGER) {
      for (const keys of [
        [NARROW, larger],
        [larger, NARROW],
      ]) {
        const rules = new RawRules(modules, { keys });
        rules.vote(0, BATCH);
        if (keys[rules.resolve().captureKey] !== NARROW) return `a graph for ${what}`;
      }
    }
    return undefined;
  },
};
