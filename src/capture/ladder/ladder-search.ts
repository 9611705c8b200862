import { CONFIG_BASE } from '../../layout/index.js';
import { allocate, instantiateRules, type PlannerModules } from '../../memory/index.js';
import { permille } from '../../policy/index.js';

/** The search problem, checked and complete. */
export interface LadderProblem {
  readonly counts: Float64Array;
  readonly costs: Float64Array;
  readonly maxSize: number;
  readonly maxGraphs: number;
  readonly multiple: number;
  readonly include: ReadonlySet<number>;
  /** Larger than every size if none is captured twice. */
  readonly twinsFrom: number;
  /** Infinity for no limit. */
  readonly maxPaddingFactor: number;
}

const PAGE_BYTES = 65536;

/** The best sizes of exactly so many graphs. */
export interface BestSizes {
  readonly graphs: number;
  /** Ascending. */
  readonly sizes: readonly number[];
}

/** The best sizes for each number of graphs that has any, ascending. Errors: ERR_PLAN_CAPACITY. */
export function* bestSizes(problem: LadderProblem, rules: PlannerModules['rules']): Generator<BestSizes> {
  const { maxSize, multiple, twinsFrom, maxPaddingFactor } = problem;
  const most = mostSizes(problem);
  const graphs = Math.min(problem.maxGraphs, twinsFrom > maxSize ? most : 2 * most);
  const bySize = maxSize + 1;
  const region = regions();
  const counts = region(bySize * 8);
  const costs = region(bySize * 8);
  const must = region(bySize * 4);
  const sizes = region((most + 1) * 4);
  const costOf = region((most + 1) * 8);
  const before = region((most + 1) * 8);
  const required = region((most + 1) * 4);
  const refused = region((most + 1) * 8);
  const layers = region(3 * (most + 1) * 8);
  const queue = region((most + 1) * 4);
  const out = region(graphs * 4);
  const choice = region(graphs * (most + 1) * 4);
  const memory = allocate(
    Math.ceil(region(0) / PAGE_BYTES),
    `A ladder of ${problem.maxGraphs} graphs over ${maxSize} sizes`,
    'maxGraphs, or give a multiple',
    { maxSize, maxGraphs: problem.maxGraphs },
  );
  new Float64Array(memory.buffer, counts, bySize).set(problem.counts);
  new Float64Array(memory.buffer, costs, bySize).set(problem.costs);
  const musts = new Int32Array(memory.buffer, must, bySize);
  for (const size of problem.include) musts[size] = 1;
  const ladder = instantiateRules(rules, memory);
  const search = (): { count: number; layers: number } => {
    if (maxPaddingFactor === Infinity) {
      const count = ladder.listSizes(
        maxSize,
        multiple,
        twinsFrom,
        counts,
        costs,
        must,
        sizes,
        costOf,
        before,
        required,
      );
      ladder.fillLayers(count, graphs, twinsFrom, sizes, costOf, before, required, layers, queue, choice);
      return { count, layers: graphs };
    }
    const limit = permille(maxPaddingFactor);
    const count = ladder.listBoundedSizes(maxSize, multiple, limit, counts, costs, sizes, costOf, before, refused);
    return { count, layers: ladder.fillBoundedLayers(count, graphs, costOf, before, refused, layers, choice) };
  };
  const found = search();
  for (let count = 1; count <= found.layers; count++) {
    const length = ladder.readLadder(found.count, count, twinsFrom, sizes, choice, out);
    if (length > 0)
      yield { graphs: count, sizes: Object.freeze([...new Int32Array(memory.buffer, out, length)].reverse()) };
  }
}

/** At least the number of sizes that are listed: those that are counted or must be captured, and the largest. */
function mostSizes({ counts, include, maxSize }: LadderProblem): number {
  return Math.min(maxSize, counts.reduce((sum, count) => (count > 0 ? sum + 1 : sum), 0) + include.size + 1);
}

/** Allocates regions one after the other, 64-byte aligned, after the module's own memory. */
function regions(): (bytes: number) => number {
  let end = CONFIG_BASE;
  return (bytes) => {
    const begin = end;
    end = Math.ceil((end + bytes) / 64) * 64;
    return begin;
  };
}
