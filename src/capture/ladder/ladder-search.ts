import { LockstepError } from '../../errors.js';
import { CONFIG_BASE } from '../../layout/index.js';
import { type PlannerModules, type WasmMemory, wasmApi } from '../../memory/index.js';
import { permille } from '../../policy/index.js';

/** Which ladders are looked for, checked and complete. */
export interface LadderProblem {
  readonly counts: Float64Array;
  readonly costs: Float64Array;
  readonly maxSize: number;
  readonly maxGraphs: number;
  readonly multiple: number;
  readonly include: ReadonlySet<number>;
  /** Above every size where none is captured twice. */
  readonly twinsFrom: number;
  /** Infinity where no step is padded too far. */
  readonly maxPaddingFactor: number;
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
  boundedCandidates(
    max: number,
    multiple: number,
    permille: number,
    counts: number,
    costs: number,
    sizes: number,
    costOf: number,
    before: number,
    refused: number,
  ): number;
  boundedLayers(
    candidates: number,
    graphs: number,
    costOf: number,
    before: number,
    refused: number,
    layers: number,
    choice: number,
  ): number;
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
  const refused = region((most + 1) * 8);
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
  const search = (): { candidates: number; layers: number } => {
    if (maxPaddingFactor === Infinity) {
      const candidates = ladder.ladderCandidates(
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
      ladder.ladderLayers(candidates, graphs, twinsFrom, sizes, costOf, before, required, layers, queue, choice);
      return { candidates, layers: graphs };
    }
    const limit = permille(maxPaddingFactor);
    const candidates = ladder.boundedCandidates(
      maxSize,
      multiple,
      limit,
      counts,
      costs,
      sizes,
      costOf,
      before,
      refused,
    );
    return { candidates, layers: ladder.boundedLayers(candidates, graphs, costOf, before, refused, layers, choice) };
  };
  const found = search();
  for (let count = 1; count <= found.layers; count++) {
    const length = ladder.ladderSizes(found.candidates, count, twinsFrom, sizes, choice, out);
    if (length > 0)
      yield { graphs: count, sizes: Object.freeze([...new Int32Array(memory.buffer, out, length)].reverse()) };
  }
}

/** No fewer than the candidates: sizes that are counted or must be there, and the largest. */
function mostCandidates({ counts, include, maxSize }: LadderProblem): number {
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

function allocateFor(bytes: number, { maxSize, maxGraphs }: LadderProblem): WasmMemory {
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
