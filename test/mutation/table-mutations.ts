import type { Mutation } from './mutation.js';

/** Mistakes in which tables are refused. */
export const TABLE_MUTATIONS: readonly Mutation[] = [
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
];
