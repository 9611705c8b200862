import type { Limits } from '../config.js';
import {
  decodeGraphs,
  ENGINE_NAMES,
  type EngineCapture,
  type EngineName,
  type EngineProfile,
  emitCaptured,
  engineCapture,
  engineOfPolicy,
  graphKinds,
} from '../engines/index.js';
import { runsDecodes } from '../keys/index.js';
import { ascending } from '../numbers.js';
import { type Policy, padsDecodes } from '../policy/index.js';
import { type CaptureCost, captureOf, type MixedCount } from '../workload/index.js';
import type { LadderCurve } from './ladder/ladder-curve.js';
import { type LadderScore, scoreLadder } from './ladder/ladder-score.js';
import type { LogRun } from './log-run.js';
import type { MixedShape } from './mixed/mixed-grid.js';
import { mixedGraphs, scoreMixed, sumScores } from './mixed/mixed-score.js';
import type { PlanCosts } from './plan-costs.js';
import type { AsRanScore, EmittedLadder, EngineScore, EqualGraphs, PlanScore } from './plan-document.js';
import type { RankedShape } from './step-sequence.js';
import { type CountedTables, scoreRuns } from './vote-tables.js';

/** The steps that graphs are scored on. */
export interface ScoredSteps {
  /** Decodes by size, up to the largest that the limits allow. */
  readonly counts: Float64Array;
  /** Decodes larger than that. */
  readonly above: number;
  /** Those of `counts` that ran in micro-batches. Default none. */
  readonly ubatched?: Float64Array;
  /** Steps with a prefill, where they are planned for. */
  readonly mixed: readonly MixedCount[] | null;
  /** What the ranks held in these steps. Without it engines are scored by the sizes above. */
  readonly tables?: CountedTables | undefined;
}

/** Graphs of one plan: sizes of decodes, and shapes for steps with a prefill. */
export interface ScoredGraphs {
  readonly decode: readonly number[];
  readonly mixed: readonly MixedShape[];
  /** Which graph with prefill slots holds a step, and how far one may pad it. Default: 'slots', and any. */
  readonly policy?: Pick<Policy, 'mixedMatch' | 'maxPaddingFactor'>;
  /** Decode sizes on which steps run eager. Default none. */
  readonly eager?: readonly number[];
  /** Only a step of exactly a decode size runs on its graph. Default false: steps are padded. */
  readonly exact?: boolean;
}

/** Padding by tokens and by time. */
export function scorePlan(steps: ScoredSteps, costs: PlanCosts, graphs: ScoredGraphs): PlanScore {
  const twinned = withoutTwinless(steps, graphs);
  const { counts, refused: inexact } = graphs.exact
    ? exactCounts(twinned.counts, graphs.decode)
    : { ...twinned, refused: 0 };
  const refused = twinned.refused + inexact;
  const by = (cost: Float64Array): LadderScore => {
    const decode = scoreLadder(counts, cost, graphs.decode);
    return steps.mixed === null
      ? decode
      : sumScores(decode, scoreMixed(steps.mixed, cost, graphs.mixed, graphs.policy ?? {}));
  };
  const tokens = by(costs.tokens);
  return {
    graphs: graphs.decode.length + graphs.mixed.length,
    paddingRatio: tokens.ratio,
    timeRatio: by(costs.time).ratio,
    eagerSteps: tokens.eagerSteps + steps.above + refused,
  };
}

/** The counts without steps in one batch whose size has a graph in micro-batches only, and the number of those. */
function withoutTwinless(steps: ScoredSteps, graphs: ScoredGraphs): { counts: Float64Array; refused: number } {
  const { eager = [], decode } = graphs;
  if (eager.length === 0) return { counts: steps.counts, refused: 0 };
  const cutOnly = new Set(eager);
  const counts = steps.counts.slice();
  let refused = 0;
  for (let size = 1; size < counts.length; size++) {
    const whole = counts[size] - (steps.ubatched?.[size] ?? 0);
    if (whole === 0 || !cutOnly.has(decode.find((one) => one >= size) ?? 0)) continue;
    counts[size] -= whole;
    refused += whole;
  }
  return { counts, refused };
}

