import { expect } from 'vitest';
import {
  type CaptureKey,
  createPlanner,
  type DecisionValue,
  DecisionView,
  decodePlan,
  type KeyCandidate,
  type Limits,
  type Policy,
  type StepPlanner,
} from '../../dist/entry/planner.js';
import { DECISION_WORDS, decisionWords, word } from '../../dist/layout/layout.js';
import { loadModules } from '../../dist/memory/modules.js';
import { tableOf, type VoteContext, type VoteRecord, votePlain } from '../oracles/vote-oracle.js';
import { policyWith } from './planner-setup.js';

/** Decodes and prefill lengths of one rank, and what else it says. */
export interface Batch extends Partial<VoteContext> {
  readonly decodes?: number;
  /** Tokens of each decode; default 1 for each of `decodes`. */
  readonly drafts?: readonly number[];
  readonly prefills?: readonly number[];
}

export const IDLE: Batch = {};

/** vLLM's default sizes up to 64. */
const LADDER = [1, 2, 4, 8, 16, 24, 32, 40, 48, 56, 64];

export interface Config {
  readonly policy?: Partial<Policy>;
  readonly sizes?: readonly number[];
  readonly twins?: boolean;
  readonly queryLen?: number;
  /** Instead of the ladder's. */
  readonly keys?: readonly CaptureKey[];
  readonly replicaSize?: number;
}

/** What the ranks of one table decide. `lastParts`: parts of the step before. */
export interface Ranks {
  decide(batches: readonly Batch[], lastParts?: number): DecisionValue;
  candidates(batches: readonly Batch[]): readonly KeyCandidate[];
}

/** Ranks of up to 64 requests and 1024 tokens. */
export async function ranksOf(ranks: number, config: Config = {}): Promise<Ranks> {
  const { sizes = LADDER, twins = true, queryLen = 1, replicaSize = 1 } = config;
  const limits: Partial<Limits> = { maxNumSeqs: 64, maxNumBatchedTokens: 1024, maxModelLen: 1024, queryLen };
  const policy = policyWith(config.policy ?? {});
  const ladder = (): readonly CaptureKey[] =>
    decodePlan({ sizes, twins, policy, limits: { maxNumSeqs: 64, queryLen } }).keys;
  const plan = { keys: config.keys ?? ladder() };
  const wasm = await loadModules();
  const planners = await Promise.all(
    Array.from({ length: ranks }, (_, rank) =>
      createPlanner({ limits, policy, plan, rank, ranks, replicaSize, wasm: { ...wasm } }),
    ),
  );
  const decide = (batches: readonly Batch[], lastParts = 0): DecisionValue => {
    const table = tableOf(votesOf(planners[0], batches));
    const decisions = planners.map((planner) => decideOne(planner, table, lastParts));
    for (const decision of decisions) expect(decision).toEqual(decisions[0]);
    return decisions[0];
  };
  return {
    decide,
    candidates: (batches) => {
      decide(batches);
      return planners[0].candidates();
    },
  };
}

/** The decision of a table that follows a step of `lastParts` parts, 0: none. */
export function decideOne(planner: StepPlanner, table: Int32Array, lastParts = 0): DecisionValue {
  const words = new Int32Array(decisionWords(planner.ranks));
  words[word(DECISION_WORDS, 'step')] = -1;
  words[word(DECISION_WORDS, 'parts')] = lastParts;
  planner.vote();
  try {
    return planner.resolve(table, lastParts === 0 ? null : new DecisionView(words)).snapshot();
  } finally {
    planner.abandon();
  }
}

/** The votes of ranks with these batches, by name. */
export function votesOf(planner: StepPlanner, batches: readonly Batch[]): VoteRecord[] {
  const { planHash, policy, plan } = planner;
  return batches.map(({ decodes = 0, drafts, prefills = [], ...intent }) => {
    const decodeLengths = drafts ?? Array.from({ length: decodes }, () => 1);
    const chunks = [
      ...decodeLengths.map((queryLen) => ({ phase: 'decode' as const, queryLen, seqLen: queryLen })),
      ...prefills.map((queryLen) => ({ phase: 'prefill' as const, queryLen, seqLen: queryLen })),
    ];
    return votePlain(chunks, { step: 0, planHash, policy, plan, ...intent });
  });
}

/** Of each part the kind of gather, and what it moves from each rank. */
export const gathers = (decision: DecisionValue): unknown =>
  decision.parts.map(({ gather }) => [gather.kind, ...gather.tokensPerRank]);

/** Tokens of each part. */
export const partSizes = (decision: DecisionValue): number[] => decision.parts.map(({ paddedTokens }) => paddedTokens);
