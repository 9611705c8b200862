import { Faults, withoutUndefined } from '../config.js';
import { LockstepError, shown } from '../errors.js';
import { type LadderScore, scoreLadder } from './ladder-score.js';
import { CONFIG_BASE } from './layout.js';
import { loadModules, type PlannerModules, type WasmSource } from './modules.js';
import { type WasmMemory, wasmApi } from './wasm-api.js';

/** Which steps a ladder is for, what each size costs, and what the ladder must keep to. */
export interface OptimiseLadderOptions {
  /** Steps of each size in tokens: counts[maxSize + 1], entry 0 unused. Not negative; whole numbers or weights. */
  readonly counts: ArrayLike<number>;
  /** Cost of a step of each size: costs[maxSize + 1] or more, entry 0 unused. Not negative, and never falling. */
  readonly costs: ArrayLike<number>;
  /** Most graphs to plan for. Default 128. */
  readonly maxGraphs?: number | undefined;
  /** Every size is a multiple of it, `maxSize` too (query length, token alignment). Default 1. */
  readonly multiple?: number | undefined;
  /** Sizes that must be captured. The largest, `maxSize`, always is. Default none. */
  readonly include?: readonly number[] | undefined;
  /** Sizes from this one on are captured twice, plain and in micro-batches, and take two graphs. Default: none does. */
  readonly twinsFrom?: number | undefined;
  /** Where `rules.wasm` comes from. Default: the file beside this code. */
  readonly wasm?: Partial<Record<keyof PlannerModules, WasmSource>> | undefined;
}

/** The best ladder of some number of graphs. */
export interface OptimalLadder extends LadderScore {
  /** One for each size, and two from `twinsFrom` on. */
  readonly graphs: number;
  /** Captured sizes in tokens, ascending; the last is the largest size there is a count for. */
  readonly sizes: readonly number[];
}

interface LadderExports {
  ladderCandidates(
    max: number,
    multiple: number,
    twinsFrom: number,
    counts: number,
    costs: number,
    must: number,
    sizes: number,
    costOf: number,
    before: number,
    required: number,
  ): number;
  ladderLayers(
    candidates: number,
    graphs: number,
    twinsFrom: number,
    sizes: number,
    costOf: number,
    before: number,
    required: number,
    layers: number,
    queue: number,
    choice: number,
  ): void;
  ladderSizes(
    candidates: number,
    graphs: number,
    twinsFrom: number,
    sizes: number,
    choice: number,
    out: number,
  ): number;
}

const MAX_SIZE = 1 << 20;
const MAX_GRAPHS = 1 << 12;
const PAGE_BYTES = 65536;
const DEFAULT_MAX_GRAPHS = 128;

/**
 * The best ladder of every number of graphs, by value. A graph more never makes it worse, and one that would gain nothing is
 * left out: `ladders[i]` has strictly less padding than `ladders[i - 1]`, and more graphs.
 */
export class LadderCurve {
  /** From the fewest graphs possible to the most that gain anything. Never empty. */
  readonly ladders: readonly OptimalLadder[];

  constructor(ladders: readonly OptimalLadder[]) {
    this.ladders = Object.freeze([...ladders]);
  }

  /** The best ladder of at most `graphs` graphs. Undefined where the sizes that must be there are more. */
  atMost(graphs: number): OptimalLadder | undefined {
    return this.ladders.findLast((ladder) => ladder.graphs <= graphs);
  }

  /** The ladder of fewest graphs whose padding is at most `ratio` of the exact cost (0.001: within 0.1 %). */
  fewestWithin(ratio: number): OptimalLadder | undefined {
    return this.ladders.find((ladder) => ladder.ratio <= ratio);
  }

  /** The ladder of fewest graphs that is at most as bad as `other`, a score over the same histogram and costs. */
  fewestLike(other: LadderScore): OptimalLadder | undefined {
    return this.ladders.find((ladder) => ladder.padding <= other.padding);
  }

