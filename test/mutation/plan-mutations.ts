import type { Mutation } from './mutation.js';

/** Mistakes in what is told of keys, in how a plan is laid out, and in what a rank votes. */
export const PLAN_MUTATIONS: readonly Mutation[] = [
  // explain.ts: what is told of the other keys.
  {
    name: 'a larger key is said to have been kept eager',
    find: 'return run == Run.Eager ? Verdict.StepEager : Verdict.Larger;',
    replace: 'return Verdict.StepEager;',
  },
  // install-plan.ts, key-order.ts and keys.ts: the order of keys, the dispatch table and the hash.
  {
    name: 'of two mixed graphs the one with longer decodes',
    find: 'if (queryLen != 0) return queryLen < 0;',
    replace: 'if (queryLen != 0) return queryLen > 0;',
  },
  {
    name: 'of two mixed graphs the one with longer prefills',
    find: 'return get(key, Key.MaxQueryLen) < get(other, Key.MaxQueryLen);',
    replace: 'return get(key, Key.MaxQueryLen) > get(other, Key.MaxQueryLen);',
  },
  {
    name: 'of two mixed graphs the first, however long its prefills',
    find: 'return get(key, Key.MaxQueryLen) < get(other, Key.MaxQueryLen);',
    replace: 'return false;',
  },
  { name: 'large numbers are not hashed', find: 'byte < 32; byte += 8', replace: 'byte < 24; byte += 8' },
  { name: 'a limit that votes rely on is not hashed', find: 'hash = mix(hash, limit(Limit.MaxTokens));', replace: '' },
  {
    name: 'the last choices of a policy are not hashed',
    find: 'word < POLICY_WORDS;',
    replace: 'word < POLICY_WORDS - 4;',
  },
  { name: 'the last key is not hashed', find: 'i < keys * KEY_WORDS;', replace: 'i < (keys - 1) * KEY_WORDS;' },
  {
    name: 'a full graph is dispatched to a larger one',
    find: 'requests <= holds; requests++',
    replace: 'requests < holds; requests++',
  },
  {
    name: 'a query length must have a token to spare',
    find: 'if (configured >= queryLen) return i;',
    replace: 'if (configured > queryLen) return i;',
  },
  // vote.ts: what a rank says of itself.
  {
    name: 'the threshold for micro-batches is passed, not reached',
    find: 'tokens > 0 && tokens >= ubatchThreshold(phase);',
    replace: 'tokens > 0 && tokens > ubatchThreshold(phase);',
  },
  {
    name: 'a wish in spite of a veto',
    find: 'meetsMinimum && canSplit && veto == 0 ? 1 : 0',
    replace: 'meetsMinimum && canSplit ? 1 : 0',
  },
  {
    name: 'a wish to cut what cannot be cut',
    find: 'meetsMinimum && canSplit && veto == 0 ? 1 : 0',
    replace: 'meetsMinimum && veto == 0 ? 1 : 0',
  },
  {
    name: 'one request more than the minimum before decodes are cut',
    find: 'decodes >= policy(Policy.UbatchMinRequests)',
    replace: 'decodes > policy(Policy.UbatchMinRequests)',
  },
  {
    name: 'a block shared by two parts is no veto',
    find: 'get(facts, Fact.SharedBlock) != 0 ? Veto.SharedBlock : ubatchVeto',
    replace: 'get(facts, Fact.SharedBlock) < 0 ? Veto.SharedBlock : ubatchVeto',
  },
  {
    name: 'a code of a fault where there is none',
    find: 'control == Control.Fault ? faultCode : 0',
    replace: 'faultCode',
  },
  {
    name: 'a veto that was given is told as another',
    find: 'const veto = ubatchVeto == 0 && get(facts',
    replace: 'const veto = get(facts',
  },
  {
    name: 'a rank votes its real tokens as its padded ones',
    find: 'if (key >= 0) set(row, Vote.PaddedTokens, get(keyAt(key), Key.Tokens));',
    replace: '',
  },
  // own-graph.ts: the graph that is kept from vote to vote.
  {
    name: 'the graph of another variant is kept',
    find: 'get(kept, OwnGraph.Variant) == get(row, Vote.Variant) &&',
    replace: '',
  },
  {
    name: 'the graph of another number of decodes is kept',
    find: 'get(kept, OwnGraph.DecodeRequests) == get(row, Vote.DecodeRequests) &&',
    replace: '',
  },
  {
    name: 'the graph of another number of prefills is kept',
    find: 'get(kept, OwnGraph.PrefillRequests) == get(row, Vote.PrefillRequests) &&',
    replace: '',
  },
  {
    name: 'the graph of a shorter prefill is kept',
    find: 'get(kept, OwnGraph.MaxQueryLen) == get(row, Vote.MaxQueryLen) &&',
    replace: '',
  },
  {
    name: 'the graph of shorter drafts is kept',
    find: 'get(kept, OwnGraph.MaxDecodeQueryLen) == get(row, Vote.MaxDecodeQueryLen) &&',
    replace: '',
  },
  { name: 'a graph of any mode is kept', find: 'get(kept, OwnGraph.MostMode) == most', replace: 'true' },
  { name: 'a graph is kept with another plan', find: '  forgetGraph();\n', replace: '' },
  {
    name: 'thresholds of decodes and prefills change places',
    find: 'phase == Phase.Decode ? Policy.UbatchThresholdDecode : Policy.UbatchThresholdPrefill',
    replace: 'phase != Phase.Decode ? Policy.UbatchThresholdDecode : Policy.UbatchThresholdPrefill',
  },
];
