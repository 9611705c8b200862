import type { Mutation } from './mutation.js';

/** Mistakes in which tables are refused. */
export const TABLE_MUTATIONS: readonly Mutation[] = [
  {
    name: 'ranks of a replica must all be able to cut their batch, or none',
    find: '    word == Vote.CanSplit ||\n',
    replace: '',
  },
  // resolve.ts and table.ts: which tables are refused.
  {
    name: 'steps of different numbers go together',
    find: 'if (vote(table, rank, Vote.Step) != vote(table, 0, Vote.Step)) return Resolve.Step;',
    replace: '',
  },
  {
    name: 'plans with different hashes go together',
    find: 'if (vote(table, rank, Vote.PlanHash) != vote(table, 0, Vote.PlanHash)) return Resolve.Plan;',
    replace: '',
  },
  {
    name: 'votes beyond the limits are taken',
    find: 'if (brokenLimit(table, rank) >= 0) return Resolve.Limits;',
    replace: '',
  },
  {
    name: 'parts need not make up the tokens',
    find: 'return parts == tokens ? -1 : Vote.Part0Tokens;',
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
    find: 'vote(table, 0, Vote.Step) != get(previous, Decision.Step) + 1',
    replace: 'vote(table, 0, Vote.Step) <= get(previous, Decision.Step)',
  },
  {
    name: 'faults are ignored',
    find: 'if (vote(table, rank, Vote.Control) == Control.Fault) return Resolve.Fault;',
    replace: '',
  },
  {
    name: 'all leave where one wishes to',
    find: 'const leave = get(reduction, Reduced.LeavingRanks) == ranks;',
    replace: 'const leave = get(reduction, Reduced.LeavingRanks) > 0;',
  },
  { name: 'a veto of the first rank is ignored', find: 'if (vetoRank >= 0) {', replace: 'if (vetoRank > 0) {' },
  {
    name: 'one token more than the limit is taken',
    find: 'tokens > limit(Limit.MaxTokens)',
    replace: 'tokens > limit(Limit.MaxTokens) + 1',
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
    find: 'if (padded < tokens || padded > limit(Limit.MaxPaddedTokens)) return',
    replace: 'if (padded < tokens) return',
  },
  {
    name: 'tokens need no request',
    find: '|| (tokens > 0 && prefills + decodes == 0)) return Vote.Tokens',
    replace: ') return Vote.Tokens',
  },
  {
    name: 'a part may have fewer than no token',
    find: 'if (partTokens < 0 || partTokens > tokens)',
    replace: 'if (partTokens > tokens)',
  },
  {
    name: 'a control that there is not is taken',
    find: 'control > Control.Fault) return',
    replace: 'control > Control.Fault + 1) return',
  },
  {
    name: 'replicas of two are not compared',
    find: 'limit(Limit.ReplicaSize) > 1 && replicaOutlier',
    replace: 'limit(Limit.ReplicaSize) > 2 && replicaOutlier',
  },
  {
    name: 'the phase of a replica is not compared',
    find: 'let word = Vote.Phase; word < Vote.DecisionHash',
    replace: 'let word = Vote.Tokens; word < VOTE_WORDS',
  },
  { name: 'all processes of a replica must veto alike', find: '    word == Vote.UbatchVeto ||\n', replace: '' },
  {
    name: 'a veto counts where the first process of a replica has it',
    find: 'const vetoRank = get(reduction, Reduced.VetoRank);',
    replace:
      'const first = get(reduction, Reduced.VetoRank);\n  const vetoRank = first % limit(Limit.ReplicaSize) == 0 ? first : -1;',
  },
  {
    name: 'a decision keeps words of the one before',
    find: '  clear(decision, DECISION_WORDS + MAX_PARTS * (PART_WORDS + ranks));\n',
    replace: '',
  },
  {
    name: 'the wrong rank is told to hold the phase without keys',
    find: 'const word = prefill ? Vote.PrefillRequests : Vote.DecodeRequests;',
    replace: 'const word = Vote.DecodeRequests;',
  },
  // seal.ts: which rows are admitted.
  {
    name: 'seals are not looked at',
    find: '    if (sealOf(rowAt(table, rank), rank) != vote(table, rank, Vote.Seal)) return Resolve.Seal;\n',
    replace: '',
  },
  {
    name: 'the own row is not looked at',
    find: 'if (rank == own && sameWords(rowAt(table, rank), region(Region.OwnVote), VOTE_WORDS)) continue;',
    replace: 'if (rank == own) continue;',
  },
  { name: 'a seal does not know its rank', find: ', 3, rank);', replace: ', 3, 0);' },
  {
    name: 'a seal leaves out the last words of a row',
    find: 'i32x4.add(mixedWords(row, ROW - FOUR), mixed(last, -1))',
    replace: 'i32x4.add(mixedWords(row, ROW - FOUR), mixed(i32x4.splat(rank), -1))',
  },
  { name: 'a seal does not know the places of words', find: 'place * 0x3c6ef372', replace: '0' },
  {
    name: 'ranks that decided differently go on',
    find: '    if (vote(table, rank, Vote.DecisionHash) != vote(table, 0, Vote.DecisionHash)) return Resolve.Decision;\n',
    replace: '',
  },
  {
    name: 'the hash of a decision leaves out its second part',
    find: 'min(parts, MAX_PARTS)',
    replace: '1',
  },
  {
    name: 'words may be below their range',
    find: '    outside = v128.or(outside, i32x4.lt_s(words, v128.load(low + at)));\n',
    replace: '',
  },
  {
    name: 'words may be above their range',
    find: '    outside = v128.or(outside, i32x4.gt_s(words, v128.load(high + at)));\n',
    replace: '',
  },
];
