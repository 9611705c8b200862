import { Faults, withoutUndefined } from '../../checks.js';
import { LockstepError, shown } from '../../errors.js';
import { loadModules, type PlannerModules, type WasmSource } from '../../memory/index.js';
import { NO_PADDING_LIMIT } from '../../policy/index.js';
import { LadderCurve, type OptimalLadder } from './ladder-curve.js';
import { scoreChecked } from './ladder-score.js';
import { bestSizes, type LadderProblem } from './ladder-search.js';

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
  /** Sizes from this one on are captured twice, plain and in micro-batches, and take two graphs. Default: none. */
  readonly twinsFrom?: number | undefined;
  /**
   * A step that its size would pad to more than this many times its tokens runs eager, and counts as one of `maxSize`. Default: no
   * limit.
   */
  readonly maxPaddingFactor?: number | undefined;
  /** Where `rules.wasm` comes from. Default: the file beside this code. */
  readonly wasm?: Partial<Record<keyof PlannerModules, WasmSource>> | undefined;
}

const MAX_SIZE = 1 << 20;
const MAX_GRAPHS = 1 << 12;
const DEFAULT_MAX_GRAPHS = 128;

/**
 * The best ladders for a histogram, exactly, for every number of graphs up to `maxGraphs`. A step runs as the smallest captured
 * size that holds it. Time and memory grow with sizes counted times graphs: 16,384 sizes and 128 graphs take some 8 MiB.
 * Errors: ERR_CONFIG_INVALID with every fault at once; ERR_PLAN_CAPACITY if the memory is not available.
 */
export async function optimiseLadder(options: OptimiseLadderOptions): Promise<LadderCurve> {
  const problem = completeProblem(options);
  const { rules } = await loadModules(options.wasm);
  const { counts, costs, maxSize } = problem;
  const ladders: OptimalLadder[] = [];
  for (const { graphs, sizes } of bestSizes(problem, rules)) {
    const score = scoreChecked(counts, costs, sizes, problem.maxPaddingFactor);
    const last = ladders.at(-1);
    if (last === undefined || score.padding < last.padding) ladders.push(Object.freeze({ ...score, graphs, sizes }));
  }
  if (ladders.length === 0) {
    throw new LockstepError(
      'ERR_CONFIG_INVALID',
      `No ladder of ${problem.maxGraphs} graphs has all ${problem.include.size} sizes that must be captured and ${maxSize}${problem.twinsFrom > maxSize ? '' : ', with their twins'}; raise maxGraphs`,
      { maxGraphs: problem.maxGraphs, include: [...problem.include] },
    );
  }
  return new LadderCurve(ladders);
}

function completeProblem(options: OptimiseLadderOptions): LadderProblem {
  const given = withoutUndefined(options) as OptimiseLadderOptions;
  const faults = new Faults();
  faults.names('ladder options', options, [
    'counts',
    'costs',
    'maxGraphs',
    'multiple',
    'include',
    'twinsFrom',
    'maxPaddingFactor',
    'wasm',
  ]);
  const { maxGraphs = DEFAULT_MAX_GRAPHS, multiple = 1, include = [] } = given;
  const maxSize = (given.counts?.length ?? 0) - 1;
  const { twinsFrom = maxSize + 1, maxPaddingFactor = Infinity } = given;
  if (given.twinsFrom !== undefined) faults.integer('twinsFrom', twinsFrom, 1, MAX_SIZE + 1);
  if (given.maxPaddingFactor !== undefined) {
    faults.number('maxPaddingFactor', maxPaddingFactor, 1, NO_PADDING_LIMIT);
    faults.check(
      given.twinsFrom === undefined && (given.include ?? []).length === 0,
      'maxPaddingFactor is given with include or twinsFrom; a ladder is found for one or the other',
    );
  }
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
  return { counts, costs, maxSize, maxGraphs, multiple, include: new Set(include), twinsFrom, maxPaddingFactor };
}
