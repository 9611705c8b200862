/** A mistake made in one place of a rule. */
export interface Mutation {
  /** What the rule then does wrong. */
  readonly name: string;
  /** Source text that occurs once in all of the rules. */
  readonly find: string;
  readonly replace: string;
}

/** Mistakes in `asc/`. */
export const RULE_MUTATIONS: readonly Mutation[] = [
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
  // run.ts: what the ranks run.
  {
    name: 'graphs gather each rank by its own count',
    find: 'set(part, PART_GATHER, ranks == 1 ? GATHER_NONE : GATHER_PADDED);',
    replace: 'set(part, PART_GATHER, ranks == 1 ? GATHER_NONE : GATHER_VARIABLE);',
  },
  {
    name: 'an idle rank runs no dummy',
    find: 'const tokens = roundUp(max(1, own), alignment);',
    replace: 'const tokens = roundUp(own, alignment);',
  },
  {
    name: 'eager counts are not aligned',
    find: 'const tokens = roundUp(max(1, own), alignment);',
    replace: 'const tokens = max(1, own);',
  },
  {
    name: 'a padded gather as large as the last rank',
    find: 'most = max(most, tokens);\n    sum +=',
    replace: 'most = tokens;\n    sum +=',
  },
  {
    name: 'parts are sized by the cut of the first rank',
    find: 'tokens = max(tokens, vote(table, r, VOTE_PART0_TOKENS + part));',
    replace: 'tokens = max(tokens, vote(table, 0, VOTE_PART0_TOKENS + part));',
  },
  {
    name: 'eager parts are not aligned',
    find: 'tokens = roundUp(tokens, alignment);\n    const at',
    replace: 'const at',
  },
  {
    name: 'graphs are cut between aligned requests',
    find: 'return ((requests * part) / parts / unit) * unit;',
    replace: 'return (requests * part) / parts;',
  },
  {
    name: 'parts of a graph have equal tokens, whatever the requests',
    find: 'set(at, PART_PADDED_TOKENS, (to - from) * queryLen);',
    replace: 'set(at, PART_PADDED_TOKENS, tokens / parts);',
  },
  {
    name: 'parts overlap on the one resource they share',
    find: 'return parts > 1 && !shared;',
    replace: 'return parts > 1;',
  },
  {
    name: 'eager parts run all padding, though the policy forbids it',
    find: 'if (vote(table, rank, VOTE_PART0_TOKENS + part) == 0) return false;',
    replace: 'if (vote(table, rank, VOTE_PART0_TOKENS + part) < 0) return false;',
  },
  {
    name: 'sums gathered as variable counts, and the reverse',
    find: 'choice == EAGER_GATHER_MAX_OR_SUM ? GATHER_SUM : GATHER_VARIABLE',
    replace: 'choice == EAGER_GATHER_MAX_OR_SUM ? GATHER_VARIABLE : GATHER_SUM',
  },
  {
    name: 'SGLang: a tie between maximum and sum goes to the sum',
    find: '2 * sum >= <i64>most',
    replace: '2 * sum > <i64>most',
  },
  {
    name: 'the last of equal parts has no more than the others',
    find: 'return part + 1 == parts ? tokens - share * (parts - 1) : share;',
    replace: 'return parts > 1 ? share : tokens;',
  },
  {
    name: 'a piecewise graph is cut finer than the alignment',
    find: 'tokens >= cut * policy(POLICY_TOKEN_ALIGNMENT) ? cut : 1',
    replace: 'tokens >= cut ? cut : 1',
  },
  // local.ts: what a rank makes of the decision.
  {
    name: 'attention over real requests in a graph',
    find: 'full ? get(decision, DECISION_PADDED_REQUESTS) : requests',
    replace: 'requests',
  },
  {
    name: 'attention over no request on an idle rank',
    find: 'const requests = max(1, get(row, VOTE_PREFILL_REQUESTS) + get(row, VOTE_DECODE_REQUESTS));',
    replace: 'const requests = get(row, VOTE_PREFILL_REQUESTS) + get(row, VOTE_DECODE_REQUESTS);',
  },
  {
    name: 'every rank has the eager size of the first',
    find: 'get(decision, DECISION_WORDS + PART_WORDS + rank);\n  }',
    replace: 'get(decision, DECISION_WORDS + PART_WORDS);\n  }',
  },
  {
    name: 'eager parts are padded together as well',
    find: 'get(decision, DECISION_PARTS) > 1 ? get(row, VOTE_TOKENS) :',
    replace: 'get(decision, DECISION_PARTS) > 1 ? get(decision, DECISION_PADDED_TOKENS) :',
  },
  { name: 'attention of a rank that waits', find: 'run == RUN_PARK ? 0 : full ?', replace: 'full ?' },
  {
    name: 'every request of a mixed graph has a window',
    find: 'const windows = full && get(decision, DECISION_PADDED_PREFILL_REQUESTS) == 0;',
    replace: 'const windows = full;',
  },
  {
    name: 'a step is built of another batch than was voted',
    find: 'if (!sameWords(vote, rowAt(region(REGION_VOTES), rank), VOTE_WORDS)) return 1;',
    replace: '',
  },
  {
    name: 'half of the own row is compared',
    find: 'rowAt(region(REGION_VOTES), rank), VOTE_WORDS)',
    replace: 'rowAt(region(REGION_VOTES), rank), VOTE_WORDS / 2)',
  },
  {
    name: 'every rank is sized as the first',
    find: 'sizeLocal(decision, vote, rank, region(REGION_LOCAL));',
    replace: 'sizeLocal(decision, vote, 0, region(REGION_LOCAL));',
  },
  {
    name: 'every other pair of words is compared',
    find: 'word < words; word += 2',
    replace: 'word < words; word += 4',
  },
  // resolve.ts and table.ts: which tables are refused.
  {
    name: 'steps of different numbers go together',
    find: 'if (vote(table, rank, VOTE_STEP) != vote(table, 0, VOTE_STEP)) return RESOLVE_STEP;',
    replace: '',
  },
  {
    name: 'plans with different hashes go together',
    find: 'if (vote(table, rank, VOTE_PLAN_HASH) != vote(table, 0, VOTE_PLAN_HASH)) return RESOLVE_PLAN;',
    replace: '',
  },
  {
    name: 'votes beyond the limits are taken',
    find: 'if (brokenLimit(table, rank) >= 0) return RESOLVE_LIMITS;',
    replace: '',
  },
  {
    name: 'parts need not make up the tokens',
    find: 'return parts == tokens ? -1 : VOTE_PART0_TOKENS;',
    replace: 'return -1;',
  },
  {
    name: 'padded tokens may be fewer than real ones',
    find: 'if (padded < tokens || padded >',
    replace: 'if (padded < 0 || padded >',
  },
  { name: 'replicas are not compared', find: 'const first = rank - (rank % size);', replace: 'const first = rank;' },
  {
    name: 'any decision may come before a step',
    find: 'vote(table, 0, VOTE_STEP) != get(previous, DECISION_STEP) + 1',
    replace: 'vote(table, 0, VOTE_STEP) <= get(previous, DECISION_STEP)',
  },
  {
    name: 'faults are ignored',
    find: 'if (vote(table, rank, VOTE_CONTROL) == CONTROL_FAULT) return RESOLVE_FAULT;',
    replace: '',
  },
  {
    name: 'all leave where one wishes to',
    find: 'const leave = need(NEED_LEAVING_RANKS) == ranks;',
    replace: 'const leave = need(NEED_LEAVING_RANKS) > 0;',
  },
  { name: 'a veto of the first rank is ignored', find: 'if (vetoRank >= 0) {', replace: 'if (vetoRank > 0) {' },
  {
    name: 'one token more than the limit is taken',
    find: 'tokens > limit(LIMIT_MAX_TOKENS)',
    replace: 'tokens > limit(LIMIT_MAX_TOKENS) + 1',
  },
  {
    name: 'one prefill more than the limit is taken',
    find: 'prefills > requests) return',
    replace: 'prefills > requests + 1) return',
  },
  {
    name: 'decodes are limited as if there were no prefills',
    find: 'decodes > requests - prefills) return',
    replace: 'decodes > requests) return',
  },
  {
    name: 'a vote may be padded to any size',
    find: 'if (padded < tokens || padded > limit(LIMIT_MAX_PADDED_TOKENS)) return',
    replace: 'if (padded < tokens) return',
  },
  {
    name: 'tokens need no request',
    find: '|| (tokens > 0 && prefills + decodes == 0)) return VOTE_TOKENS',
    replace: ') return VOTE_TOKENS',
  },
  {
    name: 'a part may have fewer than no token',
    find: 'if (partTokens < 0 || partTokens > tokens)',
    replace: 'if (partTokens > tokens)',
  },
  {
    name: 'a control that there is not is taken',
    find: 'control > CONTROL_FAULT) return',
    replace: 'control > CONTROL_FAULT + 1) return',
  },
  {
    name: 'replicas of two are not compared',
    find: 'limit(LIMIT_REPLICA_SIZE) > 1 && replicaOutlier',
    replace: 'limit(LIMIT_REPLICA_SIZE) > 2 && replicaOutlier',
  },
  {
    name: 'the phase of a replica is not compared',
    find: 'let word = VOTE_PHASE; word < VOTE_WORDS',
    replace: 'let word = VOTE_TOKENS; word < VOTE_WORDS',
  },
  { name: 'all processes of a replica must veto alike', find: '    word == VOTE_UBATCH_VETO ||\n', replace: '' },
  {
    name: 'a veto counts where the first process of a replica has it',
    find: 'const vetoRank = need(NEED_VETO_RANK);',
    replace:
      'const first = need(NEED_VETO_RANK);\n  const vetoRank = first % limit(LIMIT_REPLICA_SIZE) == 0 ? first : -1;',
  },
  { name: 'a decision keeps words of the one before', find: '  clear(decision, words);\n', replace: '' },
  {
    name: 'the wrong rank is told to hold the phase without keys',
    find: 'const word = prefill ? VOTE_PREFILL_REQUESTS : VOTE_DECODE_REQUESTS;',
    replace: 'const word = VOTE_DECODE_REQUESTS;',
  },
  // explain.ts: what is told of the other keys.
  {
    name: 'a larger key is said to have been kept eager',
    find: 'return run == RUN_EAGER ? VERDICT_STEP_EAGER : VERDICT_LARGER;',
    replace: 'return VERDICT_STEP_EAGER;',
  },
  // plan.ts: the order of keys, the dispatch table and the hash.
  {
    name: 'of two mixed graphs the one with longer decodes',
    find: 'if (queryLen != 0) return queryLen < 0;',
    replace: 'if (queryLen != 0) return queryLen > 0;',
  },
  {
    name: 'of two mixed graphs the one with longer prefills',
    find: 'return get(key, KEY_MAX_QUERY_LEN) < get(other, KEY_MAX_QUERY_LEN);',
    replace: 'return get(key, KEY_MAX_QUERY_LEN) > get(other, KEY_MAX_QUERY_LEN);',
  },
  {
    name: 'of two mixed graphs the first, however long its prefills',
    find: 'return get(key, KEY_MAX_QUERY_LEN) < get(other, KEY_MAX_QUERY_LEN);',
    replace: 'return false;',
  },
  { name: 'large numbers are not hashed', find: 'byte < 32; byte += 8', replace: 'byte < 24; byte += 8' },
  { name: 'a limit that votes rely on is not hashed', find: 'hash = mix(hash, limit(LIMIT_MAX_TOKENS));', replace: '' },
  { name: 'the last choices of a policy are not hashed', find: 'i < POLICY_WORDS;', replace: 'i < POLICY_WORDS - 4;' },
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
    find: 'decodes >= policy(POLICY_UBATCH_MIN_REQUESTS)',
    replace: 'decodes > policy(POLICY_UBATCH_MIN_REQUESTS)',
  },
  {
    name: 'a block shared by two parts is no veto',
    find: 'get(facts, FACT_SHARED_BLOCK) != 0 ? VETO_SHARED_BLOCK : ubatchVeto',
    replace: 'get(facts, FACT_SHARED_BLOCK) < 0 ? VETO_SHARED_BLOCK : ubatchVeto',
  },
  {
    name: 'a code of a fault where there is none',
    find: 'control == CONTROL_FAULT ? faultCode : 0',
    replace: 'faultCode',
  },
  {
    name: 'a veto that was given is told as another',
    find: 'const veto = ubatchVeto == 0 && get(facts',
    replace: 'const veto = get(facts',
  },
  {
    name: 'a rank votes its real tokens as its padded ones',
    find: 'if (key >= 0) set(row, VOTE_PADDED_TOKENS, get(keyAt(key), KEY_TOKENS));',
    replace: '',
  },
  {
    name: 'thresholds of decodes and prefills change places',
    find: 'phase == PHASE_DECODE ? POLICY_UBATCH_THRESHOLD_DECODE : POLICY_UBATCH_THRESHOLD_PREFILL',
    replace: 'phase != PHASE_DECODE ? POLICY_UBATCH_THRESHOLD_DECODE : POLICY_UBATCH_THRESHOLD_PREFILL',
  },
];

/** Mistakes in the guard, made in the compiled `ranks/resolve-guard.js`. */
export const GUARD_MUTATIONS: readonly Mutation[] = [
  {
    name: 'guard: run where any rank is ready',
    find: 'if (lacking.length === 0)',
    replace: 'if (lacking.length < rows.ranks)',
  },
  {
    name: 'guard: skip where any rank is not ready',
    find: 'if (lacking.length === rows.ranks)',
    replace: 'if (lacking.length > 0)',
  },
  {
    name: 'guard: run where none is ready',
    find: "if (lacking.length === rows.ranks)\n        return { kind: 'skip', key };",
    replace: "if (lacking.length === rows.ranks)\n        return { kind: 'run', key };",
  },
  {
    name: 'guard: throw although asked to drop',
    find: "onAsymmetric: rows.word(0, 'drop') === 1 ? 'drop' : 'throw', lacking",
    replace: "onAsymmetric: 'throw', lacking",
  },
  {
    name: 'guard: rows of different keys go together',
    find: 'if (differences.length > 0)',
    replace: 'if (differences.length > rows.ranks)',
  },
];
