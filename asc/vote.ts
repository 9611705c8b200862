// A rank's vote: what its batch holds (facts) and what the rank wants (policy), as one fixed-size row.
import {
  Control,
  Fact,
  GraphAgreement,
  LAYOUT_VERSION,
  MAX_PARTS,
  Mode,
  Phase,
  Policy,
  UbatchAgreement,
  Veto,
  VOTE_WORDS,
  Vote,
} from './layout';
import { writeOwnGraph } from './own-graph';
import { phaseOf, ubatchThreshold } from './vote-rules';
import { clear, get, policy, set } from './words';

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
  writeOwnGraph(row, writeBatch(row, facts, step, planHash, control, faultCode, variant, graphVeto, ubatchVeto));
}

/** The same without the graph: what the batch holds and what the rank wants. Returns the most that the mode of its graph may be. */
export function writeBatch(
  row: usize,
  facts: usize,
  step: i32,
  planHash: i32,
  control: i32,
  faultCode: i32,
  variant: i32,
  graphVeto: i32,
  ubatchVeto: i32,
): i32 {
  const tokens = get(facts, Fact.Tokens);
  const prefills = get(facts, Fact.PrefillRequests);
  const decodes = get(facts, Fact.DecodeRequests);
  const phase = phaseOf(prefills, decodes);
  const parts = policy(Policy.Ubatches);
  const meetsMinimum = parts > 1 && tokens > 0 && tokens >= ubatchThreshold(phase);
  // SGLang cuts decodes at half of their number, rounded down: even at 0. Source: compute_split_seq_index.
  const always = parts > 1 && phase == Phase.Decode && policy(Policy.UbatchAgreement) == UbatchAgreement.SamePhase;
  const canSplit =
    always ||
    (get(facts, Fact.CanSplit) != 0 && (phase != Phase.Decode || decodes >= policy(Policy.UbatchMinRequests)));
  // Where ranks agree by mode, cascade attention bars full graphs alone. Source: vLLM's dispatch with its valid modes.
  const cascade = graphVeto == Veto.CascadeAttention && policy(Policy.GraphAgreement) != GraphAgreement.Shape;
  // A block that two parts would share counts as a veto, unless the caller gave another.
  const veto = ubatchVeto == 0 && get(facts, Fact.SharedBlock) != 0 ? Veto.SharedBlock : ubatchVeto;

  clear(row, VOTE_WORDS);
  set(row, Vote.Version, LAYOUT_VERSION);
  set(row, Vote.Step, step);
  set(row, Vote.PlanHash, planHash);
  set(row, Vote.Control, control);
  set(row, Vote.FaultCode, control == Control.Fault ? faultCode : 0);
  set(row, Vote.Phase, phase);
  set(row, Vote.Tokens, tokens);
  set(row, Vote.PrefillRequests, prefills);
  set(row, Vote.DecodeRequests, decodes);
  set(row, Vote.UniformQueryLen, get(facts, Fact.UniformQueryLen));
  set(row, Vote.MaxQueryLen, get(facts, Fact.MaxQueryLen));
  set(row, Vote.MaxDecodeQueryLen, get(facts, Fact.MaxDecodeQueryLen));
  set(row, Vote.MaxSeqLen, get(facts, Fact.MaxSeqLen));
  set(row, Vote.Variant, variant);
  set(row, Vote.WantsUbatches, meetsMinimum && canSplit && veto == 0 ? 1 : 0);
  set(row, Vote.MeetsMinimum, meetsMinimum ? 1 : 0);
  set(row, Vote.CanSplit, canSplit ? 1 : 0);
  set(row, Vote.Parts, parts);
  for (let i = 0; i < MAX_PARTS; i++) set(row, Vote.Part0Tokens + i, get(facts, Fact.Part0Tokens + i));
  set(row, Vote.GraphVeto, cascade ? Veto.None : graphVeto);
  set(row, Vote.UbatchVeto, veto);
  set(row, Vote.Flags, 0);
  return cascade ? Mode.Piecewise : Mode.Full;
}
