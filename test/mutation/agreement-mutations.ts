import type { Mutation } from './mutation.js';

/** Mistakes in what a table comes to, whether ranks agree to micro-batches, and which graph they choose. */
export const AGREEMENT_MUTATIONS: readonly Mutation[] = [
  // need.ts: what a table comes to.
  {
    name: 'tokens of the last busy rank, not of the largest',
    find: 'tokens = max(tokens, own);',
    replace: 'tokens = own;',
  },
  {
    name: 'decodes of the last busy rank, not of the largest',
    find: 'decodes = max(decodes, ownDecodes);',
    replace: 'decodes = ownDecodes;',
  },
  {
    name: 'prefills: least instead of most',
    find: 'prefills = max(prefills, ownPrefills);',
    replace: 'prefills = prefills == 0 ? ownPrefills : min(prefills, ownPrefills);',
  },
  {
    name: 'decodes beside prefills need no slot',
    find: 'requests = max(requests, ownPrefills + ownDecodes);',
    replace: 'requests = max(requests, ownPrefills);',
  },
  {
    name: 'query length of the last busy rank, not of the largest',
    find: 'maxQueryLen = max(maxQueryLen, vote(table, rank, VOTE_MAX_QUERY_LEN));',
    replace: 'maxQueryLen = vote(table, rank, VOTE_MAX_QUERY_LEN);',
  },
  {
    name: 'drafts beside prefills are not looked at',
    find: 'maxDecodeQueryLen = max(maxDecodeQueryLen, vote(table, rank, VOTE_MAX_DECODE_QUERY_LEN));',
    replace: 'maxDecodeQueryLen = 0;',
  },
  {
    name: 'variant of the first busy rank stands for all',
    find: 'if (vote(table, rank, VOTE_VARIANT) != variant) variant = -1;',
    replace: '',
  },
  {
    name: 'uniform although the ranks draft differently',
    find: 'if (uniform != uniformQueryLen) uniformQueryLen = 0;',
    replace: '',
  },
  {
    name: 'graph vetoes are ignored',
    find: 'vetoRank < 0) vetoRank = rank;',
    replace: 'vetoRank > 0) vetoRank = rank;',
  },
  {
    name: 'the rank that refuses micro-batches is not named',
    find: '    set(region(REGION_NEED), NEED_REFUSAL_RANK, rank);\n    return 1;',
    replace: '    return 1;',
  },
  { name: 'idle ranks count as busy', find: 'if (own == 0) continue;', replace: 'if (own < 0) continue;' },
  {
    name: 'hysteresis raises the threshold',
    find: 'ubatchThreshold(vote(table, rank, VOTE_PHASE)) - hysteresis;',
    replace: 'ubatchThreshold(vote(table, rank, VOTE_PHASE)) + hysteresis;',
  },
  {
    name: 'hysteresis after a plain step too',
    find: 'get(previous, DECISION_PARTS) > 1 ? policy(POLICY_UBATCH_HYSTERESIS)',
    replace: 'get(previous, DECISION_PARTS) > 0 ? policy(POLICY_UBATCH_HYSTERESIS)',
  },
  {
    name: 'a wish is held against a veto',
    find: 'vote(table, rank, VOTE_CAN_SPLIT) == 0 || vote(table, rank, VOTE_UBATCH_VETO) != 0) return false;',
    replace: 'vote(table, rank, VOTE_CAN_SPLIT) == 0) return false;',
  },
  { name: 'the mode of the last rank, not the least', find: 'mode = min(mode, ownMode);', replace: 'mode = ownMode;' },
  {
    name: 'most tokens of any rank in the place of fewest',
    find: 'minTokens = min(minTokens, own);',
    replace: 'minTokens = minTokens == i32.MAX_VALUE ? own : max(minTokens, own);',
  },
  // agree.ts: micro-batches.
  {
    name: 'micro-batches whatever the busy ranks wish',
    find: 'return !idle && !wishes(table, rank, hysteresis);',
    replace: 'return false;',
  },
  {
    name: 'vLLM V1: micro-batches whatever the ranks wish',
    find: 'return !wishes(table, rank, hysteresis);\n  if',
    replace: 'return false;\n  if',
  },
  {
    name: 'ATOM: a rank below the minimum is taken for one above',
    find: 'if (vote(table, rank, VOTE_MEETS_MINIMUM) != 0) return true;',
    replace: 'if (vote(table, rank, VOTE_MEETS_MINIMUM) == 0) return true;',
  },
  {
    name: 'vetoes of micro-batches are ignored where wishes are not asked for',
    find: 'if (vote(table, rank, VOTE_UBATCH_VETO) != 0 || vote(table, rank, VOTE_CAN_SPLIT) == 0) return true;',
    replace: 'if (vote(table, rank, VOTE_CAN_SPLIT) == 0) return true;',
  },
  {
    name: 'vLLM V1: micro-batches with an empty last part',
    find: 'if (policy(POLICY_LAST_PART) == LAST_PART_REFUSE && lastPartEmpty(table, ranks, parts)) {',
    replace: 'if (false) {',
  },
  {
    name: 'vLLM V2: the least rank must pass the threshold',
    find: 'vote(table, rank, VOTE_TOKENS) < ubatchThreshold(',
    replace: 'vote(table, rank, VOTE_TOKENS) <= ubatchThreshold(',
  },
  {
    name: 'SGLang: micro-batches over different phases',
    find: 'if (first >= 0 && phase != first) return false;',
    replace: '',
  },
  // candidates.ts: whether a key holds what the ranks need.
  {
    name: 'graphs of any variant serve',
    find: 'if (get(key, KEY_VARIANT) != need(NEED_VARIANT)) return VERDICT_VARIANT;',
    replace: '',
  },
  {
    name: 'a decode graph must have a slot to spare',
    find: 'return get(key, KEY_DECODE_REQUESTS) < need(NEED_DECODE_REQUESTS) ? VERDICT_REQUESTS',
    replace: 'return get(key, KEY_DECODE_REQUESTS) <= need(NEED_DECODE_REQUESTS) ? VERDICT_REQUESTS',
  },
  {
    name: 'prefill slots are ignored',
    find: '!= MIXED_MATCH_SLOT_COUNT && prefills < need(NEED_PREFILL_REQUESTS)',
    replace: '== MIXED_MATCH_STRICT && prefills < need(NEED_PREFILL_REQUESTS)',
  },
  {
    name: 'slots of a mixed graph are not counted together',
    find: 'if (prefills + decodes < need(NEED_REQUESTS)) return VERDICT_REQUESTS;',
    replace: '',
  },
  {
    name: 'drafts longer than a decode slot of a mixed graph',
    find: 'if (shortDecodeSlots(key)) return VERDICT_QUERY_LENGTH;',
    replace: '',
  },
  {
    name: 'the padding factor is not kept',
    find: 'if (kind != DECODE_KEY && beyondPadding(key) > 0) return VERDICT_PADDING_FACTOR;',
    replace: '',
  },
  {
    name: 'a graph at the padding factor is refused',
    find: 'get(key, KEY_TOKENS) - most);',
    replace: 'get(key, KEY_TOKENS) - most + 1);',
  },
  {
    name: 'a piecewise graph of any size serves',
    find: 'if (get(key, KEY_TOKENS) < need(NEED_PADDED_TOKENS)) return VERDICT_TOKENS;',
    replace: 'if (kind != PIECEWISE_KEY && get(key, KEY_TOKENS) < need(NEED_PADDED_TOKENS)) return VERDICT_TOKENS;',
  },
  {
    name: 'the largest graph that holds the batch, not the smallest',
    find: 'if (best < 0 || smaller(keyAt(index), keyAt(best))) best = index;',
    replace: 'if (best < 0 || !smaller(keyAt(index), keyAt(best))) best = index;',
  },
  {
    name: 'mixed graphs on one rank alone, whatever the policy says',
    find: 'return choice == MIXED_GRAPHS_AGREED || ranks == 1;',
    replace: 'return ranks == 1;',
  },
  // choose.ts: which graph.
  {
    name: 'the ubatched twin runs without agreement',
    find: 'if (agreed && twin >= 0 && (',
    replace: 'if (twin >= 0 && (',
  },
  {
    name: 'vLLM V2: a last part with no token runs as a graph',
    find: 'need(NEED_MIN_TOKENS) > least',
    replace: 'need(NEED_MIN_TOKENS) >= least',
  },
  {
    name: 'a graph of another size is told as the twin',
    find: 'twin >= 0 && get(keyAt(twin), KEY_TOKENS) == get(keyAt(plain), KEY_TOKENS)',
    replace: 'twin >= 0',
  },
  {
    name: 'micro-batches on a graph larger than the step needs',
    find: 'return get(keyAt(twin), KEY_TOKENS) <= get(keyAt(plain), KEY_TOKENS);',
    replace: 'return true;',
  },
];
