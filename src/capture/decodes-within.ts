import { type DraftTier, draftQueryLen } from '../config.js';
import type { EngineLimits } from '../engines/index.js';

/** Limits of a step, and the drafts of a decode by how many requests decode. */
export interface DecodeLimits extends EngineLimits {
  /** Drafts by the number of requests; none: every decode has `queryLen` tokens. */
  readonly draftSchedule?: readonly DraftTier[] | null;
}

/** A step that only decodes, each of its requests with all its drafts. */
export interface WholeDecode {
  readonly requests: number;
  /** Tokens of each request. */
  readonly queryLen: number;
  /** Of all of them. */
  readonly tokens: number;
}

/**
 * The decodes that limits allow, one for each number of requests, ascending. With drafts by batch size a number between others can be left out: of more
 * requests with fewer drafts a step may hold all, of fewer requests with more drafts not.
 */
export function decodesWithin({ draftSchedule, ...limits }: DecodeLimits): WholeDecode[] {
  const { maxNumSeqs, maxNumBatchedTokens, queryLen: most } = limits;
  const decodes: WholeDecode[] = [];
  for (let requests = 1; requests <= maxNumSeqs; requests++) {
    const queryLen = draftSchedule ? Math.min(most, draftQueryLen(draftSchedule, requests)) : most;
    const tokens = requests * queryLen;
    if (tokens <= maxNumBatchedTokens) decodes.push({ requests, queryLen, tokens });
    else if (!draftSchedule) break;
  }
  return decodes;
}
