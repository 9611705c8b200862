/**
 * The best ladders of 1 to K graphs where a step may be padded by a factor at most: beyond it the step runs eager, and counts
 * as one of the largest size. A step of n tokens on size j then costs f(n, j), which is cost[j] up to factor * n tokens, and the
 * largest size's cost above; best(k, j) = min over i < j of best(k - 1, i) + w(i, j), where w(i, j) sums f over the steps of
 * more than i and at most j tokens.
 *
 * Steps that are refused break the lines of ladder.ts: as j grows, a line loses what it was the best with. But f never falls
 * with j, so w(i, j) has the quadrangle inequality, and the best i never falls with j: a layer is found by halves, in O(n log n).
 *
 * Which sizes are looked at: the least allowed ones that hold each counted size. Any other can sink to the next of them below,
 * where it holds the same steps, costs no more, and refuses no step that it did not.
 */
import { real, setInt, setReal } from './scratch';

/**
 * Writes the candidates from 1 on: sizes i32[], costOf and before f64[] by candidate, and in `refused` f64[] the steps of fewer
 * tokens than `permille` / 1000 times lets run on it. Returns how many there are. `counts`, `costs` f64[max + 1].
 */
export function boundedCandidates(
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

let bestOf: usize = 0;
let nextOf: usize = 0;
let rowOf: usize = 0;
let costsOf: usize = 0;
let stepsBefore: usize = 0;
let refusedOf: usize = 0;
let eagerCost: f64 = 0;

/**
 * Fills `choice` i32[graphs, candidates + 1] like `ladderLayers`; `layers` f64[2, candidates + 1] is scratch. Returns for how
 * many graphs: where one more gains nothing, none does.
 */
export function boundedLayers(
  candidates: i32,
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
  eagerCost = real(costOf, candidates);
  bestOf = layers;
  nextOf = layers + ((<usize>(candidates + 1)) << 3);
  setReal(bestOf, 0, 0);
  let least = Infinity;
  for (let layer = 0; layer < graphs && layer < candidates; layer++) {
    rowOf = choice + ((<usize>layer * <usize>(candidates + 1)) << 2);
    halve(layer + 1, candidates, layer, layer == 0 ? 0 : candidates - 1);
    if (layer > 0 && real(nextOf, candidates) >= least) return layer;
    least = real(nextOf, candidates);
    const spent = bestOf;
    bestOf = nextOf;
    nextOf = spent;
  }
  return min(graphs, candidates);
}

/** Entries `first` to `last` of a layer, whose best candidates before are `from` to `to`. */
function halve(first: i32, last: i32, from: i32, to: i32): void {
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
  halve(first, j - 1, from, chosen);
  halve(j + 1, last, chosen, to);
}

/** What the steps of more tokens than `i` and at most those of `j` cost on `j`. */
function costBetween(i: i32, j: i32): f64 {
  const beyond = max<f64>(0, real(refusedOf, j) - real(stepsBefore, i));
  return eagerCost * beyond + real(costsOf, j) * (real(stepsBefore, j) - real(stepsBefore, i) - beyond);
}
