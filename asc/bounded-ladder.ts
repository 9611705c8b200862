/**
 * Divide and conquer over monotone choices finds the best ladders of 1 to K graphs where a step may be padded by a factor at most.
 * Source of the method: https://cp-algorithms.com/dynamic_programming/divide-and-conquer-dp.html.
 *
 * A step that would be padded further runs eager, and counts as one of the largest size. A step of n tokens on size j then costs
 * f(n, j): cost[j] if the size is at most factor * n tokens, and the cost of the largest size otherwise. The recurrence is
 *   best(k, j) = min over i < j of best(k - 1, i) + w(i, j),   w(i, j) = sum of f(n, j) over the steps of i < n <= j tokens.
 *
 * The lines of ladder.ts cannot be used: as j grows, the steps that run eager take from a line what made it the lowest. But f
 * never falls with j, so w has the quadrangle inequality, and the best i never falls with j. A layer is found by halves in
 * O(n log n).
 *
 * The sizes that are tried are the smallest allowed ones that hold each counted size. Any other size can sink to the tried size
 * below it, which holds the same steps, costs no more, and leaves no further step eager.
 */
import { real, setInt, setReal } from './scratch';

/**
 * Lists the sizes to try, from entry 1 on. Writes sizes i32[], costOf and before f64[], and refused f64[]: the steps that are too
 * small to run on each size, because it exceeds `permille` / 1000 times their tokens. Reads counts and costs f64[max + 1].
 * Returns how many sizes are listed.
 */
export function listBoundedSizes(
  max: i32,
  multiple: i32,
  permille: f64,
  counts: usize,
  costs: usize,
  sizes: usize,
  costOf: usize,
  before: usize,
  refused: usize,
): i32 {
  let found = 0;
  let steps: f64 = 0;
  let tooSmall: f64 = 0;
  let smallest = 1;
  let pending = false;
  setReal(before, 0, 0);
  for (let size = 1; size <= max; size++) {
    const count = real(counts, size);
    steps += count;
    if (count > 0) pending = true;
    if (size < max && (!pending || size % multiple != 0)) continue;
    pending = false;
    while (smallest < size && <f64>smallest * permille < <f64>size * 1000) tooSmall += real(counts, smallest++);
    found++;
    setInt(sizes, found, size);
    setReal(costOf, found, real(costs, size));
    setReal(before, found, steps);
    setReal(refused, found, tooSmall);
  }
  return found;
}

// Where the arrays of the layer that is being filled lie: they are the same in the whole recursion of `fillHalves`, and
// `fillBoundedLayers` sets them at its start. Nothing here outlives a call.
let bestOf: usize = 0;
let nextOf: usize = 0;
let rowOf: usize = 0;
let costsOf: usize = 0;
let stepsBefore: usize = 0;
let refusedOf: usize = 0;
let eagerCost: f64 = 0;

/**
 * Fills choice i32[graphs, count + 1] as `fillLayers` does; layers f64[2, count + 1] is scratch. Returns for how many graphs it
 * found a ladder: if one graph more gains nothing, no further graph does.
 */
export function fillBoundedLayers(
  count: i32,
  graphs: i32,
  costOf: usize,
  before: usize,
  refused: usize,
  layers: usize,
  choice: usize,
): i32 {
  costsOf = costOf;
  stepsBefore = before;
  refusedOf = refused;
  eagerCost = real(costOf, count);
  bestOf = layers;
  nextOf = layers + ((<usize>(count + 1)) << 3);
  setReal(bestOf, 0, 0);
  let least = Infinity;
  for (let layer = 0; layer < graphs && layer < count; layer++) {
    rowOf = choice + ((<usize>layer * <usize>(count + 1)) << 2);
    fillHalves(layer + 1, count, layer, layer == 0 ? 0 : count - 1);
    if (layer > 0 && real(nextOf, count) >= least) return layer;
    least = real(nextOf, count);
    const spent = bestOf;
    bestOf = nextOf;
    nextOf = spent;
  }
  return min(graphs, count);
}

/** Fills entries `first` to `last` of a layer; the best entries before them lie between `from` and `to`. */
function fillHalves(first: i32, last: i32, from: i32, to: i32): void {
  if (first > last) return;
  const j = (first + last) >> 1;
  let least = Infinity;
  let chosen = from;
  for (let i = from; i <= to && i < j; i++) {
    const cost = real(bestOf, i) + costBetween(i, j);
    if (cost < least) {
      least = cost;
      chosen = i;
    }
  }
  setReal(nextOf, j, least);
  setInt(rowOf, j, chosen);
  fillHalves(first, j - 1, from, chosen);
  fillHalves(j + 1, last, chosen, to);
}

/** Cost of running the steps with more tokens than size `i` and at most as many as size `j` on size `j`. */
function costBetween(i: i32, j: i32): f64 {
  const beyond = max<f64>(0, real(refusedOf, j) - real(stepsBefore, i));
  return eagerCost * beyond + real(costsOf, j) * (real(stepsBefore, j) - real(stepsBefore, i) - beyond);
}
