import { checkHas, checkList, checkOptions, Faults, type Limits } from '../config.js';
import type { EngineName, EngineProfile } from '../engines/index.js';
import { LockstepError } from '../errors.js';
import { type CapturePlan, decodePlan, leastAgreedSize, leastUbatchedSize, mixedKey } from '../keys/index.js';
import type { Policy } from '../policy/index.js';
import { nextTurn } from '../timing.js';
import { type CaptureCost, captureOf, type StepHistogram } from '../workload/index.js';
import { budgetName, choose, chooseRobust, type PlanBudget, spareGraphs } from './budget.js';
import {
  type ChoiceOptions,
  type DecodeChoice,
  decodeChoices,
  decodeCounts,
  decodeCurve,
  type MixedChoice,
  mixedChoices,
  NO_MIXED,
  robustChoices,
  robustDecodes,
  withSpareGraphs,
} from './choices.js';
import {
  type ComparedEngines,
  emitLadder,
  equalGraphs,
  paddingOfAllRanks,
  type ScoredSteps,
  scoreAsRan,
  scoreEngines,
  scorePlan,
} from './compare-engines.js';
import { auditLadder } from './ladder/ladder-audit.js';
import { LadderCurve } from './ladder/ladder-curve.js';
import { scoreLadder } from './ladder/ladder-score.js';
import type { LogRun } from './log-run.js';
import { auditMixed } from './mixed/mixed-audit.js';
import { LOG_TIMES, largestDecode, largestGraph, type PlanCosts } from './plan-costs.js';
import type {
  CapturedScore,
  MixedGridScore,
  PlanAlternative,
  PlanAudit,
  PlanDocument,
  PlanLog,
  PlanScore,
  PlanTwin,
  UnseenScore,
} from './plan-document.js';
import type { CountedSteps } from './read-steps.js';
import { OBJECTIVES, type Objective, robustLadders } from './robust.js';
import { tokenLimits, tokenSteps } from './token-steps.js';
import { uncapturedMaxima } from './uncaptured-maxima.js';

/** The options of a plan. `checkPlanOptions` checks its numbers; the rest is complete. */
export interface MakePlanOptions {
  readonly limits: Limits;
  readonly policy: Policy;
  readonly costs: PlanCosts;
  readonly memory: CaptureCost;
  readonly budget: PlanBudget;
  /** What a plan is best for: `robust`, what was seen and what may come; `seen`, what was seen alone. Default 'robust'. */
  readonly objective?: Objective | undefined;
  /** A robust plan has at most so many graphs. Default: no bound. */
  readonly mostGraphs?: number | undefined;
  /** If no plan keeps to the budget, the budget is added to the least possible value: for a default that the user did not choose. Default false. */
  readonly beyondLeast?: boolean | undefined;
  /** Largest size of a decode graph, in tokens: larger decodes run eager. Default: that of the largest decode. */
  readonly maxSize?: number | undefined;
  /** Every size is a multiple of it. Default 1. */
  readonly sizeMultiple: number;
  /** Sizes that must be captured. */
  readonly include: readonly number[];
  /** Plan graphs for steps with a prefill too. */
  readonly mixed: boolean;
  /** What is known of the engines that are compared with, such as their GPU. Default nothing. */
  readonly engineProfile?: Omit<EngineProfile, 'engine'> | undefined;
  /** An engine as somebody runs it: its row is of what it captures so. Default none. */
  readonly engine?: EngineProfile | undefined;
  /** All graphs of the engine are piecewise: where no step is known to only decode, a ladder of tokens is planned. Default false. */
  readonly pieces?: boolean | undefined;
  /** The ladder is of tokens: piecewise graphs hold any step. Default false. */
  readonly tokens?: boolean | undefined;
  /** Limits of the engines that are compared with, where they are others. */
  readonly engineLimits?: Limits | undefined;
  /** Data-parallel ranks of the steps. Default 1. */
  readonly ranks?: number | undefined;
  /** Share of the time that the plan for the unseen part is made from. */
  readonly split: number;
  /** Ends the planning between two phases, with ERR_ABORTED. */
  readonly signal?: AbortSignal | undefined;
  /** Called before each phase. */
  readonly onPhase?: ((phase: PlanPhase) => void) | undefined;
}

/** The phases of planning, in order; between any two the event loop runs. */
export const PLAN_PHASES = ['decode graphs', 'mixed graphs', 'engines', 'unseen part', 'audit'] as const;
/** The phase of planning: one of `PLAN_PHASES`. */
export type PlanPhase = (typeof PLAN_PHASES)[number];

