import { LockstepError } from '../errors.js';
import { type CaptureCost, captureOf } from '../workload/index.js';

/** What a plan must keep to: one number. */
export type PlanBudget =
  /** Graphs. */
  | { readonly kind: 'graphs'; readonly most: number }
  /** Share of the time without padding that padding may add. */
  | { readonly kind: 'time-loss'; readonly most: number }
  /** The same, as a share of the tokens. */
  | { readonly kind: 'padding'; readonly most: number }
  /** Bytes. */
  | { readonly kind: 'graph-memory'; readonly most: number };

/** One way to capture: its graphs, and what it costs over the steps counted, by the costs it was optimised for. */
export interface PlanChoice {
  readonly graphs: number;
  /** Tokens of each graph. */
  readonly tokens: readonly number[];
  readonly padding: number;
  readonly exactCost: number;
}

/** A pair, and the budget that it keeps to. */
export interface Chosen<D extends PlanChoice, M extends PlanChoice> {
  readonly decode: D;
  readonly mixed: M;
  readonly budget: PlanBudget;
}

/** Graphs that a robust plan may take beyond those of the plan for the steps seen, to lose as little. */
const FURTHER_GRAPHS = 2;

/**
 * The robust pair beside `seen`, the pair for the steps seen alone: that which pads least over the steps expected. For a loss it has at most two
 * graphs more than `seen`, and keeps to the budget; for a number of graphs or memory it costs at most 2.5 % more over the steps seen than
 * the best of as many. With `mostGraphs` the budget is a default that says how many graphs there are: then the 2.5 % hold in place of a
 * loss, and there are at most so many graphs, except where what must be captured takes more.
 */
export function chooseRobust<
  D extends PlanChoice & { readonly expectedPadding?: number; readonly bounded?: boolean },
  M extends PlanChoice,
>(
  decodes: readonly D[],
  mixed: readonly M[],
  seen: Chosen<D, M>,
  memory: CaptureCost,
  mostGraphs?: number,
): Chosen<D, M> {
  const graphsOf = ({ decode, mixed }: { readonly decode: D; readonly mixed: M }): number =>
    decode.graphs + mixed.graphs;
  const { budget } = seen;
  const byLoss = budget.kind === 'time-loss' || budget.kind === 'padding';
  const loose = !byLoss || mostGraphs !== undefined;
  const fewest = Math.min(...decodes.map(({ graphs }) => graphs)) + Math.min(...mixed.map(({ graphs }) => graphs));
  const most = Math.max(fewest, Math.min(mostGraphs ?? Infinity, byLoss ? graphsOf(seen) + FURTHER_GRAPHS : Infinity));
  let best: { readonly decode: D; readonly mixed: M } | null = null;
  let least = Infinity;
  for (const decode of decodes) {
    if (loose && decode.bounded !== true) continue;
    for (const grid of mixed) {
      const graphs = decode.graphs + grid.graphs;
      if (graphs > most || (!(byLoss && loose) && usedOf(budget, decode, grid, memory) > budget.most)) continue;
      const padding = (decode.expectedPadding ?? decode.padding) + grid.padding;
      if (padding > least || (padding === least && best !== null && graphs >= graphsOf(best))) continue;
      [best, least] = [{ decode, mixed: grid }, padding];
    }
  }
  return best === null ? seen : { ...best, budget };
}

/**
 * The best pair of a decode ladder and a mixed grid within the budget: for a budget of graphs or memory the pair that pads least, for a
 * loss the pair with fewest graphs; ties go to the smaller other quantity. Throws ERR_CONFIG_INVALID naming the nearest value if no
 * pair keeps to the budget; with `beyondLeast` the budget is then added to that value.
 */
export function choose<D extends PlanChoice, M extends PlanChoice>(
  decodes: readonly D[],
  mixed: readonly M[],
  budget: PlanBudget,
  memory: CaptureCost,
  { beyondLeast = false }: { readonly beyondLeast?: boolean | undefined } = {},
): Chosen<D, M> {
  const byLoss = budget.kind === 'time-loss' || budget.kind === 'padding';
  let best: { readonly decode: D; readonly mixed: M; readonly graphs: number; readonly padding: number } | null = null;
  let nearest = Infinity;
  for (const decode of decodes) {
    for (const grid of mixed) {
      const graphs = decode.graphs + grid.graphs;
      const padding = decode.padding + grid.padding;
      const used = usedOf(budget, decode, grid, memory);
      nearest = Math.min(nearest, used);
      if (used > budget.most) continue;
      const order =
        best === null
          ? -1
          : byLoss
            ? graphs - best.graphs || padding - best.padding
            : padding - best.padding || graphs - best.graphs;
      if (order < 0) best = { decode, mixed: grid, graphs, padding };
    }
  }
  if (best !== null) return { decode: best.decode, mixed: best.mixed, budget };
  if (!beyondLeast) throw unsatisfied(budget, nearest);
  return choose(decodes, mixed, { ...budget, most: nearest + budget.most }, memory);
}

/** Graphs that the budget leaves over; 0 for a loss, where fewest graphs are the goal. */
export function spareGraphs(budget: PlanBudget, decode: PlanChoice, mixed: PlanChoice, memory: CaptureCost): number {
  const left = budget.most - usedOf(budget, decode, mixed, memory);
  if (budget.kind === 'graphs') return left;
  if (budget.kind !== 'graph-memory') return 0;
  // The largest decode is always captured, so a further graph does not grow the pool.
  return memory.bytesPerGraph > 0 ? Math.floor(left / memory.bytesPerGraph) : 0;
}

function usedOf(budget: PlanBudget, decode: PlanChoice, mixed: PlanChoice, memory: CaptureCost): number {
  if (budget.kind === 'graphs') return decode.graphs + mixed.graphs;
  if (budget.kind === 'graph-memory') return captureOf(memory, [...decode.tokens, ...mixed.tokens]).graphBytes;
  const padding = decode.padding + mixed.padding;
  return padding > 0 ? padding / (decode.exactCost + mixed.exactCost) : 0;
}

/** What an error calls a budget. */
export function budgetName(kind: PlanBudget['kind']): string {
  return `the ${kind} budget`;
}

function unsatisfied({ kind, most }: PlanBudget, nearest: number): LockstepError {
  const option = budgetName(kind);
  const what = {
    graphs: `the sizes that must be captured take at least ${nearest} graphs`,
    'time-loss': `the smallest possible loss is ${nearest}`,
    padding: `the smallest possible padding is ${nearest}`,
    'graph-memory': `the sizes that must be captured take at least ${Math.ceil(nearest)} bytes`,
  }[kind];
  return new LockstepError(
    'ERR_CONFIG_INVALID',
    `No plan keeps to ${option} ${most}: ${what}; raise ${option}, or give fewer sizes in include, a smaller sizeMultiple or a smaller maxNumSeqs`,
    { kind, most, nearest, options: [option, 'include', 'sizeMultiple', 'maxNumSeqs'] },
  );
}
