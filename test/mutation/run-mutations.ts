import type { Mutation } from './mutation.js';

/** Mistakes in what the ranks run, and in what each makes of the decision. */
export const RUN_MUTATIONS: readonly Mutation[] = [
  // decision.ts and parts.ts: what the ranks run.
  {
    name: 'graphs gather each rank by its own count',
    find: 'set(part, Part.Gather, ranks == 1 ? Gather.None : Gather.Padded);',
    replace: 'set(part, Part.Gather, ranks == 1 ? Gather.None : Gather.Variable);',
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
    find: 'tokens = max(tokens, vote(table, rank, Vote.Part0Tokens + part));',
    replace: 'tokens = max(tokens, vote(table, 0, Vote.Part0Tokens + part));',
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
    find: 'set(at, Part.PaddedTokens, (to - from) * queryLen);',
    replace: 'set(at, Part.PaddedTokens, tokens / parts);',
  },
  {
    name: 'parts overlap on the one resource they share',
    find: 'return parts > 1 && !shared;',
    replace: 'return parts > 1;',
  },
  {
    name: 'eager parts run all padding, though the policy forbids it',
    find: 'if (vote(table, rank, Vote.Part0Tokens + part) == 0) return false;',
    replace: 'if (vote(table, rank, Vote.Part0Tokens + part) < 0) return false;',
  },
  {
    name: 'sums gathered as variable counts, and the reverse',
    find: 'choice == EagerGather.MaxOrSum ? Gather.Sum : Gather.Variable',
    replace: 'choice == EagerGather.MaxOrSum ? Gather.Variable : Gather.Sum',
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
    find: 'tokens >= cut * policy(Policy.TokenAlignment) ? cut : 1',
    replace: 'tokens >= cut ? cut : 1',
  },
  // local.ts: what a rank makes of the decision.
  {
    name: 'attention over real requests in a graph',
    find: 'full ? get(decision, Decision.PaddedRequests) : requests',
    replace: 'requests',
  },
  {
    name: 'attention over no request on an idle rank',
    find: 'const requests = max(1, get(row, Vote.PrefillRequests) + get(row, Vote.DecodeRequests));',
    replace: 'const requests = get(row, Vote.PrefillRequests) + get(row, Vote.DecodeRequests);',
  },
  {
    name: 'every rank has the eager size of the first',
    find: 'get(decision, DECISION_WORDS + PART_WORDS + rank);\n  }',
    replace: 'get(decision, DECISION_WORDS + PART_WORDS);\n  }',
  },
  {
    name: 'eager parts are padded together as well',
    find: 'get(decision, Decision.Parts) > 1 ? get(row, Vote.Tokens) :',
    replace: 'get(decision, Decision.Parts) > 1 ? get(decision, Decision.PaddedTokens) :',
  },
  { name: 'attention of a rank that waits', find: 'run == Run.Park ? 0 : full ?', replace: 'full ?' },
  {
    name: 'every request of a mixed graph has a window',
    find: 'const windows = full && get(decision, Decision.PaddedPrefillRequests) == 0;',
    replace: 'const windows = full;',
  },
  {
    name: 'a step is built of another batch than was voted',
    find: 'if (!sameWords(vote, rowAt(region(Region.Votes), rank), VOTE_WORDS)) return false;',
    replace: '',
  },
  {
    name: 'half of the own row is compared',
    find: 'rowAt(region(Region.Votes), rank), VOTE_WORDS)',
    replace: 'rowAt(region(Region.Votes), rank), VOTE_WORDS / 2)',
  },
  {
    name: 'every rank is sized as the first',
    find: 'sizeLocal(decision, vote, rank, region(Region.Local));',
    replace: 'sizeLocal(decision, vote, 0, region(Region.Local));',
  },
  {
    name: 'every other four words are compared',
    find: 'at < end; at += 16, other += 16',
    replace: 'at < end; at += 32, other += 32',
  },
];