/** The traffic counts as shifted from this difference between the two parts of a trace on, */
const SHIFTED = 0.2;
/** or from this share of decodes larger than any seen before on. */
const ABOVE_SEEN = 0.01;

/** Throws ERR_CONFIG_INVALID with every fault of the numbers of a plan. */
export function checkPlanOptions(
  options: Pick<
    MakePlanOptions,
    'budget' | 'sizeMultiple' | 'include' | 'split' | 'limits' | 'objective' | 'mostGraphs' | 'maxSize'
  >,
): void {
  checkHas('the options of a plan', options, ['budget', 'sizeMultiple', 'include', 'split', 'limits']);
  checkList('include', options.include);
  checkHas('budget', options.budget, ['kind', 'most']);
  const { budget, sizeMultiple, include, split, maxSize, objective = 'robust', mostGraphs } = options;
  const faults = new Faults();
  const { queryLen } = options.limits;
  if (maxSize !== undefined) faults.integer('maxSize', maxSize, queryLen, 1 << 22);
  faults.throwIfAny('This plan');
  const maximum = largestDecode(limitedTo(options.limits, maxSize));
  if (budget.kind === 'graphs') faults.integer(budgetName('graphs'), budget.most, 1, 1 << 12);
  if (budget.kind === 'time-loss') faults.number(budgetName('time-loss'), budget.most, 0, 1e6);
  if (budget.kind === 'padding') faults.number(budgetName('padding'), budget.most, 0, 1e6);
  if (budget.kind === 'graph-memory') {
    faults.number(budgetName('graph-memory'), budget.most, 1, Number.MAX_SAFE_INTEGER);
  }
  faults.check(split > 0 && split < 1, `split is ${split}; it must be between 0 and 1`, 'split');
  faults.choice('objective', objective, OBJECTIVES);
  if (mostGraphs !== undefined) faults.integer('mostGraphs', mostGraphs, 1, 1 << 16);
  faults.integer('sizeMultiple', sizeMultiple, 1, 1 << 16);
  for (const size of include) faults.integer('a size of include', size, 1, maximum);
  faults.check(
    !(sizeMultiple >= 1) || maximum % sizeMultiple === 0,
    `sizeMultiple is ${sizeMultiple}, and the largest decode of ${maximum} tokens, always captured, is not a multiple of it; change maxNumSeqs`,
    'sizeMultiple',
    'maxNumSeqs',
  );
  faults.throwIfAny('This plan');
}

