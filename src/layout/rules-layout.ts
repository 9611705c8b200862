/** Words that the rules read and write, and what ranks agree on: part of the layout, which exports them. */

/** Version of the vote row and of the decision. Ranks that differ refuse each other's table. Rows before version 3 had no seal. */
export const LAYOUT_VERSION = 3;

/** Most micro-batches (parts) a step can be cut into. */
export const MAX_PARTS = 4;

/** Most decode query lengths (1 + speculative tokens) one capture plan can hold. */
export const MAX_QUERY_LENS = 4;

/**
 * The fixed-size row a rank contributes to a step. `tokens` are always tokens, never requests. `decisionHash` is that of the decision
 * the rank built last, 0 before the first; `seal` is a checksum of the other words and of the rank. Both are 0 in rows that only the
 * pure rules read. `VOTE_RANGES` says what each word may hold.
 */
export const VOTE_WORDS = [
  'version',
  'step',
  'planHash',
  'control',
  'faultCode',
  'phase',
  'tokens',
  'prefillRequests',
  'decodeRequests',
  'uniformQueryLen',
  'maxQueryLen',
  'paddedTokens',
  'maxSeqLen',
  'graphMode',
  'variant',
  'wantsUbatches',
  'meetsMinimum',
  'canSplit',
  'parts',
  'part0Tokens',
  'part1Tokens',
  'part2Tokens',
  'part3Tokens',
  'graphVeto',
  'ubatchVeto',
  'flags',
  'maxDecodeQueryLen',
  'reserved27',
  'reserved28',
  'reserved29',
  'decisionHash',
  'seal',
] as const;

/** What every rank derives from the table, word for word the same. `MAX_PARTS` part records of `PART_WORDS` follow. */
export const DECISION_WORDS = [
  'version',
  'step',
  'run',
  'reason',
  'reasonRank',
  'reasonDetail',
  'captureKey',
  'phase',
  'paddedTokens',
  'paddedRequests',
  'queryLen',
  'parts',
  'ranks',
  'busyRanks',
  'ubatchWishes',
  'plainTwin',
  'leave',
  'maxTokens',
  'variant',
  'paddedPrefillRequests',
  'paddedDecodeRequests',
  'overlap',
  'heldWishes',
  'reserved23',
] as const;

/** One part of a decision; `tokensPerRank` (int32[ranks]) follows each. Its padded requests are those of a graph, 0 in eager. */
export const PART_WORDS = ['paddedTokens', 'paddedRequests', 'gather', 'reserved3'] as const;

/** One captured graph, by value. `collectives` are those its forward holds (bit set). */
export const KEY_WORDS = [
  'mode',
  'tokens',
  'prefillRequests',
  'decodeRequests',
  'queryLen',
  'maxQueryLen',
  'parts',
  'variant',
  'collectives',
  'reserved9',
  'reserved10',
  'reserved11',
] as const;

/** The choices of a `Policy`, as numbers: those of `ENUMS`, counts, and bit sets. */
export const POLICY_WORDS = [
  'ubatches',
  'ubatchThresholdDecode',
  'ubatchThresholdPrefill',
  'tokenAlignment',
  'eagerEmptyPart',
  'enforceEager',
  'maxPaddingPermille',
  'ubatchHysteresis',
  'graphAgreement',
  'ubatchAgreement',
  'lastPart',
  'decodeMatch',
  'mixedGraphs',
  'mixedMatch',
  'eagerGather',
  'eagerParts',
  'split',
  'sharedBlocks',
  'ubatchMinRequests',
  'ubatchCaptureMinRequests',
  'exclusiveResources',
  'onSharedResource',
  'partSizes',
  'prepare',
  'captureGuard',
  'graphLookup',
  'idleRanks',
  'dummies',
] as const;

/** The facts of the scheduled batch, before any rule is applied to it. */
export const FACT_WORDS = [
  'tokens',
  'prefillRequests',
  'decodeRequests',
  'uniformQueryLen',
  'maxQueryLen',
  'maxSeqLen',
  'canSplit',
  'part0Tokens',
  'part1Tokens',
  'part2Tokens',
  'part3Tokens',
  'maxDecodeQueryLen',
  'sharedBlock',
] as const;

/** The reduction of a table of votes: maxima, minima and common values over its ranks, from which every choice is made. */
export const REDUCED_WORDS = [
  'ranks',
  'busyRanks',
  'leavingRanks',
  'wishes',
  'heldWishes',
  'phase',
  'tokens',
  'minTokens',
  'prefillRequests',
  'decodeRequests',
  'requests',
  'maxQueryLen',
  'maxDecodeQueryLen',
  'uniformQueryLen',
  'variant',
  'graphMode',
  'paddedTokens',
  'parts',
  'vetoRank',
  'eagerRank',
  'refusalRank',
] as const;

/** What a rank's own graph follows from, beside plan and policy, and that graph: of the vote that was cast last. */
export const OWN_GRAPH_WORDS = [
  'tokens',
  'prefillRequests',
  'decodeRequests',
  'uniformQueryLen',
  'maxQueryLen',
  'maxDecodeQueryLen',
  'variant',
  'mostMode',
  'paddedTokens',
  'graphMode',
] as const;

/** Why a key is not the one that runs, a pair of words for each key of the plan. */
export const CANDIDATE_WORDS = ['verdict', 'detail'] as const;

/** What one rank does in a step, as the model checker sees it: the tensors it prepares, and what it runs and enters. */
export const ACTION_WORDS = [
  'preparedTokens',
  'preparedRequests',
  'run',
  'key',
  'tokens',
  'requests',
  'parts',
  'overlap',
  'part0Tokens',
  'part1Tokens',
  'part2Tokens',
  'part3Tokens',
  'gather',
] as const;

/** Properties that the model checker explores; a violation is recorded at the place of its name. */
export const PROPERTIES = ['P1', 'P2', 'P3', 'P4', 'P5', 'P6', 'P9', 'P10', 'P11'] as const;

/** Most ranks whose tables the model checker enumerates. */
export const MAX_CHECK_RANKS = 8;

/** Words of the record of a property: 1 if some table breaks it, then the state of each replica in the first one that does. */
export const VIOLATION_WORDS: number = 1 + MAX_CHECK_RANKS;

/** Int32 words of one decision for `ranks` ranks. */
export function decisionWords(ranks: number): number {
  return DECISION_WORDS.length + MAX_PARTS * (PART_WORDS.length + ranks);
}

/** Word of a decision at which the record of `part` starts. */
export function decisionPart(part: number, ranks: number): number {
  return DECISION_WORDS.length + part * (PART_WORDS.length + ranks);
}
