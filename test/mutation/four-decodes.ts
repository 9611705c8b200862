import type { FACT_WORDS } from '../../dist/layout/layout.js';

export type Facts = Partial<Record<(typeof FACT_WORDS)[number], number>>;

/** What a batch of four decodes of one token, cut in the middle, tells a vote. */
export const FOUR_DECODES: Facts = {
  tokens: 4,
  decodeRequests: 4,
  uniformQueryLen: 1,
  maxQueryLen: 1,
  maxDecodeQueryLen: 1,
  maxSeqLen: 9,
  canSplit: 1,
  part0Tokens: 2,
  part1Tokens: 2,
};
