import { Faults, withoutUndefined } from '../config.js';
import { shown } from '../errors.js';
import { type SharedBudget, shareGraphs } from '../planner/ladder-budget.js';
import { type LadderCurve, optimiseLadder } from '../planner/ladder-optimiser.js';
import type { PlannerModules, WasmSource } from '../planner/modules.js';
import type { MixedCount } from './histogram/step-histogram.js';

/** Tokens, prefill slots and decode slots of a graph for steps with a prefill. */
export type MixedShape = readonly [tokens: number, prefillRequests: number, decodeRequests: number];

/** Which steps a grid is for and what it must keep to. */
export interface MixedGridOptions {
  /** Steps with a prefill, by shape; those of other shapes than the limits allow run eager and are counted apart. */
  readonly mixed: readonly MixedCount[];
  /** Cost of a step by its tokens, costs[maxTokens + 1] or more. Never falling. */
  readonly costs: ArrayLike<number>;
  /** Tokens of the largest graph. At least maxRequests * queryLen. */
  readonly maxTokens: number;
  /** Most requests of a step, prefills and decodes. */
  readonly maxRequests: number;
  /** Tokens a decode slot has a place for. Default 1. */
  readonly queryLen?: number | undefined;
  /** Every graph's tokens are a multiple of it. Default 1. */
  readonly multiple?: number | undefined;
  /** Most graphs to plan for. Default 64. */
  readonly maxGraphs?: number | undefined;
  readonly wasm?: Partial<Record<keyof PlannerModules, WasmSource>> | undefined;
}

/** A grid of some number of graphs. */
export interface MixedGrid {
  readonly graphs: number;
  /** Ascending by tokens, then prefill slots. */
  readonly shapes: readonly MixedShape[];
  /** Steps that run as a graph. */
  readonly steps: number;
  /** Steps beyond `maxTokens` or `maxRequests`; they are in nothing else of this. */
  readonly eagerSteps: number;
  /** Cost of the steps at their exact tokens. */
  readonly exactCost: number;
  /** What padding adds to it, at most: at run time the smallest graph that holds a step may have more prefill slots and fewer tokens. */
  readonly padding: number;
  /** `padding / exactCost`. */
  readonly ratio: number;
  /** What as many graphs add at least, of any shapes that hold every step within the limits. */
  readonly lowerBound: number;
}

/**
 * The best grids of graphs for steps with a prefill, by number of graphs, ascending; each strictly better than the one before.
 *
 * Prefill slots are 1, 2, 4, ... and `maxRequests`, as in Megatron's geometric grid. A step belongs to the least of these that
 * holds its prefills, so that a graph has fewer than twice the prefill slots it needs; a spare one may hold a decode. Then the
 * grid is a ladder of tokens for each number of prefill slots, with as many decode slots as fit, and the graphs are shared among
 * them: both exactly. The largest graph of each is always captured: every step within the limits finds a graph, with at most
 * twice its own prefills. `lowerBound` is the best ladder of tokens alone, whoever holds which request.
 * Errors: ERR_CONFIG_INVALID with every fault at once; ERR_PLAN_CAPACITY.
 */
export async function optimiseMixedGrid(options: MixedGridOptions): Promise<MixedGrid[]> {
  const problem = complete(options);
  const { costs, maxTokens, maxRequests, queryLen, multiple, maxGraphs, wasm } = problem;
  const slots = prefillSlots(maxRequests);
  const bySlots = new Map(slots.map((p) => [p, new Float64Array(maxTokens + 1)]));
  const anyhow = new Float64Array(maxTokens + 1);
  let steps = 0;
  let eagerSteps = 0;
  let exactCost = 0;
  let neededCost = 0;
  for (const { tokens, prefillRequests, requests, count } of problem.mixed) {
    if (tokens > maxTokens || requests > maxRequests) {
      eagerSteps += count;
      continue;
    }
    const slot = slots.find((most) => most >= prefillRequests) as number;
    const needed = Math.max(tokens, slot + queryLen * Math.max(0, requests - slot));
    (bySlots.get(slot) as Float64Array)[needed] += count;
    anyhow[tokens] += count;
    steps += count;
    exactCost += count * costs[tokens];
    neededCost += count * (costs[needed] - costs[tokens]);
  }
  const curveOf = (counts: Float64Array): Promise<LadderCurve> =>
    optimiseLadder({ counts, costs, multiple, maxGraphs, wasm });
  const curves = await Promise.all(slots.map((p) => curveOf(bySlots.get(p) as Float64Array)));
  const free = await curveOf(anyhow);
  const shapesOf = (budget: SharedBudget): MixedShape[] =>
    budget.ladders
      .flatMap(({ sizes }, index) => sizes.map((tokens) => shape(tokens, slots[index], maxRequests, queryLen)))
      .sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  return shareGraphs(curves, maxGraphs).map((budget) => {
    const padding = budget.padding + neededCost;
    return Object.freeze({
      graphs: budget.graphs,
      shapes: Object.freeze(shapesOf(budget)),
      steps,
      eagerSteps,
      exactCost,
      padding,
      ratio: padding > 0 ? padding / exactCost : 0,
      lowerBound: free.atMost(budget.graphs)?.padding ?? 0,
    });
  });
}

