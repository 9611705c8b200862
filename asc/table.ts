// The table of votes: int32[ranks, 32], row-major by rank.
import {
  CONTROL_FAULT,
  CONTROL_RUN,
  LIMIT_MAX_PADDED_TOKENS,
  LIMIT_MAX_REQUESTS,
  LIMIT_MAX_TOKENS,
  LIMIT_REPLICA_SIZE,
  MAX_PARTS,
  VOTE_CAN_SPLIT,
  VOTE_CONTROL,
  VOTE_DECODE_REQUESTS,
  VOTE_FLAGS,
  VOTE_GRAPH_MODE,
  VOTE_GRAPH_VETO,
  VOTE_PADDED_TOKENS,
  VOTE_PART0_TOKENS,
  VOTE_PHASE,
  VOTE_PREFILL_REQUESTS,
  VOTE_TOKENS,
  VOTE_UBATCH_VETO,
  VOTE_WANTS_UBATCHES,
  VOTE_WORDS,
} from './layout';
import { get, limit } from './words';

export function rowAt(table: usize, rank: i32): usize {
  return table + ((<usize>(rank * VOTE_WORDS)) << 2);
}

export function vote(table: usize, rank: i32, word: i32): i32 {
  return get(rowAt(table, rank), word);
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
  const padded = vote(table, rank, VOTE_PADDED_TOKENS);
  if (padded < tokens || padded > limit(LIMIT_MAX_PADDED_TOKENS)) return VOTE_PADDED_TOKENS;
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

/** First rank with as many requests of both phases. */
export function rankOfRequests(table: usize, ranks: i32, requests: i32): i32 {
  for (let rank = 0; rank < ranks; rank++) {
    if (vote(table, rank, VOTE_PREFILL_REQUESTS) + vote(table, rank, VOTE_DECODE_REQUESTS) == requests) return rank;
  }
  return -1;
}

/**
 * Index in the table of the first word in which a rank differs from the first rank of its replica, or -1. Ranks of one replica
 * schedule the same batch; only what each of them can do is its own, and is ANDed as it is over all ranks.
 */
export function replicaOutlier(table: usize, ranks: i32): i32 {
  const size = limit(LIMIT_REPLICA_SIZE);
  for (let rank = 0; rank < ranks; rank++) {
    const first = rank - (rank % size);
    for (let word = VOTE_PHASE; word < VOTE_WORDS; word++) {
      if (!isAvailability(word) && vote(table, rank, word) != vote(table, first, word)) {
        return rank * VOTE_WORDS + word;
      }
    }
  }
  return -1;
}

/** Words in which ranks of one replica may differ. */
function isAvailability(word: i32): boolean {
  return (
    word == VOTE_GRAPH_MODE ||
    word == VOTE_WANTS_UBATCHES ||
    word == VOTE_CAN_SPLIT ||
    word == VOTE_GRAPH_VETO ||
    word == VOTE_UBATCH_VETO ||
    word == VOTE_FLAGS
  );
}
