import { Faults, withoutUndefined } from '../../checks.js';
import { shown } from '../../errors.js';
import type { PlannerModules, WasmSource } from '../../memory/index.js';
import { NO_PADDING_LIMIT } from '../../policy/index.js';
import type { MixedCount } from '../../workload/index.js';
import { optimiseLadder } from '../ladder/ladder-optimiser.js';

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
  /** Most tokens of a graph, as a multiple of a step's own; beyond it the step runs eager. Default: any. */
  readonly maxPaddingFactor?: number | undefined;
  /** Most graphs to plan for. Default 64. */
  readonly maxGraphs?: number | undefined;
  /** Where the WebAssembly modules come from. Default: the files beside this code. */
  readonly wasm?: Partial<Record<keyof PlannerModules, WasmSource>> | undefined;
}

/** A grid of some number of graphs. */
export interface MixedGrid {
  /** Graphs of the grid. */
  readonly graphs: number;
  /** Ascending by tokens, then prefill slots. */
  readonly shapes: readonly MixedShape[];
  /** Steps that run as a graph. */
  readonly steps: number;
  /** Steps beyond `maxTokens` or `maxRequests`, which no other field counts, and those that would be padded too far. */
  readonly eagerSteps: number;
  /** Cost of the steps within the limits at their exact tokens. */
  readonly exactCost: number;
  /** What padding adds to it, a step that would be padded too far counting as one of `maxTokens`. */
  readonly padding: number;
  /** `padding / exactCost`. */
  readonly ratio: number;
  /** Lower bound of the padding with as many graphs of any shapes that hold every step within the limits. */
  readonly lowerBound: number;
}

/**
 * The best grids of graphs for steps with a prefill, by number of graphs, ascending; each strictly better than the one before.
 *
 * For 1, 2, 4, ... and `maxRequests` prefill slots a graph of `maxTokens` is always captured, so that every step within the limits
 * finds a graph with at most twice its own prefills. Cost depends on tokens alone, so no other shape serves
 * more steps than one of as many tokens with a prefill slot for every request, since a prefill slot may hold a decode. So the
 * best of all grids with those graphs is the best ladder of tokens, which is found exactly; the shapes include all of Megatron's
 * geometric grid. Each graph then has prefill slots, of 1, 2, 4, ..., for as many as any step seen had, and as many decode slots as
 * fit. `lowerBound` is the best ladder without the graphs that are always captured.
 * Errors: ERR_CONFIG_INVALID with every fault at once; ERR_PLAN_CAPACITY.
 */
export async function optimiseMixedGrid(options: MixedGridOptions): Promise<MixedGrid[]> {
  const problem = complete(options);
  const { mixed, costs, maxTokens, maxRequests, multiple, maxGraphs, maxPaddingFactor, wasm } = problem;
  const held = mixed.filter(({ tokens, requests }) => tokens <= maxTokens && requests <= maxRequests);
  const counts = new Float64Array(maxTokens + 1);
  for (const { tokens, count } of held) counts[tokens] += count;
  const beyond = mixed.reduce((sum, { count }) => sum + count, 0) - counts.reduce((sum, count) => sum + count, 0);
  const curve = await optimiseLadder({ counts, costs, multiple, maxGraphs, maxPaddingFactor, wasm });
  const slots = prefillSlots(maxRequests);
  const always = slots.map((prefills) => shape(maxTokens, prefills, problem));
  const shapeOf = slotsFor(held, problem);
  return curve.ladders
    .filter(({ graphs }) => graphs - 1 + always.length <= maxGraphs)
    .map(({ sizes, steps, eagerSteps, exactCost, padding, ratio }) => {
      const below = sizes.slice(0, -1).map((size) => shapeOf(size));
      const shapes = [...below, ...always];
      return Object.freeze({
        graphs: shapes.length,
        shapes: Object.freeze(shapes),
        steps,
        eagerSteps: eagerSteps + beyond,
        exactCost,
        padding,
        ratio,
        lowerBound: curve.atMost(shapes.length)?.padding ?? 0,
      });
    });
}

/**
 * The shape of `size` tokens with the fewest prefill slots that holds any step of as many tokens with no more requests than the steps
 * seen. With slots only for the prefills of those steps, a step with one more prefill would need a far larger graph.
 */
function slotsFor(
  held: readonly MixedCount[],
  problem: Pick<Problem, 'maxRequests' | 'queryLen'>,
): (size: number) => MixedShape {
  const prefills = held.reduce((most, step) => Math.max(most, step.prefillRequests), 1);
  const requests = held.reduce((most, step) => Math.max(most, step.requests), 1);
  return (size) => {
    const most = Math.min(size, problem.maxRequests);
    const shapes = prefillSlots(most).map((slots) => shape(size, slots, problem));
    return (
      shapes.find(
        ([, slots, decodes]) => slots >= Math.min(prefills, most) && slots + decodes >= Math.min(requests, most),
      ) ?? shape(size, most, problem)
    );
  };
}

/** Prefill slots of a geometric grid: 1, 2, 4, ... below `maxRequests`, and that. */
export function prefillSlots(maxRequests: number): number[] {
  const faults = new Faults();
  faults.integer('maxRequests', maxRequests, 1, 1 << 22);
  faults.throwIfAny('These slots');
  const slots: number[] = [];
  for (let p = 1; p < maxRequests; p *= 2) slots.push(p);
  return [...slots, maxRequests];
}

/** The shape with as many decode slots as its tokens allow. */
function shape(
  tokens: number,
  prefills: number,
  { maxRequests, queryLen }: Pick<Problem, 'maxRequests' | 'queryLen'>,
): MixedShape {
  return Object.freeze([
    tokens,
    prefills,
    Math.min(Math.floor((tokens - prefills) / queryLen), maxRequests - prefills),
  ] as const);
}

interface Problem extends Required<Omit<MixedGridOptions, 'wasm' | 'maxPaddingFactor'>> {
  readonly maxPaddingFactor: number | undefined;
  readonly wasm: MixedGridOptions['wasm'];
}

function complete(options: MixedGridOptions): Problem {
  const problem = {
    queryLen: 1,
    multiple: 1,
    maxGraphs: 64,
    maxPaddingFactor: undefined,
    wasm: undefined,
    ...withoutUndefined(options),
  } as Problem;
  const { mixed, costs, maxTokens, maxRequests, queryLen, multiple } = problem;
  const known = [
    'mixed',
    'costs',
    'maxTokens',
    'maxRequests',
    'queryLen',
    'multiple',
    'maxPaddingFactor',
    'maxGraphs',
    'wasm',
  ];
  const faults = new Faults();
  faults.names('mixed grid options', options, known);
  const counted = [
    faults.integer('maxTokens', maxTokens, 1, 1 << 20),
    faults.integer('maxRequests', maxRequests, 1, 1 << 16),
    faults.integer('queryLen', queryLen, 1, 1 << 10),
    faults.integer('multiple', multiple, 1, 1 << 16),
    faults.integer('maxGraphs', problem.maxGraphs, 1, 1 << 12),
  ].every(Boolean);
  if (problem.maxPaddingFactor !== undefined)
    faults.number('maxPaddingFactor', problem.maxPaddingFactor, 1, NO_PADDING_LIMIT);
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