/** Prefill slots of a geometric grid: 1, 2, 4, ... below `maxRequests`, and that. */
export function prefillSlots(maxRequests: number): number[] {
  const slots: number[] = [];
  for (let p = 1; p < maxRequests; p *= 2) slots.push(p);
  return [...slots, maxRequests];
}

/** With as many decode slots as the tokens have a place for. */
function shape(tokens: number, prefills: number, maxRequests: number, queryLen: number): MixedShape {
  return Object.freeze([
    tokens,
    prefills,
    Math.min(Math.floor((tokens - prefills) / queryLen), maxRequests - prefills),
  ] as const);
}

interface Problem extends Required<Omit<MixedGridOptions, 'wasm'>> {
  readonly wasm: MixedGridOptions['wasm'];
}

function complete(options: MixedGridOptions): Problem {
  const problem = { queryLen: 1, multiple: 1, maxGraphs: 64, wasm: undefined, ...withoutUndefined(options) } as Problem;
  const { mixed, costs, maxTokens, maxRequests, queryLen, multiple } = problem;
  const known = ['mixed', 'costs', 'maxTokens', 'maxRequests', 'queryLen', 'multiple', 'maxGraphs', 'wasm'];
  const faults = new Faults();
  faults.names('mixed grid options', options, known);
  const counted = [
    faults.integer('maxTokens', maxTokens, 1, 1 << 20),
    faults.integer('maxRequests', maxRequests, 1, 1 << 16),
    faults.integer('queryLen', queryLen, 1, 1 << 10),
    faults.integer('multiple', multiple, 1, 1 << 16),
    faults.integer('maxGraphs', problem.maxGraphs, 1, 1 << 12),
  ].every(Boolean);
  const wrong = Array.isArray(mixed) ? mixed.findIndex((shape) => !isStep(shape)) : -1;
  faults.check(Array.isArray(mixed), `mixed is ${shown(mixed)}; it must be a list of shapes with their counts`);
  faults.check(
    wrong < 0,
    `mixed[${wrong}] is ${shown(mixed?.[wrong])}; it needs counts with 1 <= prefillRequests <= requests <= tokens`,
  );
  if (counted) {
    faults.check(
      maxTokens >= maxRequests * queryLen,
      `maxTokens is ${maxTokens}; it must hold ${maxRequests} requests of ${queryLen} tokens: at least ${maxRequests * queryLen}`,
    );
    faults.check(maxTokens % multiple === 0, `maxTokens is ${maxTokens}; it must be a multiple of ${multiple}`);
    const slots = prefillSlots(maxRequests).length;
    faults.check(
      problem.maxGraphs >= slots,
      `maxGraphs is ${problem.maxGraphs}; a graph for each number of prefill slots up to ${maxRequests} makes ${slots}`,
    );
    faults.check((costs?.length ?? 0) > maxTokens, `costs must cover sizes up to maxTokens (${maxTokens})`);
  }
  faults.throwIfAny('This mixed grid');
  return problem;
}

function isStep({ tokens, prefillRequests, requests, count }: MixedCount): boolean {
  return (
    [tokens, prefillRequests, requests, count].every(Number.isInteger) &&
    count >= 0 &&
    prefillRequests >= 1 &&
    prefillRequests <= requests &&
    requests <= tokens
  );
}
