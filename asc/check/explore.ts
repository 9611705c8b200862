// The checker's inner loop: resolves the votes of every multiset of replica states, and checks each decision against the laws.
import {
  ACTION_WORDS,
  Control,
  Decision,
  Limit,
  Property,
  Region,
  Resolve,
  Run,
  VIOLATION_WORDS,
  VOTE_WORDS,
  Vote,
} from '../layout';
import { resolve, resolveSound, strangers } from '../resolve';
import { brokenLimit, rowAt, vote } from '../table';
import { copy, get, limit, region, set } from '../words';
import { act } from './actions';
import { graphNotMissed, keyHoldsBatch } from './key-laws';
import {
  entersAlike,
  followsDecision,
  gathersAlike,
  leavesTogether,
  overlapsAlone,
  partsHoldTokens,
  sizesFit,
} from './laws';

/** Number of properties that a table can break: one more than the last of them. */
const PROPERTY_COUNT: i32 = Property.P11 + 1;

/**
 * Explores up to `budget` tables of `replicas` replicas, and returns how many. `tuple` holds the states of the next table in
 * ascending order, one for each replica, so that tables that differ only in the order of their replicas are explored once; its
 * first word is -1 when no table is left. `rows` holds the votes of a replica's ranks for each of `count` states. `placed` is
 * scratch of `replicas` words. `reached` has a word for each key, and is set to 1 for keys that run. `violations` has
 * `VIOLATION_WORDS` for each property, and keeps the first one found.
 */
export function exploreTables(
  rows: usize,
  count: i32,
  replicas: i32,
  tuple: usize,
  placed: usize,
  previous: usize,
  actions: usize,
  reached: usize,
  violations: usize,
  budget: i32,
): i32 {
  const table = region(Region.Votes);
  const sound = areSound(rows, count * limit(Limit.ReplicaSize));
  let explored = 0;
  while (explored < budget) {
    placeRows(table, rows, replicas, tuple, placed);
    checkTable(table, replicas, sound, placed, previous, actions, reached, violations);
    explored++;
    let last = replicas - 1;
    while (last >= 0 && get(tuple, last) == count - 1) last--;
    if (last < 0) {
      set(tuple, 0, -1);
      break;
    }
    const next = get(tuple, last) + 1;
    for (let replica = last; replica < replicas; replica++) set(tuple, replica, next);
  }
  return explored;
}

/** Whether no table of these rows is refused for a row alone, or for two that differ in layout, step or plan: then no table has to be asked. */
function areSound(rows: usize, count: i32): boolean {
  for (let row = 0; row < count; row++) if (brokenLimit(rows, row) >= 0) return false;
  return strangers(rows, count) == Resolve.Ok;
}

/**
 * Gives the states of a tuple to the replicas. The order changes from one table to the next, by rotation and in every other table
 * by reversal, so that a rule which favours one rank sees both small and large batches on it.
 */
function placeRows(table: usize, rows: usize, replicas: i32, tuple: usize, placed: usize): void {
  const words = limit(Limit.ReplicaSize) * VOTE_WORDS;
  const bytes = (<usize>words) << 2;
  let sum = 0;
  for (let r = 0; r < replicas; r++) sum += get(tuple, r);
  let rotated = (sum >> 1) % replicas;
  for (let r = 0; r < replicas; r++) {
    const state = get(tuple, (sum & 1) == 0 ? rotated : replicas - 1 - rotated);
    set(placed, r, state);
    copy(table + <usize>r * bytes, rows + <usize>state * bytes, words);
    if (++rotated == replicas) rotated = 0;
  }
}

/** Resolves the table in the region `votes`, lets every rank act, and records the properties that this breaks. */
function checkTable(
  table: usize,
  replicas: i32,
  sound: boolean,
  placed: usize,
  previous: usize,
  actions: usize,
  reached: usize,
  violations: usize,
): void {
  const decision = region(Region.Decision);
  const ranks = replicas * limit(Limit.ReplicaSize);
  const status = sound ? resolveSound(table, ranks, previous, decision) : resolve(table, ranks, previous, decision);
  if (status != Resolve.Ok) {
    // Every rank learns of a fault in the same step. No other refusal is possible for votes that a planner wrote.
    if (status != Resolve.Fault || !anyFault(table, ranks)) recordViolation(violations, Property.P2, placed, replicas);
    return;
  }
  const key = get(decision, Decision.CaptureKey);
  if (key >= 0) set(reached, key, 1);
  const broken = judge(table, ranks, decision, actions);
  if (broken == 0) return;
  for (let property = 0; property < PROPERTY_COUNT; property++) {
    if ((broken & (1 << property)) != 0) recordViolation(violations, property, placed, replicas);
  }
}

/** Lets every rank act on `decision`, and returns the properties that this breaks, one bit each. `actions` has `ACTION_WORDS` per rank. */
export function judge(table: usize, ranks: i32, decision: usize, actions: usize): i32 {
  for (let rank = 0; rank < ranks; rank++) {
    act(decision, rowAt(table, rank), rank, actions + ((<usize>(rank * ACTION_WORDS)) << 2));
  }
  const eager = get(decision, Decision.Run) == Run.Eager;
  let broken = 0;
  if (!followsDecision(actions, ranks, decision)) broken |= 1 << Property.P1;
  // A rank with a fault runs nothing, so no other rank may run.
  const alike =
    entersAlike(actions, ranks, decision) && leavesTogether(table, ranks, decision) && !anyFault(table, ranks);
  if (!alike) broken |= 1 << Property.P2;
  if (!partsHoldTokens(actions, ranks, decision)) broken |= 1 << Property.P3;
  if (!gathersAlike(table, actions, ranks, decision)) broken |= 1 << Property.P4;
  if (!sizesFit(table, actions, ranks, decision)) broken |= 1 << Property.P5;
  if (eager && !graphNotMissed(table, ranks, decision)) broken |= 1 << Property.P6;
  if (!keyHoldsBatch(table, ranks, decision)) broken |= 1 << Property.P9;
  if (!overlapsAlone(table, actions, ranks)) broken |= 1 << Property.P11;
  return broken;
}

/** Whether some rank votes a fault. */
function anyFault(table: usize, ranks: i32): boolean {
  for (let rank = 0; rank < ranks; rank++) if (vote(table, rank, Vote.Control) == Control.Fault) return true;
  return false;
}

function recordViolation(violations: usize, property: i32, placed: usize, replicas: i32): void {
  const at = violations + ((<usize>(property * VIOLATION_WORDS)) << 2);
  if (get(at, 0) != 0) return;
  set(at, 0, 1);
  for (let replica = 0; replica < replicas; replica++) set(at, 1 + replica, get(placed, replica));
}
