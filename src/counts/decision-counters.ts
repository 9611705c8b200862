import type { DecisionView, ReasonCode } from '../agreement/index.js';
import type { ForwardBatch } from '../batch/index.js';
import { checkArguments } from '../checks.js';

/** Counts of decisions. Equal on every rank. */
export interface DecisionCounts {
  /** Decisions other than park. */
  steps: number;
  /** Steps that ran on a graph, in pieces or whole. */
  graphSteps: number;
  /** Graph steps whose attention ran between the graphs of pieces. */
  piecewiseSteps: number;
  /** Steps that ran without a graph. */
  eagerSteps: number;
  /** Eager steps in which every busy rank only decoded. */
  eagerDecodeSteps: number;
  /** Steps in which at least one rank was idle. */
  idleRankSteps: number;
  /** Steps whose plain graph ran although some rank wanted micro-batches and the size has an ubatched graph. */
  twinSteps: number;
  /** Steps that ran as an ubatched graph, or eager in several parts. */
  ubatchedSteps: number;
  /** Every decision, parked ones included, by reason. */
  reasons: Partial<Record<ReasonCode, number>>;
}

/** Tokens of one rank. */
export interface TokenCounts {
  /** Real tokens computed. */
  tokens: number;
  /** Real tokens of the steps that ran as graphs; an idle dummy has none. */
  graphTokens: number;
  /** Tokens that those steps computed, padding included. */
  graphPaddedTokens: number;
  /** Of the same steps: real tokens of the rank with the most in each step. Equal on every rank. */
  largestTokens: number;
  /** Tokens that those ranks were padded to. Equal on every rank. */
  largestPaddedTokens: number;
}

/** Counts steps: those of one rank, or of several whose tokens are added up. */
export class DecisionCounters {
  /** Counts of the decisions so far. */
  readonly decisions: DecisionCounts = {
    steps: 0,
    graphSteps: 0,
    piecewiseSteps: 0,
    eagerSteps: 0,
    eagerDecodeSteps: 0,
    idleRankSteps: 0,
    twinSteps: 0,
    ubatchedSteps: 0,
    reasons: {},
  };
  /** Counts of the tokens so far. */
  readonly tokens: TokenCounts = {
    tokens: 0,
    graphTokens: 0,
    graphPaddedTokens: 0,
    largestTokens: 0,
    largestPaddedTokens: 0,
  };

  /** Counts `steps` steps that were decided and sized alike. */
  count(decision: DecisionView, local: Pick<ForwardBatch, 'tokens' | 'paddedTokens'>, steps = 1): void {
    const counts = this.decisions;
    const { reason, run } = decision;
    counts.reasons[reason] = (counts.reasons[reason] ?? 0) + steps;
    if (run === 'park') return;
    counts.steps += steps;
    if (decision.busyRanks < decision.ranks) counts.idleRankSteps += steps;
    if (decision.partCount > 1) counts.ubatchedSteps += steps;
    if (decision.plainTwin) counts.twinSteps += steps;
    this.tokens.tokens += steps * local.tokens;
    if (run === 'eager') {
      counts.eagerSteps += steps;
      if (decision.phase === 'decode') counts.eagerDecodeSteps += steps;
      return;
    }
    counts.graphSteps += steps;
    if (run === 'piecewise') counts.piecewiseSteps += steps;
    this.tokens.graphTokens += steps * local.tokens;
    this.tokens.graphPaddedTokens += steps * local.paddedTokens;
    this.tokens.largestTokens += steps * decision.maxTokens;
    this.tokens.largestPaddedTokens += steps * decision.paddedTokens;
  }
}

/** The padding of graph steps, by what it is divided by. Each is (padded - real) / real tokens, and 0 without graph steps. */
export interface PaddingRatios {
  /** The size of a step over the real tokens of its largest rank. It is what `paddingRatio` of a plan is. */
  readonly paddingRatioLargest: number;
  /** The padded tokens of all ranks over their real tokens. It is what `paddingRatio` of a run is. */
  readonly paddingRatioAll: number;
}

/** Both ratios of the tokens counted on each rank: at least one. */
export function paddingRatios(ranks: readonly TokenCounts[]): PaddingRatios {
  const { largestTokens, largestPaddedTokens } = ranks[0];
  return {
    paddingRatioLargest: largestTokens === 0 ? 0 : (largestPaddedTokens - largestTokens) / largestTokens,
    paddingRatioAll: paddingRatio(ranks),
  };
}

/** Padding of graph steps over all ranks: (padded - real) / real tokens; 0 without graph steps. */
export function paddingRatio(ranks: readonly TokenCounts[]): number {
  checkArguments('paddingRatio', { ranks: [ranks, 'objects'] });
  const real = ranks.reduce((sum, rank) => sum + rank.graphTokens, 0);
  const padded = ranks.reduce((sum, rank) => sum + rank.graphPaddedTokens, 0);
  return real === 0 ? 0 : (padded - real) / real;
}