  /** The best ladder of those that fit, such as a memory budget. Undefined where none does. */
  best(fits: (ladder: OptimalLadder) => boolean): OptimalLadder | undefined {
    return this.ladders.findLast(fits);
  }
}

/**
 * The best ladders for a histogram, exactly, for every number of graphs up to `maxGraphs`. A step runs as the smallest captured
 * size that holds it. Time and memory grow with sizes counted times graphs: 16,384 sizes and 128 graphs take some 8 MiB.
 * Errors: ERR_CONFIG_INVALID with every fault at once; ERR_PLAN_CAPACITY where the memory cannot be had.
 */
export async function optimiseLadder(options: OptimiseLadderOptions): Promise<LadderCurve> {
  const problem = completeProblem(options);
  const { rules } = await loadModules(options.wasm);
  const { counts, costs, maxSize } = problem;
  const ladders: OptimalLadder[] = [];
  for (const { graphs, sizes } of bestSizes(problem, rules)) {
    const score = scoreLadder(counts, costs, sizes);
    const last = ladders.at(-1);
    if (last === undefined || score.padding < last.padding) ladders.push(Object.freeze({ ...score, graphs, sizes }));
  }
  if (ladders.length === 0) {
    throw new LockstepError(
      'ERR_CONFIG_INVALID',
      `No ladder of ${problem.maxGraphs} graphs has all ${problem.include.size} sizes that must be there and ${maxSize}${problem.twinsFrom > maxSize ? '' : ', with their twins'}; raise maxGraphs`,
      { maxGraphs: problem.maxGraphs, include: [...problem.include] },
    );
  }
  return new LadderCurve(ladders);
}

interface Problem {
  readonly counts: Float64Array;
  readonly costs: Float64Array;
  readonly maxSize: number;
  readonly maxGraphs: number;
  readonly multiple: number;
  readonly include: ReadonlySet<number>;
  /** Above every size where none is captured twice. */
  readonly twinsFrom: number;
}

