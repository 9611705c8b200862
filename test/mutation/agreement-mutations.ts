import type { Mutation } from './mutation.js';

/** Mistakes in what a table comes to, whether ranks agree to micro-batches, and which graph they choose. */
export const AGREEMENT_MUTATIONS: readonly Mutation[] = [
  // reduction.ts: what the votes are reduced to.
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
    find: 'maxQueryLen = max(maxQueryLen, vote(table, rank, Vote.MaxQueryLen));',
    replace: 'maxQueryLen = vote(table, rank, Vote.MaxQueryLen);',
  },
  {
    name: 'drafts beside prefills are not looked at',
    find: 'maxDecodeQueryLen = max(maxDecodeQueryLen, vote(table, rank, Vote.MaxDecodeQueryLen));',
    replace: 'maxDecodeQueryLen = 0;',
  },
  {
    name: 'variant of the first busy rank stands for all',
    find: 'if (vote(table, rank, Vote.Variant) != variant) variant = -1;',
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
    find: '    set(reduction, Reduced.RefusalRank, rank);\n    return;',
    replace: '    return;',
  },
  { name: 'idle ranks count as busy', find: 'if (own == 0) continue;', replace: 'if (own < 0) continue;' },
  {
    name: 'hysteresis raises the threshold',
    find: 'ubatchThreshold(vote(table, rank, Vote.Phase)) - hysteresis;',
    replace: 'ubatchThreshold(vote(table, rank, Vote.Phase)) + hysteresis;',
  },
  {
    name: 'hysteresis after a plain step too',
    find: 'get(previous, Decision.Parts) > 1 ? policy(Policy.UbatchHysteresis)',
    replace: 'get(previous, Decision.Parts) > 0 ? policy(Policy.UbatchHysteresis)',
  },
  {
    name: 'a wish is held against a veto',
    find: 'vote(table, rank, Vote.CanSplit) == 0 || vote(table, rank, Vote.UbatchVeto) != 0) return false;',
    replace: 'vote(table, rank, Vote.CanSplit) == 0) return false;',
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
    find: 'if (vote(table, rank, Vote.MeetsMinimum) != 0) return true;',
    replace: 'if (vote(table, rank, Vote.MeetsMinimum) == 0) return true;',
  },
  {
    name: 'vetoes of micro-batches are ignored where wishes are not asked for',
    find: 'if (vote(table, rank, Vote.UbatchVeto) != 0 || vote(table, rank, Vote.CanSplit) == 0) return true;',
    replace: 'if (vote(table, rank, Vote.CanSplit) == 0) return true;',
  },
  {
    name: 'vLLM V1: micro-batches with an empty last part',
    find: 'if (policy(Policy.LastPart) == LastPart.Refuse && lastPartEmpty(table, reduction, parts)) {',
    replace: 'if (false) {',
  },
  {
    name: 'vLLM V2: the least rank must pass the threshold',
    find: 'vote(table, rank, Vote.Tokens) < ubatchThreshold(',
    replace: 'vote(table, rank, Vote.Tokens) <= ubatchThreshold(',
  },
  {
    name: 'SGLang: micro-batches over different phases',
    find: 'if (first >= 0 && phase != first) return false;',
    replace: '',
  },
  // candidates.ts: whether a key holds what the ranks need.
  {
    name: 'graphs of any variant serve',
    find: 'return get(key, Key.Variant) == get(reduction, Reduced.Variant);',
    replace: 'return true;',
  },
  {
    name: 'a decode graph must have a slot to spare',
    find: 'if (get(key, Key.DecodeRequests) < get(reduction, Reduced.DecodeRequests)) return',
    replace: 'if (get(key, Key.DecodeRequests) <= get(reduction, Reduced.DecodeRequests)) return',
  },
  {
    name: 'prefill slots are ignored',
    find: 'if (policy(Policy.MixedMatch) == MixedMatch.SlotCount) return true;',
    replace: 'if (policy(Policy.MixedMatch) != MixedMatch.Strict) return true;',
  },
  {
    name: 'slots of a mixed graph are not counted together',
    find: 'return get(key, Key.PrefillRequests) + get(key, Key.DecodeRequests) >= get(reduction, Reduced.Requests);',
    replace: 'return true;',
  },
  {
    name: 'drafts longer than a decode slot of a mixed graph',
    find: 'return !decodeSlotsTooShort(key, reduction) && get(key',
    replace: 'return get(key',
  },
  {
    name: 'the padding factor is not kept',
    find: 'return tokensBeyondPadding(key, reduction) == 0 ?',
    replace: 'return true ?',
  },
  {
    name: 'a graph at the padding factor is refused',
    find: 'get(key, Key.Tokens) - most);',
    replace: 'get(key, Key.Tokens) - most + 1);',
  },
  {
    name: 'a piecewise graph of any size serves',
    find: 'return get(key, Key.Tokens) >= get(reduction, Reduced.PaddedTokens);',
    replace: 'return kindOf(key) == KeyKind.Piecewise || get(key, Key.Tokens) >= get(reduction, Reduced.PaddedTokens);',
  },
  {
    name: 'the graph after the smallest that holds the batch',
    find: 'if (liesBefore(keyAt(keyInPlace(middle)), variant, tokens)) low',
    replace: 'if (liesBefore(keyAt(keyInPlace(middle)), variant, tokens + 1)) low',
  },
  {
    name: 'mixed graphs on one rank alone, whatever the policy says',
    find: 'if (choice == MixedGraphs.OneRank) return ranks == 1;',
    replace: 'if (choice != MixedGraphs.Never) return ranks == 1;',
  },
  {
    name: 'decodes run on mixed graphs, whatever the policy says',
    find: 'return choice == MixedGraphs.AnyStep || choice == MixedGraphs.Decodes;',
    replace: 'return choice != MixedGraphs.Never;',
  },
  // no-key.ts: which graph came nearest.
  {
    name: 'the largest piecewise graph below the size is not looked at',
    find: 'place = max(place, above - 1);',
    replace: 'place = max(place, above);',
  },
  // choose.ts: which graph.
  {
    name: 'the ubatched twin runs without agreement',
    find: 'if (agreed && twin >= 0 && (',
    replace: 'if (twin >= 0 && (',
  },
  {
    name: 'vLLM V2: a last part with no token runs as a graph',
    find: 'fewest > before',
    replace: 'fewest >= before',
  },
  {
    name: 'a graph of another size is told as the twin',
    find: 'twin >= 0 && get(keyAt(twin), Key.Tokens) == get(keyAt(plain), Key.Tokens)',
    replace: 'twin >= 0',
  },
  {
    name: 'micro-batches on a graph larger than the step needs',
    find: 'return get(keyAt(twin), Key.Tokens) <= get(keyAt(plain), Key.Tokens);',
    replace: 'return true;',
  },
];
