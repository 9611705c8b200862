// A rank's vote: what it holds (facts) and what it wishes (policy), as one fixed-size row.
import { ownKey } from './choose';
import {
  CONTROL_FAULT,
  FACT_CAN_SPLIT,
  FACT_DECODE_REQUESTS,
  FACT_MAX_DECODE_QUERY_LEN,
  FACT_MAX_QUERY_LEN,
  FACT_MAX_SEQ_LEN,
  FACT_PART0_TOKENS,
  FACT_PREFILL_REQUESTS,
  FACT_SHARED_BLOCK,
  FACT_TOKENS,
  FACT_UNIFORM_QUERY_LEN,
  GRAPH_AGREEMENT_SHAPE,
  KEY_MODE,
  KEY_TOKENS,
  LAYOUT_VERSION,
  MAX_PARTS,
  MODE_FULL,
  MODE_NONE,
  PHASE_DECODE,
  POLICY_ENFORCE_EAGER,
  POLICY_GRAPH_AGREEMENT,
  POLICY_UBATCH_MIN_REQUESTS,
  POLICY_UBATCHES,
  VETO_SHARED_BLOCK,
  VOTE_CAN_SPLIT,
  VOTE_CONTROL,
  VOTE_DECODE_REQUESTS,
  VOTE_FAULT_CODE,
  VOTE_FLAGS,
  VOTE_GRAPH_MODE,
  VOTE_GRAPH_VETO,
  VOTE_MAX_DECODE_QUERY_LEN,
  VOTE_MAX_QUERY_LEN,
  VOTE_MAX_SEQ_LEN,
  VOTE_MEETS_MINIMUM,
  VOTE_PADDED_TOKENS,
  VOTE_PART0_TOKENS,
  VOTE_PARTS,
  VOTE_PHASE,
  VOTE_PLAN_HASH,
  VOTE_PREFILL_REQUESTS,
  VOTE_STEP,
  VOTE_TOKENS,
  VOTE_UBATCH_VETO,
  VOTE_UNIFORM_QUERY_LEN,
  VOTE_VARIANT,
  VOTE_VERSION,
  VOTE_WANTS_UBATCHES,
  VOTE_WORDS,
} from './layout';
import { reduce } from './need';
import { keyAt } from './plan';
import { phaseOf, policy, ubatchThreshold } from './vote-rules';
import { clear, get, set } from './words';

/**
 * Writes the vote of a rank into `row` from its `facts`. A faulty rank keeps its facts in the row, so that the error can
 * say what it held.
 */
export function writeVote(
  row: usize,
  facts: usize,
  step: i32,
  planHash: i32,
  control: i32,
  faultCode: i32,
  variant: i32,
  graphVeto: i32,
  ubatchVeto: i32,
): void {
  const tokens = get(facts, FACT_TOKENS);
  const prefills = get(facts, FACT_PREFILL_REQUESTS);
  const decodes = get(facts, FACT_DECODE_REQUESTS);
  const phase = phaseOf(prefills, decodes);
  const parts = policy(POLICY_UBATCHES);
  const meetsMinimum = parts > 1 && tokens > 0 && tokens >= ubatchThreshold(phase);
  const canSplit =
    get(facts, FACT_CAN_SPLIT) != 0 && (phase != PHASE_DECODE || decodes >= policy(POLICY_UBATCH_MIN_REQUESTS));
  // What the batch itself forbids counts like a veto that the rank was given.
  const veto = ubatchVeto == 0 && get(facts, FACT_SHARED_BLOCK) != 0 ? VETO_SHARED_BLOCK : ubatchVeto;

  clear(row, VOTE_WORDS);
  set(row, VOTE_VERSION, LAYOUT_VERSION);
  set(row, VOTE_STEP, step);
  set(row, VOTE_PLAN_HASH, planHash);
  set(row, VOTE_CONTROL, control);
  set(row, VOTE_FAULT_CODE, control == CONTROL_FAULT ? faultCode : 0);
  set(row, VOTE_PHASE, phase);
  set(row, VOTE_TOKENS, tokens);
  set(row, VOTE_PREFILL_REQUESTS, prefills);
  set(row, VOTE_DECODE_REQUESTS, decodes);
  set(row, VOTE_UNIFORM_QUERY_LEN, get(facts, FACT_UNIFORM_QUERY_LEN));
  set(row, VOTE_MAX_QUERY_LEN, get(facts, FACT_MAX_QUERY_LEN));
  set(row, VOTE_MAX_DECODE_QUERY_LEN, get(facts, FACT_MAX_DECODE_QUERY_LEN));
  set(row, VOTE_MAX_SEQ_LEN, get(facts, FACT_MAX_SEQ_LEN));
  set(row, VOTE_VARIANT, variant);
  set(row, VOTE_WANTS_UBATCHES, meetsMinimum && canSplit && veto == 0 ? 1 : 0);
  set(row, VOTE_MEETS_MINIMUM, meetsMinimum ? 1 : 0);
  set(row, VOTE_CAN_SPLIT, canSplit ? 1 : 0);
  set(row, VOTE_PARTS, parts);
  for (let i = 0; i < MAX_PARTS; i++) set(row, VOTE_PART0_TOKENS + i, get(facts, FACT_PART0_TOKENS + i));
  set(row, VOTE_GRAPH_VETO, graphVeto);
  set(row, VOTE_UBATCH_VETO, veto);
  set(row, VOTE_FLAGS, 0);
  voteOwnGraph(row, tokens);
}

/**
 * The graph this rank alone would run its batch on: its padded tokens, and its mode where the ranks agree by mode. The same
 * choice that all ranks make together, made about a table of one row.
 */
function voteOwnGraph(row: usize, tokens: i32): void {
  const byMode = policy(POLICY_GRAPH_AGREEMENT) != GRAPH_AGREEMENT_SHAPE;
  set(row, VOTE_GRAPH_MODE, policy(POLICY_ENFORCE_EAGER) != 0 ? MODE_NONE : MODE_FULL);
  set(row, VOTE_PADDED_TOKENS, tokens);
  if (tokens == 0 || policy(POLICY_ENFORCE_EAGER) != 0) return;
  reduce(row, 1, 0);
  const key = ownKey();
  if (key >= 0) set(row, VOTE_PADDED_TOKENS, get(keyAt(key), KEY_TOKENS));
  if (byMode) set(row, VOTE_GRAPH_MODE, key < 0 ? MODE_NONE : get(keyAt(key), KEY_MODE));
}
