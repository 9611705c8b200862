import type { Limits } from '../config.js';
import { ENGINE_NAMES, type EngineLadder, emitFlags, engineLadder } from '../engines/index.js';
import type { Policy } from '../policy/index.js';
import { type CaptureCost, captureOf, type MixedCount } from '../workload/index.js';
import type { LadderCurve } from './ladder/ladder-curve.js';
import { type LadderScore, scoreLadder } from './ladder/ladder-score.js';
import type { LogRun } from './log-run.js';
import type { MixedShape } from './mixed/mixed-grid.js';
import { mixedGraphs, scoreMixed, sumScores } from './mixed/mixed-score.js';
import type { PlanCosts } from './plan-costs.js';
import type { AsRanScore, EmittedLadder, EngineScore, EqualGraphs, PlanScore } from './plan-document.js';
import type { RankedShape } from './step-sequence.js';

/** The steps that graphs are scored on. */
export interface ScoredSteps {
  /** Decodes by size, up to the largest that the limits allow. */
  readonly counts: Float64Array;
  /** Decodes larger than that. */
  readonly above: number;
  /** Steps with a prefill, where they are planned for. */
  readonly mixed: readonly MixedCount[] | null;
}

/** Graphs of one plan: sizes of decodes, and shapes for steps with a prefill. */
export interface ScoredGraphs {
  readonly decode: readonly number[];
  readonly mixed: readonly MixedShape[];
  /** Which graph with prefill slots holds a step, and how far one may pad it. Default: 'slots', and any. */
  readonly policy?: Pick<Policy, 'mixedMatch' | 'maxPaddingFactor'>;
}

/** Padding by tokens and by time. */
export function scorePlan(steps: ScoredSteps, costs: PlanCosts, graphs: ScoredGraphs): PlanScore {
  const by = (cost: Float64Array): LadderScore => {
    const decode = scoreLadder(steps.counts, cost, graphs.decode);
    return steps.mixed === null
      ? decode
      : sumScores(decode, scoreMixed(steps.mixed, cost, graphs.mixed, graphs.policy ?? {}));
  };
  const tokens = by(costs.tokens);
  return {
    graphs: graphs.decode.length + graphs.mixed.length,
    paddingRatio: tokens.ratio,
    timeRatio: by(costs.time).ratio,
    eagerSteps: tokens.eagerSteps + steps.above,
  };
}

/**
 * Padding of graph steps over the real tokens of all ranks: each rank is padded to the size of the step. Steps with a prefill are left
 * out unless graphs are `mixed`; 0 without graph steps.
 */
export function paddingOfAllRanks(ranked: readonly RankedShape[], { decode, mixed, policy }: ScoredGraphs): number {
  const graphOf = mixedGraphs(mixed, policy ?? {});
  let real = 0;
  let padded = 0;
  for (const { shape, ranks, tokens } of ranked) {
    const size = shape.prefillRequests > 0 ? graphOf(shape) : (decode.find((one) => one >= shape.tokens) ?? null);
    if (size === null) continue;
    real += tokens;
    padded += ranks * size;
  }
  return real === 0 ? 0 : (padded - real) / real;
}

/** Scores what each engine captures by default on the same steps. */
export function scoreEngines(steps: ScoredSteps, costs: PlanCosts, limits: Limits, memory: CaptureCost): EngineScore[] {
  return ENGINE_NAMES.map((engine) => {
    const ladder = engineLadder(engine, limits);
    const graphs = { decode: ladder.decodeSizes, mixed: steps.mixed === null ? [] : mixedOf(ladder, limits) };
    const { graphBytes, seconds } = captureOf(memory, [...graphs.decode, ...graphs.mixed.map(([tokens]) => tokens)]);
    const score = scorePlan(steps, costs, graphs);
    return { engine, ...score, graphBytes, captureSeconds: seconds, notes: ladder.notes };
  });
}

/** Graphs that vLLM captures by default, which a plan is compared with first; with `mixed` those for steps with a prefill too. */
export function defaultGraphs(limits: Limits, mixed: boolean): number {
  const ladder = engineLadder('vllm', limits);
  return Math.max(1, ladder.decodeSizes.length + (mixed ? mixedOf(ladder, limits).length : 0));
}

/** vLLM's list is captured piecewise too, for any batch of at most as many tokens; Megatron has shapes. The others run prefills eager. */
function mixedOf({ engine, sizes, mixed }: EngineLadder, { maxNumSeqs, maxNumBatchedTokens }: Limits): MixedShape[] {
  if (engine !== 'vllm') return [...(mixed ?? [])];
  return sizes
    .filter((size) => size <= maxNumBatchedTokens)
    .map((size): MixedShape => [size, Math.min(size, maxNumSeqs), 0]);
}

/** Our fewest decode sizes whose ratio is at most that of each engine's default, on a curve by the same cost. */
export function equalGraphs(
  curve: LadderCurve,
  counts: Float64Array,
  cost: ArrayLike<number>,
  limits: Limits,
): EqualGraphs[] {
  return ENGINE_NAMES.map((engine) => {
    const engineScore = scoreLadder(counts, cost, engineLadder(engine, limits).decodeSizes);
    return { engine, graphs: curve.fewestWithin(engineScore.ratio)?.graphs ?? null };
  });
}

/** The decode ladder as each engine's flags, and its score after rounding if an engine cannot take it exactly. */
export function emitLadder(
  ladder: readonly number[],
  steps: ScoredSteps,
  costs: PlanCosts,
  limits: Limits,
): EmittedLadder[] {
  return ENGINE_NAMES.map((engine) => {
    const { flags, sizes, exact, note = null } = emitFlags(engine, ladder, limits);
    const decode = sizes.filter((size) => size < costs.tokens.length);
    const score = scorePlan({ ...steps, mixed: null }, costs, { decode, mixed: [] });
    const { paddingRatio, timeRatio, eagerSteps } = score;
    return { engine, flags, exact, note, paddingRatio, timeRatio, eagerSteps };
  });
}

/** The score of the steps of a log as they ran. Null where the log does not say on what any step ran. */
export function scoreAsRan({ ran, graphs, capture }: LogRun, costs: PlanCosts): AsRanScore | null {
  if (!ran.some(({ size, eager }) => size !== null || eager)) return null;
  const ratio = (cost: Float64Array): number => {
    const of = (size: number): number => cost[Math.min(size, cost.length - 1)];
    let exact = 0;
    let padding = 0;
    for (const { tokens, size, count } of ran) {
      if (size === null) continue;
      exact += count * of(tokens);
      padding += count * (of(size) - of(tokens));
    }
    return padding > 0 ? padding / exact : 0;
  };
  const steps = (some: LogRun['ran']): number => some.reduce((sum, { count }) => sum + count, 0);
  return {
    graphs,
    steps: steps(ran),
    paddingRatio: ratio(costs.tokens),
    timeRatio: ratio(costs.time),
    eagerSteps: steps(ran.filter(({ eager }) => eager)),
    graphBytes: capture?.bytes ?? null,
    captureSeconds: capture?.seconds ?? null,
  };
}
