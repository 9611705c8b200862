// What lets a rank trust the rows of its peers: a seal over each row, the decision it follows, and the range of each word.
import {
  DECISION_WORDS,
  Decision,
  LAYOUT_VERSION,
  MAX_PARTS,
  PART_WORDS,
  Region,
  Resolve,
  VOTE_WORDS,
  Vote,
} from './layout';
import { strangers } from './resolve';
import { rowAt, vote } from './table';
import { get, region, sameWords, set } from './words';

/** Bytes of a row, and of four words. */
const ROW: usize = VOTE_WORDS << 2;
const FOUR: usize = 16;

/** Seals the vote in `row` as that of `rank`, which built the decision with this hash last: 0 before its first. */
export function sealVote(row: usize, rank: i32, decisionHash: i32): void {
  set(row, Vote.DecisionHash, decisionHash);
  set(row, Vote.Seal, sealOf(row, rank));
}

/**
 * Checksum of all words of a row but the seal, in whose place it takes the rank. Damage within one word always changes it, because each
 * word passes through a bijection of its place before they are added; other damage leaves it as it is once in 2^32 times.
 */
export function sealOf(row: usize, rank: i32): i32 {
  const last = v128.replace_lane<i32>(v128.load(row + ROW - FOUR), 3, rank);
  return sum(i32x4.add(mixedWords(row, ROW - FOUR), mixed(last, -1)));
}

/** Checksum of a decision: of how it runs, its sizes, and the parts it has, with what each rank brings to them. Never 0. */
export function hashDecision(decision: usize): i32 {
  const parts = max(1, get(decision, Decision.Parts));
  const words = DECISION_WORDS + min(parts, MAX_PARTS) * (PART_WORDS + get(decision, Decision.Ranks));
  // Whole vectors: what they hold beyond is of the next part, which is all 0.
  const bytes = ((<usize>(words + 3)) << 2) & ~(FOUR - 1);
  const hash = sum(mixedWords(decision, bytes));
  return hash == 0 ? 1 : hash;
}

/**
 * Refuses a table that a peer or the way here has damaged, on every rank that holds it: Resolve.Ok where each row is sealed, of this
 * step and plan, after the same decision, and has no word out of range. To be asked before `resolve`, which reads rows as they are.
 */
export function admit(table: usize, ranks: i32): i32 {
  return admitBeside(table, ranks, -1);
}

/** The same on the rank `own` that has cast its vote, or on none (-1): its row is sealed if it is that vote, word for word. */
export function admitBeside(table: usize, ranks: i32, own: i32): i32 {
  // Without its version, nothing is known of a row, unless its seal says that it had ours.
  const foreign = strangers(table, ranks);
  if (foreign == Resolve.Version) return versionDamaged(table, ranks) ? Resolve.Seal : foreign;
  for (let rank = 0; rank < ranks; rank++) {
    if (rank == own && sameWords(rowAt(table, rank), region(Region.OwnVote), VOTE_WORDS)) continue;
    if (sealOf(rowAt(table, rank), rank) != vote(table, rank, Vote.Seal)) return Resolve.Seal;
  }
  // Ranks of another step or plan followed other decisions, and have other limits.
  if (foreign != Resolve.Ok) return foreign;
  for (let rank = 1; rank < ranks; rank++) {
    if (vote(table, rank, Vote.DecisionHash) != vote(table, 0, Vote.DecisionHash)) return Resolve.Decision;
  }
  for (let rank = 0; rank < ranks; rank++) {
    if (!inRange(rowAt(table, rank))) return Resolve.Range;
  }
  return Resolve.Ok;
}

/** Whether every row of another version is sealed as one of ours: the word was damaged here or on its way. */
function versionDamaged(table: usize, ranks: i32): bool {
  for (let rank = 0; rank < ranks; rank++) {
    const row = rowAt(table, rank);
    const version = get(row, Vote.Version);
    if (version == LAYOUT_VERSION) continue;
    set(row, Vote.Version, LAYOUT_VERSION);
    const seal = sealOf(row, rank);
    set(row, Vote.Version, version);
    if (seal != get(row, Vote.Seal)) return false;
  }
  return true;
}

/** The first word of a row that no planner of this plan could have written, or -1. */
export function wordOutOfRange(row: usize): i32 {
  const low = region(Region.VoteRanges);
  for (let word = 0; word < VOTE_WORDS; word++) {
    const value = get(row, word);
    if (value < get(low, word) || value > get(low, VOTE_WORDS + word)) return word;
  }
  return -1;
}

/** Whether `wordOutOfRange` is -1, four words at a time. */
function inRange(row: usize): bool {
  const low = region(Region.VoteRanges);
  const high = low + ROW;
  let outside = i32x4.splat(0);
  for (let at: usize = 0; at < ROW; at += FOUR) {
    const words = v128.load(row + at);
    outside = v128.or(outside, i32x4.lt_s(words, v128.load(low + at)));
    outside = v128.or(outside, i32x4.gt_s(words, v128.load(high + at)));
  }
  return !v128.any_true(outside);
}

/** The sums, by lane, of the words at `at`, each mixed with its place. */
function mixedWords(at: usize, bytes: usize): v128 {
  let sums = i32x4.splat(0);
  for (let offset: usize = 0; offset < bytes; offset += FOUR) {
    sums = i32x4.add(sums, mixed(v128.load(at + offset), <i32>offset));
  }
  return sums;
}

/** Four words through a bijection of their place: the finaliser `lowbias32` of Chris Wellons' "Prospecting for Hash Functions". */
function mixed(words: v128, place: i32): v128 {
  const key = i32x4.add(i32x4(0x243f6a88, 0x05a308d3, 0x13198a2e, 0x03707344), i32x4.splat(place * 0x3c6ef372));
  let x = i32x4.add(words, key);
  x = i32x4.mul(v128.xor(x, i32x4.shr_u(x, 16)), i32x4.splat(0x7feb352d));
  x = i32x4.mul(v128.xor(x, i32x4.shr_u(x, 15)), i32x4.splat(<i32>0x846ca68b));
  return v128.xor(x, i32x4.shr_u(x, 16));
}

function sum(lanes: v128): i32 {
  return (
    i32x4.extract_lane(lanes, 0) +
    i32x4.extract_lane(lanes, 1) +
    i32x4.extract_lane(lanes, 2) +
    i32x4.extract_lane(lanes, 3)
  );
}
