// The table of votes: int32[ranks, 32], row-major by rank.
import {
  LIMIT_MAX_REQUESTS,
  LIMIT_MAX_TOKENS,
  MAX_PARTS,
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

/** A vote beyond the limits that all ranks share would make build() write past its tensors. */
export function withinLimits(table: usize, rank: i32): boolean {
  const tokens = vote(table, rank, VOTE_TOKENS);
  const prefills = vote(table, rank, VOTE_PREFILL_REQUESTS);
  const decodes = vote(table, rank, VOTE_DECODE_REQUESTS);
  const requests = limit(LIMIT_MAX_REQUESTS);
  if (tokens < 0 || tokens > limit(LIMIT_MAX_TOKENS)) return false;
  if (prefills < 0 || decodes < 0 || prefills > requests || decodes > requests - prefills) return false;
  if (prefills + decodes > tokens || (tokens > 0 && prefills + decodes == 0)) return false;
  let parts = 0;
  for (let part = 0; part < MAX_PARTS; part++) {
    const partTokens = vote(table, rank, VOTE_PART0_TOKENS + part);
    if (partTokens < 0 || partTokens > tokens) return false;
    parts += partTokens;
  }
  return parts == tokens;
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