/** The counts of steps that have exactly one of these sizes, and the number of the others up to the largest. */
function exactCounts(counts: Float64Array, sizes: readonly number[]): { counts: Float64Array; refused: number } {
  const exact = counts.map((count, size) => (sizes.includes(size) ? count : 0));
  const most = sizes.at(-1) ?? 0;
  const refused = counts.reduce((sum, count, size) => sum + (size <= most && exact[size] === 0 ? count : 0), 0);
  const above = counts.subarray(Math.min(most + 1, counts.length));
  exact.set(above, counts.length - above.length);
  return { counts: exact, refused };
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

/** What is known of the engines besides the limits. */
export interface ComparedEngines {
  /** The policy of the plan: the engine whose it is captures by its choices, such as its micro-batches. */
  readonly policy?: Policy | undefined;
  /** What is known of every engine, such as its GPU. */
  readonly profile?: Omit<EngineProfile, 'engine'> | undefined;
  /** Limits of the engines, where they are others than those of the plan. */
  readonly limits?: Limits | undefined;
  /** One engine as somebody runs it. */
  readonly own?: EngineProfile | undefined;
  /** Data-parallel ranks. Default 1. */
  readonly ranks?: number | undefined;
}

/** What an engine captures at these limits: the one function that simulations, explanations and flags take too. */
export function comparedCapture(engine: EngineName, limits: Limits, compared: ComparedEngines = {}): EngineCapture {
  const { policy, profile = {} } = compared;
  const own = policy === undefined ? null : engineOfPolicy(policy.name);
  const { maxNumSeqs, maxNumBatchedTokens, queryLen, maxModelLen } = compared.limits ?? limits;
  const asRun = compared.own?.engine === engine ? compared.own : {};
  const given = { ...profile, ...asRun, maxNumSeqs, maxNumBatchedTokens, queryLen, maxModelLen };
  return own?.engine === engine ? engineCapture({ ...given, ...own }, policy) : engineCapture({ ...given, engine });
}

/** Scores what each engine captures by default on the same steps. */
export async function scoreEngines(
  steps: ScoredSteps,
  costs: PlanCosts,
  limits: Limits,
  memory: CaptureCost,
  compared: ComparedEngines = {},
): Promise<EngineScore[]> {
  const scores: EngineScore[] = [];
  for (const engine of ENGINE_NAMES) {
    const captured = comparedCapture(engine, limits, compared);
    const counted = steps.mixed === null ? decodeGraphs(captured.keys, captured.policy) : captured.keys;
    const { graphBytes, seconds } = captureOf(
      memory,
      counted.map(({ tokens }) => tokens),
    );
    const score = await scoreCapture(captured, steps, costs, limits, compared);
    scores.push({
      engine,
      ...score,
      graphs: counted.length,
      graphBytes,
      captureSeconds: seconds,
      version: captured.profile.version,
      mode: captured.mode,
      sizes: scoredGraphs(captured, steps, limits, compared).decode,
      graphKinds: graphKinds(captured.keys, captured.policy),
      notes: [...captured.notes],
    });
  }
  return scores;
}

/** The score of an engine's graphs: by its own rules where it is known what the ranks held, else by the sizes of the steps. */
async function scoreCapture(
  captured: EngineCapture,
  steps: ScoredSteps,
  costs: PlanCosts,
  limits: Limits,
  compared: ComparedEngines,
): Promise<Pick<PlanScore, 'paddingRatio' | 'timeRatio' | 'eagerSteps'>> {
  if (steps.tables === undefined) {
    return scorePlan(steps, costs, withinCosts(scoredGraphs(captured, steps, limits, compared), costs));
  }
  const { tables, counts } = steps.tables;
  const { keys, policy } = captured;
  const runs = await tables.run(counts, { keys, policy, queryLen: limits.queryLen });
  const of = (cost: Float64Array): ReturnType<typeof scoreRuns> => scoreRuns(runs, counts, cost, steps.mixed !== null);
  const { ratio, eagerSteps } = of(costs.tokens);
  return { paddingRatio: ratio, timeRatio: of(costs.time).ratio, eagerSteps };
}

/** Graphs that vLLM captures by default, which a plan is compared with first; with `mixed` those for steps with a prefill too. */
export function defaultGraphs(limits: Limits, mixed: boolean): number {
  const { keys, policy } = comparedCapture('vllm', limits, {});
  return Math.max(1, (mixed ? keys : decodeGraphs(keys, policy)).length);
}

/**
 * The sizes that steps run on: decodes on full graphs, those above them on piecewise ones, which hold any step; steps with a prefill on
 * shapes and piecewise graphs, where the policy lets them.
 */
function scoredGraphs(
  { keys, decodeSizes, piecewiseSizes, mixed, policy }: EngineCapture,
  steps: ScoredSteps,
  { maxNumSeqs }: Limits,
  { ranks = 1 }: ComparedEngines,
): ScoredGraphs {
  const above = piecewiseSizes.filter((size) => size > (decodeSizes.at(-1) ?? 0));
  const { twins, mixedGraphs: when } = policy;
  // Without twins a size that is captured in micro-batches has no plain graph. They are counted where no step is cut.
  const plain = new Set(keys.filter((key) => runsDecodes(key, policy) && key.parts === 1).map(({ tokens }) => tokens));
  const eager = twins ? [] : decodeSizes.filter((size) => !plain.has(size));
  const shapes = when === 'agreed' || when === 'any-step' || (when === 'one-rank' && ranks === 1) ? mixed : [];
  const pieces = piecewiseSizes.map((size): MixedShape => [size, Math.min(size, maxNumSeqs), 0]);
  return {
    decode: [...decodeSizes, ...above],
    mixed: steps.mixed === null ? [] : [...shapes, ...pieces],
    policy,
    ...(eager.length > 0 && { eager }),
    ...(!padsDecodes(policy) && { exact: true }),
  };
}

/** Our fewest decode sizes whose ratio is at most that of each engine, on a curve by the same cost and over the same steps. */
export function equalGraphs(curve: LadderCurve, ratios: readonly EngineRatio[]): EqualGraphs[] {
  return ratios.map(({ engine, ratio }) => ({ engine, graphs: curve.fewestWithin(ratio)?.graphs ?? null }));
}

/** What an engine's default loses. */
export interface EngineRatio {
  readonly engine: EngineName;
  readonly ratio: number;
}

/** What engines' defaults lose on decodes alone, by their sizes. */
export function decodeRatios(
  counts: Float64Array,
  cost: ArrayLike<number>,
  limits: Limits,
  compared: ComparedEngines = {},
): EngineRatio[] {
  return ENGINE_NAMES.map((engine) => {
    const { decodeSizes, piecewiseSizes, policy } = comparedCapture(engine, limits, compared);
    const above = piecewiseSizes.filter((size) => size > (decodeSizes.at(-1) ?? 0));
    const exact = padsDecodes(policy) ? counts : exactCounts(counts, decodeSizes).counts;
    return { engine, ratio: scoreLadder(exact, cost, [...decodeSizes, ...above]).ratio };
  });
}

/**
 * The decode ladder as each engine's flags, with the sizes of steps with a prefill where those are planned for, and the score on all
 * steps of what the engine captures with them.
 */
export async function emitLadder(
  ladder: readonly number[],
  steps: ScoredSteps,
  costs: PlanCosts,
  limits: Limits,
  emitting: ComparedEngines & { readonly prefillSizes?: readonly number[] } = {},
): Promise<EmittedLadder[]> {
  const { prefillSizes = [], ...compared } = emitting;
  const ladders: EmittedLadder[] = [];
  for (const engine of ENGINE_NAMES) {
    const { profile } = comparedCapture(engine, limits, compared);
    const given = Object.fromEntries(Object.entries(profile).filter(([, value]) => value !== null));
    const { engine: _, ...known } = given as unknown as EngineProfile;
    // An alignment may need a graph of more requests than a step has.
    const most = Math.max(limits.maxNumSeqs, Math.ceil(Math.max(...ladder) / limits.queryLen));
    const own = { ...limits, maxNumSeqs: most };
    const { emitted, captured } = emitCaptured(engine, ladder, own, { prefillSizes, profile: known });
    const { flags, exact, note = null } = emitted;
    const score = await scoreCapture(captured, steps, costs, limits, compared);
    const { paddingRatio, timeRatio, eagerSteps } = score;
    ladders.push({ engine, flags, exact, note, paddingRatio, timeRatio, eagerSteps });
  }
  return ladders;
}

/** The score of the steps of a log as they ran. Null where the log does not say on what any step ran. */
export function scoreAsRan(
  { ran, graphs, capture }: Pick<LogRun, 'ran' | 'graphs' | 'capture'>,
  costs: PlanCosts,
): AsRanScore | null {
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

/** With decode sizes that the costs do not reach at the last that they do. */
function withinCosts(graphs: ScoredGraphs, costs: PlanCosts): ScoredGraphs {
  const reach = costs.tokens.length - 1;
  return { ...graphs, decode: ascending(graphs.decode.map((size) => Math.min(size, reach))) };
}
