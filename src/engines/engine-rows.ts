import { createRawRules, type DecisionView, type VoteWord } from '../agreement/index.js';
import type { CaptureKey } from '../keys/index.js';
import { ENUMS, REDUCED_WORDS, word } from '../layout/index.js';
import type { Policy } from '../policy/index.js';

/** A vote as another engine would cast it: what that engine does not exchange is left out. */
export type EngineRow = Readonly<Partial<Record<VoteWord, number>>> & { readonly paddedTokens: number };

/** Most tokens that a vote can hold. */
export const MOST_TOKENS: number = 1 << 22;

/**
 * A rank with `tokens` to decode or prefill, 0 for an idle one. Engines that exchange only tokens do not give the number of
 * requests: it is taken to be one.
 */
export function tokensRow(tokens: number, prefill: boolean): EngineRow {
  const busy = tokens > 0 ? 1 : 0;
  const phase = busy === 0 ? ENUMS.PHASE.idle : prefill ? ENUMS.PHASE.prefill : ENUMS.PHASE.decode;
  return {
    phase,
    tokens,
    paddedTokens: tokens,
    part0Tokens: tokens,
    prefillRequests: prefill ? busy : 0,
    decodeRequests: prefill ? 0 : busy,
    uniformQueryLen: busy,
    maxQueryLen: busy,
    maxDecodeQueryLen: prefill ? 0 : busy,
    graphMode: ENUMS.MODE.full,
  };
}

/** The outcome of rows: the decision, and the micro-batches the ranks agreed to, whatever graph was found for them. */
export interface EngineDecision {
  readonly decision: DecisionView;
  readonly agreedParts: number;
}

/**
 * Resolves the complete rows of a step. Errors: ERR_RANKS_DIVERGED for a row that contradicts itself,
 * ERR_CONFIG_INVALID for tokens beyond `MOST_TOKENS`.
 */
export async function decideRows(
  rows: readonly EngineRow[],
  policy: Policy,
  keys: readonly CaptureKey[] = [],
): Promise<EngineDecision> {
  const tokens = Math.max(1, ...rows.map(({ paddedTokens }) => paddedTokens));
  const limits = { maxNumSeqs: 1, maxNumBatchedTokens: tokens, maxModelLen: 1, numBlocks: 2 };
  const rules = await createRawRules({ limits, keys, policy, ranks: rows.length });
  for (const [rank, row] of rows.entries()) rules.writeRow(rank, row);
  const decision = rules.resolve();
  return { decision, agreedParts: rules.memory.words('reduction')[word(REDUCED_WORDS, 'parts')] };
}
