// The table of votes: int32[ranks, 32], row-major by rank.
import { Control, Limit, MAX_PARTS, VOTE_WORDS, Vote } from './layout';
import { get, limit } from './words';

export function rowAt(table: usize, rank: i32): usize {
  return table + ((<usize>(rank * VOTE_WORDS)) << 2);
}

export function vote(table: usize, rank: i32, word: i32): i32 {
  return get(rowAt(table, rank), word);
}

/**
 * The word of a rank's vote that is beyond the limits all ranks share, or -1. Such a vote would size a step that no rank's
 * tensors hold. Parts whose sum is not the tokens break Vote.Part0Tokens.
 */
export function brokenLimit(table: usize, rank: i32): i32 {
  const control = vote(table, rank, Vote.Control);
  const tokens = vote(table, rank, Vote.Tokens);
  const prefills = vote(table, rank, Vote.PrefillRequests);
  const decodes = vote(table, rank, Vote.DecodeRequests);
  const requests = limit(Limit.MaxRequests);
  if (control < Control.Run || control > Control.Fault) return Vote.Control;
  if (tokens < 0 || tokens > limit(Limit.MaxTokens)) return Vote.Tokens;
  if (prefills < 0 || prefills > requests) return Vote.PrefillRequests;
  if (decodes < 0 || decodes > requests - prefills) return Vote.DecodeRequests;
  if (prefills + decodes > tokens || (tokens > 0 && prefills + decodes == 0)) return Vote.Tokens;
  const padded = vote(table, rank, Vote.PaddedTokens);
  if (padded < tokens || padded > limit(Limit.MaxPaddedTokens)) return Vote.PaddedTokens;
  let parts = 0;
  for (let part = 0; part < MAX_PARTS; part++) {
    const partTokens = vote(table, rank, Vote.Part0Tokens + part);
    if (partTokens < 0 || partTokens > tokens) return Vote.Part0Tokens;
    parts += partTokens;
  }
  return parts == tokens ? -1 : Vote.Part0Tokens;
}

/** First rank that has a prefill, or a decode, or -1. */
export function rankOfPhase(table: usize, ranks: i32, prefill: boolean): i32 {
  const word = prefill ? Vote.PrefillRequests : Vote.DecodeRequests;
  for (let rank = 0; rank < ranks; rank++) if (vote(table, rank, word) > 0) return rank;
  return -1;
}

/** First rank that voted `value` in `word`, or -1. */
export function rankOf(table: usize, ranks: i32, word: i32, value: i32): i32 {
  for (let rank = 0; rank < ranks; rank++) if (vote(table, rank, word) == value) return rank;
  return -1;
}

/** First rank with this many requests of both phases together, or -1. */
export function rankOfRequests(table: usize, ranks: i32, requests: i32): i32 {
  for (let rank = 0; rank < ranks; rank++) {
    if (vote(table, rank, Vote.PrefillRequests) + vote(table, rank, Vote.DecodeRequests) == requests) return rank;
  }
  return -1;
}

/**
 * Index in the table of the first word in which a rank differs from the first rank of its replica, or -1. Ranks of one replica
 * schedule the same batch. They may differ only in what each of them can run, which is combined over all ranks.
 */
export function replicaOutlier(table: usize, ranks: i32): i32 {
  const size = limit(Limit.ReplicaSize);
  for (let rank = 0; rank < ranks; rank++) {
    const first = rank - (rank % size);
    for (let word = Vote.Phase; word < Vote.DecisionHash; word++) {
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
    word == Vote.GraphMode ||
    word == Vote.WantsUbatches ||
    word == Vote.CanSplit ||
    word == Vote.GraphVeto ||
    word == Vote.UbatchVeto ||
    word == Vote.Flags
  );
}