/** The best ladder of each number of graphs, ascending: exactly that many. */
function* bestSizes(
  problem: Problem,
  rules: PlannerModules['rules'],
): Generator<{ readonly graphs: number; readonly sizes: readonly number[] }> {
  const { maxSize, multiple, twinsFrom } = problem;
  const most = mostCandidates(problem);
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
  const layers = region(3 * (most + 1) * 8);
  const queue = region((most + 1) * 4);
  const out = region(graphs * 4);
  const choice = region(graphs * (most + 1) * 4);
  const memory = allocateFor(region(0), problem);
  new Float64Array(memory.buffer, counts, bySize).set(problem.counts);
  new Float64Array(memory.buffer, costs, bySize).set(problem.costs);
  const musts = new Int32Array(memory.buffer, must, bySize);
  for (const size of problem.include) musts[size] = 1;
  const ladder = instantiateLadder(rules, memory);
  const found = ladder.ladderCandidates(
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
  ladder.ladderLayers(found, graphs, twinsFrom, sizes, costOf, before, required, layers, queue, choice);
  for (let count = 1; count <= graphs; count++) {
    const length = ladder.ladderSizes(found, count, twinsFrom, sizes, choice, out);
    if (length > 0)
      yield { graphs: count, sizes: Object.freeze([...new Int32Array(memory.buffer, out, length)].reverse()) };
  }
}

/** No fewer than the candidates: sizes that are counted or must be there, and the largest. */
function mostCandidates({ counts, include, maxSize }: Problem): number {
  return Math.min(maxSize, counts.reduce((sum, count) => (count > 0 ? sum + 1 : sum), 0) + include.size + 1);
}

/** Hands out the addresses of regions one after the other, 64-byte aligned, after what the module keeps for itself. */
function regions(): (bytes: number) => number {
  let end = CONFIG_BASE;
  return (bytes) => {
    const begin = end;
    end = Math.ceil((end + bytes) / 64) * 64;
    return begin;
  };
}

function allocateFor(bytes: number, { maxSize, maxGraphs }: Problem): WasmMemory {
  const pages = Math.ceil(bytes / PAGE_BYTES);
  try {
    return new wasmApi.Memory({ initial: pages, maximum: pages });
  } catch (cause) {
    throw new LockstepError(
      'ERR_PLAN_CAPACITY',
      `A ladder of ${maxGraphs} graphs over ${maxSize} sizes needs ${Math.ceil(pages / 16)} MiB, which the system refused: lower maxGraphs, or give a multiple`,
      { pages, maxGraphs, maxSize },
      { cause },
    );
  }
}

function instantiateLadder(rules: PlannerModules['rules'], memory: WasmMemory): LadderExports {
  const exports = new wasmApi.Instance(rules, { env: { memory } }).exports as Partial<LadderExports>;
  if (exports.ladderLayers === undefined) {
    throw new LockstepError('ERR_CONFIG_INVALID', 'wasm.rules is another module: give rules.wasm there', {
      wrong: 'rules',
    });
  }
  return exports as LadderExports;
}

function completeProblem(options: OptimiseLadderOptions): Problem {
  const given = withoutUndefined(options) as OptimiseLadderOptions;
  const faults = new Faults();
  faults.names('ladder options', options, ['counts', 'costs', 'maxGraphs', 'multiple', 'include', 'twinsFrom', 'wasm']);
  const { maxGraphs = DEFAULT_MAX_GRAPHS, multiple = 1, include = [] } = given;
  const maxSize = (given.counts?.length ?? 0) - 1;
  const { twinsFrom = maxSize + 1 } = given;
  if (given.twinsFrom !== undefined) faults.integer('twinsFrom', twinsFrom, 1, MAX_SIZE + 1);
  faults.integer('maxGraphs', maxGraphs, 1, MAX_GRAPHS);
  const unit = faults.integer('multiple', multiple, 1, MAX_SIZE);
  if (faults.integer('the largest size (counts.length - 1)', maxSize, 1, MAX_SIZE)) {
    faults.check(
      !unit || maxSize % multiple === 0,
      `the largest size is ${maxSize}; it must be a multiple of ${multiple}, like every size: give counts up to ${Math.ceil(maxSize / multiple) * multiple}`,
    );
    faults.check(
      (given.costs?.length ?? 0) > maxSize,
      `costs covers sizes up to ${(given.costs?.length ?? 0) - 1}; counts goes to ${maxSize}`,
    );
    faults.check(Array.isArray(include), `include is ${shown(include)}; it must be a list of sizes`);
    for (const size of Array.isArray(include) ? include : []) {
      if (!faults.integer('a size of include', size, 1, maxSize) || !unit) continue;
      faults.check(size % multiple === 0, `include holds ${size}; it must be a multiple of ${multiple}`);
    }
  }
  faults.throwIfAny('This ladder');
  const counts = Float64Array.from(given.counts);
  const costs = Float64Array.from({ length: maxSize + 1 }, (_, size) => given.costs[size]);
  counts[0] = 0;
  costs[0] = 0;
  const wrongCount = counts.findIndex((count) => !(count >= 0 && count < Infinity));
  faults.check(wrongCount < 0, `counts[${wrongCount}] is ${counts[wrongCount]}; a count is finite and not negative`);
  const wrongCost = costs.findIndex((cost) => !(cost >= 0 && cost < Infinity));
  faults.check(wrongCost < 0, `costs[${wrongCost}] is ${costs[wrongCost]}; a cost is finite and not negative`);
  const fall = costs.findIndex((cost, size) => size > 0 && cost < costs[size - 1]);
  faults.check(
    fall < 0,
    `costs fall from ${costs[fall - 1]} to ${costs[fall]} at size ${fall}; they must never fall: give their running maximum`,
  );
  faults.throwIfAny('This ladder');
  return { counts, costs, maxSize, maxGraphs, multiple, include: new Set(include), twinsFrom };
}
