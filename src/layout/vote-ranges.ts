import { ENUMS } from './enums.js';
import { LAYOUT_VERSION, type VOTE_WORDS } from './rules-layout.js';

/** A bound of a word: a number, or a word of `LIMIT_WORDS` that all planners of one plan share. */
export type VoteBound = number | 'maxRequests' | 'maxTokens' | 'maxPaddedTokens' | 'maxParts';

const LEAST = -(2 ** 31);
const MOST = 2 ** 31 - 1;
const ANY: readonly [number, number] = [LEAST, MOST];
const COUNT: readonly [number, number] = [0, MOST];
const FLAG: readonly [number, number] = [0, 1];
const UNUSED: readonly [number, number] = [0, 0];
const REQUESTS: readonly [number, VoteBound] = [0, 'maxRequests'];
const TOKENS: readonly [number, VoteBound] = [0, 'maxTokens'];
const VETO = named(ENUMS.VETO);

/**
 * Least and largest value of each word of a vote that a planner can write, the only declaration of them. A rank refuses a table with
 * any other value. What words say together, as the sum of a rank's parts, is for the rules.
 */
export const VOTE_RANGES: Readonly<Record<(typeof VOTE_WORDS)[number], readonly [low: VoteBound, high: VoteBound]>> = {
  version: [LAYOUT_VERSION, LAYOUT_VERSION],
  step: ANY,
  planHash: ANY,
  control: named(ENUMS.CONTROL),
  faultCode: COUNT,
  phase: named(ENUMS.PHASE),
  tokens: TOKENS,
  prefillRequests: REQUESTS,
  decodeRequests: REQUESTS,
  uniformQueryLen: TOKENS,
  maxQueryLen: TOKENS,
  paddedTokens: [0, 'maxPaddedTokens'],
  // Its limit is each rank's own.
  maxSeqLen: COUNT,
  graphMode: named(ENUMS.MODE),
  variant: COUNT,
  wantsUbatches: FLAG,
  meetsMinimum: FLAG,
  canSplit: FLAG,
  parts: ['maxParts', 'maxParts'],
  part0Tokens: TOKENS,
  part1Tokens: TOKENS,
  part2Tokens: TOKENS,
  part3Tokens: TOKENS,
  graphVeto: VETO,
  ubatchVeto: VETO,
  flags: UNUSED,
  maxDecodeQueryLen: TOKENS,
  reserved27: UNUSED,
  reserved28: UNUSED,
  reserved29: UNUSED,
  decisionHash: ANY,
  seal: ANY,
};

/** Least and largest value of the names of an enum, whose numbers have no gap. */
function named(values: Readonly<Record<string, number>>): readonly [number, number] {
  const numbers = Object.values(values);
  return [Math.min(...numbers), Math.max(...numbers)];
}
