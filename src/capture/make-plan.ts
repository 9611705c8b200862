import { checkHas, checkOptions } from '../checks.js';
import type { Limits } from '../config.js';
import type { EngineName } from '../engines/index.js';
import { LockstepError } from '../errors.js';
import { type CapturePlan, decodePlan, leastAgreedSize, leastUbatchedSize, mixedKey } from '../keys/index.js';
import type { Policy } from '../policy/index.js';
import { nextTurn } from '../timing.js';
import { type CaptureCost, captureOf, type StepHistogram } from '../workload/index.js';
import { type DecodeChoice, decodeCurve, type MixedChoice, robustDecodes } from './choices.js';
import { type ChosenGraphs, chooseFor } from './chosen-graphs.js';
import {
  decodeRatios,
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
import { LOG_TIMES, largestDecode, type PlanCosts } from './plan-costs.js';
import type {
  CapturedScore,
  EqualGraphs,
  MixedGridScore,
  PlanAlternative,
  PlanAudit,
  PlanDocument,
  PlanLog,
  PlanTwin,
} from './plan-document.js';
import { checkPlanOptions, limitedTo, type MakePlanOptions, type PlanPhase } from './plan-options.js';
import type { CountedSteps } from './read-steps.js';
import { type Objective, robustLadders } from './robust.js';
import { tokenLimits, tokenSteps } from './token-steps.js';
import { uncapturedMaxima } from './uncaptured-maxima.js';
import { comparedBy, scoredSteps, scoreUnseen, shortScore } from './unseen-score.js';

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
  const { limits, policy, costs, memory, budget, mixed, engineLimits, objective = 'robust' } = options;
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
  // Flags are for the limits that the engine has.
  const flagged = options.tokens === true ? limits : (engineLimits ?? limits);
  const emitted = await emitLadder(decode.decode, scored, costs, flagged, { ...compared, prefillSizes });
  const engines = await scoreEngines(scored, costs, limits, memory, compared);
  // A row with steps of a prefill is no ratio of decodes. Engines that run decodes for which this plan has no size are compared over others.
  const equal = (curve: LadderCurve, name: 'timeRatio' | 'paddingRatio'): EqualGraphs[] => {
    if (options.tokens !== true && engineLimits !== undefined && largestDecode(engineLimits) > largest) {
      return engines.map(({ engine }) => ({ engine, graphs: null }));
    }
    const cost = name === 'timeRatio' ? costs.time : costs.tokens;
    const ratios = mixed
      ? decodeRatios(scored.counts, cost, limits, compared)
      : engines.map((row) => ({ engine: row.engine, ratio: row[name] }));
    return equalGraphs(curve, ratios);
  };
  await phase('unseen part');
  const unseen = steps.parts === null ? null : await scoreUnseen(steps.parts, options);
  const alternative = (of: Objective): PlanAlternative => ({
    objective: of,
    ...captured(chosen[of]),
    ladders: laddersOf(chosen[of]),
    unseen: unseen === null ? null : shortScore(unseen[of]),
  });
  await phase('audit');
  const asRan = steps.log ?? steps.ran;
  const unknownSteps = steps.log?.unknownSteps ?? 0;
  const isUnknownPlanned = mixed || options.tokens === true || steps.log?.unknownAsDecodes === true;
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
    unplannedUnknownSteps: isUnknownPlanned ? 0 : unknownSteps,
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
    asRan: asRan === undefined ? null : scoreAsRan(asRan, costs),
    log: steps.log ? planLog(steps.log, costs) : null,
    unknownSteps,
    equalTime: equal(byTime, 'timeRatio'),
    equalPadding: equal(byTokens, 'paddingRatio'),
    unseen: unseen?.[objective] ?? null,
    mixedGrid: mixed ? gridScore(grid) : null,
    audit: auditOf(decode, grid, scored, options),
    twins: twinsOf(decode, whole, memory),
    emit: Object.fromEntries(emitted.map(({ engine, flags }) => [engine, flags])) as Record<EngineName, string>,
    emitted,
  };
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

function laddersOf({ decode, grid }: ChosenGraphs): PlanDocument['ladders'] {
  return { decode: decode.decode, ubatched: decode.ubatched, mixed: grid.shapes };
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
