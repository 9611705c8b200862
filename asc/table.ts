// The table of votes: int32[ranks, 32], row-major by rank.
import {
  CONTROL_FAULT,
  CONTROL_RUN,
  LIMIT_MAX_REQUESTS,
  LIMIT_MAX_TOKENS,
  MAX_PARTS,
  VOTE_CONTROL,
  VOTE_DECODE_REQUESTS,
  VOTE_PART0_TOKENS,
  VOTE_PREFILL_REQUESTS,
  VOTE_TOKENS,
  VOTE_WANTS_UBATCHES,
  VOTE_WORDS,
} from './layout';
import { get, limit } from './words';

export function vote(table: usize, rank: i32, word: i32): i32 {
  return get(table + ((<usize>(rank * VOTE_WORDS)) << 2), word);
}

/**
 * The word of a rank's vote that is beyond the limits all ranks share, or -1. Such a vote would size a step that no rank's
 * tensors hold. Parts that do not make up the tokens are told as VOTE_PART0_TOKENS.
 */
export function brokenLimit(table: usize, rank: i32): i32 {
  const control = vote(table, rank, VOTE_CONTROL);
  const tokens = vote(table, rank, VOTE_TOKENS);
  const prefills = vote(table, rank, VOTE_PREFILL_REQUESTS);
  const decodes = vote(table, rank, VOTE_DECODE_REQUESTS);
  const requests = limit(LIMIT_MAX_REQUESTS);
  if (control < CONTROL_RUN || control > CONTROL_FAULT) return VOTE_CONTROL;
  if (tokens < 0 || tokens > limit(LIMIT_MAX_TOKENS)) return VOTE_TOKENS;
  if (prefills < 0 || prefills > requests) return VOTE_PREFILL_REQUESTS;
  if (decodes < 0 || decodes > requests - prefills) return VOTE_DECODE_REQUESTS;
  if (prefills + decodes > tokens || (tokens > 0 && prefills + decodes == 0)) return VOTE_TOKENS;
  let parts = 0;
  for (let part = 0; part < MAX_PARTS; part++) {
    const partTokens = vote(table, rank, VOTE_PART0_TOKENS + part);
    if (partTokens < 0 || partTokens > tokens) return VOTE_PART0_TOKENS;
    parts += partTokens;
  }
  return parts == tokens ? -1 : VOTE_PART0_TOKENS;
}

/** First rank that holds a prefill, or a decode. */
export function rankOfPhase(table: usize, ranks: i32, prefill: boolean): i32 {
  const word = prefill ? VOTE_PREFILL_REQUESTS : VOTE_DECODE_REQUESTS;
  for (let rank = 0; rank < ranks; rank++) if (vote(table, rank, word) > 0) return rank;
  return -1;
}

/** First rank whose word equals the maximum that decided. */
export function rankOf(table: usize, ranks: i32, word: i32, value: i32): i32 {
  for (let rank = 0; rank < ranks; rank++) if (vote(table, rank, word) == value) return rank;
  return -1;
}

export function firstRefusal(table: usize, ranks: i32): i32 {
  for (let rank = 0; rank < ranks; rank++) {
    if (vote(table, rank, VOTE_TOKENS) > 0 && vote(table, rank, VOTE_WANTS_UBATCHES) == 0) return rank;
  }
  return -1;
}