/** The best plan within the budget, compared with the engines' defaults. Errors: ERR_CONFIG_INVALID, ERR_INPUT_INVALID, ERR_ABORTED. */
export async function makePlan(steps: CountedSteps, options: MakePlanOptions): Promise<PlanDocument> {
  checkHas('the steps of a plan', steps, ['kind', 'whole', 'ranked']);
  checkOptions(
    'the options of a plan',
    options,
    ['limits', 'policy', 'costs', 'memory', 'budget', 'sizeMultiple', 'include', 'mixed', 'split'],
    [
      ...['objective', 'mostGraphs', 'maxSize', 'beyondLeast', 'signal', 'onPhase'],
      ...['engineProfile', 'engine', 'pieces', 'tokens', 'engineLimits', 'ranks'],
    ],
  );
  checkPlanOptions(options);
  const { maxSize, ...unbounded } = options;
  if (maxSize !== undefined && maxSize < largestDecode(options.limits)) {
    const { limits, engineLimits = limits } = options;
    const bounded = await makePlan(steps, { ...unbounded, limits: limitedTo(limits, maxSize), engineLimits });
    return { ...bounded, maxSize };
  }
  const { limits, policy, costs, memory, budget, mixed, objective = 'robust' } = options;
  const { whole } = steps;
  const largest = largestDecode(limits);
  const scored = { ...scoredSteps(whole, options), tables: steps.tables };
  const decodes = scored.counts.reduce((sum, count) => sum + count, 0) + scored.above;
  const isDecodeKnown = decodes > 0 && steps.log?.unknownSteps !== whole.steps;
  if (!isDecodeKnown && !mixed && options.pieces === true && options.tokens !== true) {
    return planOfTokens(steps, options);
  }
  if (decodes === 0 && !mixed) {
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      `None of the ${whole.steps} steps only decodes, and decode graphs alone were asked for; set mixed, or give a log that distinguishes decodes`,
      { steps: whole.steps, options: ['mixed'] },
    );
  }
  const phase = async (name: PlanPhase): Promise<void> => {
    options.onPhase?.(name);
    await nextTurn();
    if (options.signal?.aborted !== true) return;
    const { reason: cause } = options.signal;
    throw new LockstepError(
      'ERR_ABORTED',
      `Planning was aborted before the phase "${name}"`,
      { phase: name },
      { cause },
    );
  };
  const chosen = await chooseFor(whole, options, phase);
  const { decode, grid, curve } = chosen[objective];
  await phase('engines');
  const ours = { decode: decode.decode, mixed: grid.shapes, policy };
  const captured = (graphs: ChosenGraphs): CapturedScore => {
    const { decode, grid } = graphs;
    const { graphBytes, seconds } = captureOf(memory, [...decode.tokens, ...grid.tokens]);
    const score = scorePlan(scored, costs, { decode: decode.decode, mixed: grid.shapes, policy });
    return { ...score, graphs: decode.graphs + grid.graphs, graphBytes, captureSeconds: seconds };
  };
  // Engines' sizes are compared with ours without twins, as theirs are counted.
  const sizesBy = async (cost: Float64Array): Promise<LadderCurve> => {
    const seen = await decodeCurve(scored.counts, cost, options, { twins: false });
    if (objective === 'seen') return seen;
    return new LadderCurve(robustLadders(await robustDecodes(scored.counts, cost, options, { twins: false, seen })));
  };
  const byTokens = await sizesBy(costs.tokens);
  const byTime = costs.unit === 'tokens' ? byTokens : await sizesBy(costs.time);
  const prefillSizes = [...new Set(grid.shapes.map(([tokens]) => tokens))];
  const compared = comparedBy(options);
  const emitted = await emitLadder(decode.decode, scored, costs, limits, { ...compared, prefillSizes });
  const engines = await scoreEngines(scored, costs, limits, memory, compared);
  await phase('unseen part');
  const unseen = steps.parts === null ? null : await scoreUnseen(steps.parts, options);
  const alternative = (of: Objective): PlanAlternative => ({
    objective: of,
    ...captured(chosen[of]),
    ladders: laddersOf(chosen[of]),
    unseen: unseen === null ? null : shortScore(unseen[of]),
  });
  await phase('audit');
  const planned = decodes + (mixed ? whole.mixed.reduce((sum, { count }) => sum + count, 0) : 0);
  return {
    schemaVersion: 1,
    ...captured(chosen[objective]),
    objective,
    seen: alternative('seen'),
    robust: alternative('robust'),
    mostGraphs: options.mostGraphs ?? null,
    maxSize: null,
    paddingRatioLargest: scorePlan(scored, costs, ours).paddingRatio,
    paddingRatioAll: paddingOfAllRanks(steps.ranked, ours),
    costKnown: costs.unit === 'ms',
    source: steps.kind,
    ladderOf: options.tokens === true ? 'tokens' : 'decodes',
    steps: whole.steps,
    unplannedSteps: whole.steps - planned,
    largestDecode: largest,
    budget,
    costModel: { name: costs.name, unit: costs.unit, raised: costs.raised },
    captureCost: { name: memory.name, source: memory.source },
    ladders: laddersOf(chosen[objective]),
    histogram: whole.toJSON(),
    cost: { decode: Object.fromEntries([...costs.time.subarray(0, largest + 1).entries()].slice(1)) },
    curve: curve.ladders.map(({ graphs, sizes }) => ({
      graphs,
      paddingRatio: scoreLadder(scored.counts, costs.tokens, sizes).ratio,
      timeRatio: scoreLadder(scored.counts, costs.time, sizes).ratio,
    })),
    engines,
    asRan: steps.log ? scoreAsRan(steps.log, costs) : null,
    log: steps.log ? planLog(steps.log, costs) : null,
    unknownSteps: steps.log?.unknownSteps ?? 0,
    equalTime: equalGraphs(byTime, scored.counts, costs.time, limits, compared),
    equalPadding: equalGraphs(byTokens, scored.counts, costs.tokens, limits, compared),
    unseen: unseen?.[objective] ?? null,
    mixedGrid: mixed ? gridScore(grid) : null,
    audit: auditOf(decode, grid, scored, options),
    twins: twinsOf(decode, whole, memory),
    emit: Object.fromEntries(emitted.map(({ engine, flags }) => [engine, flags])) as Record<EngineName, string>,
    emitted,
  };
}

/** Limits under which no decode is larger than so many tokens. */
function limitedTo(limits: Limits, maxSize: number | undefined): Limits {
  if (maxSize === undefined || maxSize >= largestDecode(limits)) return limits;
  return { ...limits, maxNumSeqs: Math.floor(maxSize / limits.queryLen) };
}

