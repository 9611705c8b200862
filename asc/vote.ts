// A rank's vote: what it holds (facts) and what it wishes (policy), as one fixed-size row.
import {
  CONTROL_FAULT,
  FACT_CAN_SPLIT,
  FACT_DECODE_REQUESTS,
  FACT_MAX_QUERY_LEN,
  FACT_MAX_SEQ_LEN,
  FACT_PART0_TOKENS,
  FACT_PREFILL_REQUESTS,
  FACT_TOKENS,
  FACT_UNIFORM_QUERY_LEN,
  KEY_TOKENS,
  LAYOUT_VERSION,
  MAX_PARTS,
  MODE_FULL,
  MODE_NONE,
  PHASE_DECODE,
  PHASE_IDLE,
  PHASE_MIXED,
  PHASE_PREFILL,
  POLICY_ENFORCE_EAGER,
  POLICY_UBATCH_THRESHOLD_DECODE,
  POLICY_UBATCH_THRESHOLD_PREFILL,
  POLICY_UBATCHES,
  REGION_POLICY,
  VOTE_CAN_SPLIT,
  VOTE_CONTROL,
  VOTE_DECODE_REQUESTS,
  VOTE_FAULT_CODE,
  VOTE_FLAGS,
  VOTE_GRAPH_MODE,
  VOTE_GRAPH_VETO,
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
import { keyAt, keyOfVariant, queryLenIndex } from './plan';
import { get, region, set } from './words';

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
  const policy = region(REGION_POLICY);
  const tokens = get(facts, FACT_TOKENS);
  const prefills = get(facts, FACT_PREFILL_REQUESTS);
  const decodes = get(facts, FACT_DECODE_REQUESTS);
  const phase = phaseOf(prefills, decodes);
  const parts = get(policy, POLICY_UBATCHES);
  const meetsMinimum = parts > 1 && tokens > 0 && tokens >= ubatchThreshold(phase);
  const canSplit = get(facts, FACT_CAN_SPLIT) != 0;

  for (let i = 0; i < VOTE_WORDS; i++) set(row, i, 0);
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
  set(row, VOTE_PADDED_TOKENS, paddedTokens(phase, decodes, get(facts, FACT_MAX_QUERY_LEN), tokens, variant));
  set(row, VOTE_MAX_SEQ_LEN, get(facts, FACT_MAX_SEQ_LEN));
  set(row, VOTE_GRAPH_MODE, get(policy, POLICY_ENFORCE_EAGER) != 0 ? MODE_NONE : MODE_FULL);
  set(row, VOTE_VARIANT, variant);
  set(row, VOTE_WANTS_UBATCHES, meetsMinimum && canSplit && ubatchVeto == 0 ? 1 : 0);
  set(row, VOTE_MEETS_MINIMUM, meetsMinimum ? 1 : 0);
  set(row, VOTE_CAN_SPLIT, canSplit ? 1 : 0);
  set(row, VOTE_PARTS, parts);
  for (let i = 0; i < MAX_PARTS; i++) set(row, VOTE_PART0_TOKENS + i, get(facts, FACT_PART0_TOKENS + i));
  set(row, VOTE_GRAPH_VETO, graphVeto);
  set(row, VOTE_UBATCH_VETO, ubatchVeto);
  set(row, VOTE_FLAGS, 0);
}

/** Least tokens of its own with which a rank wishes micro-batches. Source: vLLM's dbo_*_token_threshold (>=, unpadded). */
function ubatchThreshold(phase: i32): i32 {
  return get(
    region(REGION_POLICY),
    phase == PHASE_DECODE ? POLICY_UBATCH_THRESHOLD_DECODE : POLICY_UBATCH_THRESHOLD_PREFILL,
  );
}

export function phaseOf(prefills: i32, decodes: i32): i32 {
  if (prefills > 0) return decodes > 0 ? PHASE_MIXED : PHASE_PREFILL;
  return decodes > 0 ? PHASE_DECODE : PHASE_IDLE;
}

/** What this rank alone would pad its batch to; its real tokens where no plain key of its variant holds it. Told, not used to decide. */
function paddedTokens(phase: i32, decodes: i32, maxQueryLen: i32, tokens: i32, variant: i32): i32 {
  if (phase != PHASE_DECODE) return tokens;
  const q = queryLenIndex(maxQueryLen);
  const key = q < 0 ? -1 : keyOfVariant(q, 1, decodes, variant);
  return key < 0 ? tokens : get(keyAt(key), KEY_TOKENS);
}