/** The plan of a log of piecewise steps: a ladder of their tokens, beside engines whose graphs are piecewise. */
function planOfTokens(steps: CountedSteps, options: MakePlanOptions): Promise<PlanDocument> {
  const { limits, costs, engineProfile } = options;
  const reach = costs.tokens.length - 1;
  const own = tokenLimits(limits, steps, reach);
  return makePlan(tokenSteps(steps, reach), {
    ...options,
    limits: own,
    tokens: true,
    // Sizes around those seen are of decodes.
    objective: 'seen',
    engineLimits: limits,
    engineProfile: { ...engineProfile, graphMode: 'PIECEWISE' },
  });
}

/** The graphs of a plan, as a plan file holds them. */
export function planKeys(plan: Pick<PlanDocument, 'ladders'>, limits: Limits, policy: Policy): CapturePlan {
  checkHas('a plan', plan, ['ladders']);
  const { ladders } = plan;
  const { keys } = decodePlan({ sizes: ladders.decode, limits, policy, twins: true });
  const mixed = ladders.mixed.map(([tokens, prefills, decodes]) =>
    mixedKey(tokens, prefills, decodes, limits.queryLen),
  );
  return { keys: [...keys, ...mixed].sort((a, b) => b.tokens - a.tokens) };
}

/** Graphs chosen for an objective, and the best decode ladder of each number of graphs by it. */
interface ChosenGraphs {
  readonly decode: DecodeChoice;
  readonly grid: MixedChoice;
  readonly curve: LadderCurve;
}

/** The graphs for either objective. */
async function chooseFor(
  histogram: StepHistogram,
  options: MakePlanOptions,
  phase: (name: PlanPhase) => Promise<void> = () => Promise.resolve(),
): Promise<Readonly<Record<Objective, ChosenGraphs>>> {
  const { limits, costs, budget, memory, mixed } = options;
  const choice: ChoiceOptions = { ...options, costs: budget.kind === 'padding' ? costs.tokens : costs.time };
  const { counts } = decodeCounts(histogram, largestGraph(limits, options.policy));
  await phase('decode graphs');
  const seenCurve = await decodeCurve(counts, choice.costs, choice, { twins: true });
  const candidates = await robustDecodes(counts, choice.costs, choice, { twins: true, seen: seenCurve });
  await phase('mixed graphs');
  const grids = mixed ? await mixedChoices(histogram, choice) : [NO_MIXED];
  const seen = choose(decodeChoices(seenCurve, choice), grids, budget, memory, options);
  const robust = chooseRobust(robustChoices(candidates, choice), grids, seen, memory, options.mostGraphs);
  const filled = async (chosen: typeof seen, curve: LadderCurve): Promise<ChosenGraphs> => {
    const spare = spareGraphs(budget, chosen.decode, chosen.mixed, memory);
    return { decode: await withSpareGraphs(chosen.decode, spare, choice), grid: chosen.mixed, curve };
  };
  return {
    seen: await filled(seen, seenCurve),
    robust: await filled(robust, new LadderCurve(robustLadders(candidates))),
  };
}

function planLog({ ran: _ran, graphs: _graphs, times: _times, ...told }: LogRun, { name }: PlanCosts): PlanLog {
  return { ...told, timed: name === LOG_TIMES };
}

function gridScore({ graphs, exactCost, padding, lowerBound }: MixedChoice): MixedGridScore {
  const least = exactCost + lowerBound;
  return { graphs, exactCost, padding, lowerBound, gap: least > 0 ? (exactCost + padding) / least - 1 : 0 };
}

function auditOf(
  { decode }: DecodeChoice,
  { shapes }: MixedChoice,
  { counts, mixed }: ScoredSteps,
  { limits, engineLimits = limits, policy, costs, engineProfile, tokens }: MakePlanOptions,
): PlanAudit {
  const { maxPaddingFactor, mixedMatch } = policy;
  const agreedFrom = leastAgreedSize(limits.queryLen, policy);
  const capturedFrom = leastUbatchedSize(limits.queryLen, policy);
  const sizes = decode.filter((size) => size >= agreedFrom && size < capturedFrom);
  return {
    looseGate: sizes.length > 0 ? { agreedFrom, capturedFrom, sizes } : null,
    ...auditLadder({ sizes: decode, limits, costs: costs.time, counts }),
    mixed: mixed === null ? null : auditMixed({ shapes, limits: engineLimits, maxPaddingFactor, mixedMatch, mixed }),
    // A ladder of tokens is not of decodes, whose maxima these are.
    uncapturedMaxima: tokens === true ? [] : uncapturedMaxima(engineLimits, engineProfile),
  };
}

function scoredSteps(histogram: StepHistogram, { limits, policy, mixed }: MakePlanOptions): ScoredSteps {
  const most = largestGraph(limits, policy);
  const ubatched = new Float64Array(most + 1);
  for (const [size, count] of histogram.ubatched) if (size <= most) ubatched[size] += count;
  return { ...decodeCounts(histogram, most), ubatched, mixed: mixed ? histogram.mixed : null };
}

function comparedBy({ policy, engineProfile, engine, engineLimits, ranks }: MakePlanOptions): ComparedEngines {
  return { policy, profile: engineProfile, own: engine, limits: engineLimits, ranks };
}

/** Scores the plans for the first part alone on the decodes of the second. */
async function scoreUnseen(
  parts: NonNullable<CountedSteps['parts']>,
  options: MakePlanOptions,
): Promise<Readonly<Record<Objective, UnseenScore>>> {
  const { costs, limits, memory, split } = options;
  const chosen = await chooseFor(parts.seen, options);
  const steps = { ...scoredSteps(parts.unseen, options), mixed: null, tables: parts.unseenTables };
  const shift = distance(parts.seen, parts.unseen);
  const aboveSeen = shareAbove(parts.unseen, parts.seen.largestDecode);
  const engines = (await scoreEngines(steps, costs, limits, memory, comparedBy(options))).map((score) => ({
    engine: score.engine,
    ...shortScore(score),
  }));
  const of = ({ decode }: ChosenGraphs): UnseenScore => ({
    ...scorePlan(steps, costs, { decode: decode.decode, mixed: [] }),
    split,
    ladder: decode.decode,
    shift,
    aboveSeen,
    shifted: shift > SHIFTED || aboveSeen > ABOVE_SEEN,
    engines,
  });
  return { seen: of(chosen.seen), robust: of(chosen.robust) };
}

function shortScore({ graphs, paddingRatio, timeRatio, eagerSteps }: PlanScore): PlanScore {
  return { graphs, paddingRatio, timeRatio, eagerSteps };
}

function laddersOf({ decode, grid }: ChosenGraphs): PlanDocument['ladders'] {
  return { decode: decode.decode, ubatched: decode.ubatched, mixed: grid.shapes };
}

/** Share of a histogram's decodes that have more tokens than `most`. */
function shareAbove({ decode, ubatched }: StepHistogram, most: number): number {
  const all = [...decode, ...ubatched];
  const steps = (some: typeof all): number => some.reduce((sum, [, count]) => sum + count, 0);
  return steps(all.filter(([size]) => size > most)) / steps(all);
}

/** Total variation between the decodes of two histograms, by powers of two of their size. */
function distance(a: StepHistogram, b: StepHistogram): number {
  const shares = (histogram: StepHistogram): Map<number, number> => {
    const all = [...histogram.decode, ...histogram.ubatched];
    const total = all.reduce((sum, [, count]) => sum + count, 0);
    const byPower = new Map<number, number>();
    for (const [size, count] of all) {
      const power = Math.ceil(Math.log2(size));
      byPower.set(power, (byPower.get(power) ?? 0) + count / total);
    }
    return byPower;
  };
  const [one, other] = [shares(a), shares(b)];
  const powers = new Set([...one.keys(), ...other.keys()]);
  let sum = 0;
  for (const power of powers) sum += Math.abs((one.get(power) ?? 0) - (other.get(power) ?? 0));
  return sum / 2;
}

/** A twin for each micro-batched size, with the steps that would have run on each of the two. */
function twinsOf({ decode, ubatched }: DecodeChoice, histogram: StepHistogram, memory: CaptureCost): PlanTwin[] {
  const use = (counts: ReadonlyMap<number, number>, ladder: readonly number[]): Map<number, number> => {
    const used = new Map<number, number>();
    for (const [tokens, count] of counts) {
      const size = ladder.find((step) => step >= tokens);
      if (size !== undefined) used.set(size, (used.get(size) ?? 0) + count);
    }
    return used;
  };
  const plain = use(histogram.decode, decode);
  const parted = use(histogram.ubatched, ubatched);
  return ubatched.map((size) => ({
    size,
    steps: plain.get(size) ?? 0,
    ubatchedSteps: parted.get(size) ?? 0,
    bytes: memory.bytesPerGraph,
    seconds: memory.secondsPerGraph,
  }));
}
