/**
 * The best ladders of 1 to K graphs for a histogram of step sizes, exactly. A size takes one graph, and from a threshold on two:
 * it is captured plain and in micro-batches, and a step of its tokens runs on either, as the ranks agree. A step of n tokens
 * costs what the smallest captured size >= n costs, so a ladder s(1) < ... < s(l) = max costs the sum of w(s(i - 1), s(i)) with
 *   w(i, j) = cost[j] * (before[j] - before[i]),   before[n] = steps of at most n tokens,
 * and the least cost of exactly k graphs with the last size j is
 *   best(k, j) = min over i < j of best(k - graphs(j), i) + w(i, j),   graphs(j) = 1 below the threshold, 2 from it on.
 *
 * Which sizes are looked at: those that must be there, max, and of the others allowed (multiples of a unit) the last of each
 * stretch of equal cost and equally many graphs, if a counted size lies between it and the candidate before. Any other size of a
 * ladder can first rise along its stretch, which costs nothing and holds more, and then sink to the largest candidate below if
 * it still holds the same steps, since neither cost nor graphs fall with size. So the ladder is no worse, and a size that was
 * never seen is padded no further than it must be.
 *
 * Why a layer takes O(n). In x = cost[j] each i is a line best(k - graphs(j), i) - before[i] * x. With i the slopes fall, as
 * before[] grows; with j the x rise, as cost[] does. So the lower envelope is a queue: a new line enters at its back, and a line
 * that loses at the front has lost for good. Sizes of one graph and of two look back at different layers, each in one stretch of
 * j, so that each has a queue of its own. Of two lines of one slope the higher hides nothing, and goes when the next one comes.
 *
 * A size that must be there is one no interval spans: past it, earlier lines leave the queue.
 *
 * Exact: with integer counts and costs, cost[max] times all steps below 2^50, the optimum itself: where a line is dropped, the
 * products' rounding is below an eighth of a unit of cost. Otherwise ladders that differ by the rounding of a sum are equal.
 */

import { int, real, setInt, setReal } from './scratch';

/**
 * Writes the candidates from 1 on, entry 0 being no size: sizes i32[], costOf f64[] by candidate, before f64[], required i32[].
 * `counts`, `costs` f64[max + 1] and `must` i32[max + 1] are by size; those from `twinsFrom` on take two graphs. Returns how many
 * candidates there are.
 */
export function ladderCandidates(
  max: i32,
  multiple: i32,
  twinsFrom: i32,
  counts: usize,
  costs: usize,
  must: usize,
  sizes: usize,
  costOf: usize,
  before: usize,
  required: usize,
): i32 {
  let found = 0;
  let steps: f64 = 0;
  let pending = false;
  setInt(sizes, 0, 0);
  setReal(costOf, 0, 0);
  setReal(before, 0, 0);
  setInt(required, 0, 0);
  for (let size = 1; size <= max; size++) {
    const count = real(counts, size);
    steps += count;
    if (count > 0) pending = true;
    if (size < max && int(must, size) == 0) {
      const following = min(size + multiple, max);
      const asMany = graphsOf(following, twinsFrom) == graphsOf(size, twinsFrom);
      if (size % multiple != 0 || !pending || (asMany && real(costs, following) == real(costs, size))) continue;
    }
    pending = false;
    found++;
    setInt(sizes, found, size);
    setReal(costOf, found, real(costs, size));
    setReal(before, found, steps);
    setInt(required, found, int(must, size));
  }
  return found;
}

/** Cost of the best ladder whose last two candidates are `from` and `to`; `best` is that of one size fewer. */
function costVia(best: usize, costOf: usize, before: usize, from: i32, to: i32): f64 {
  return real(best, from) + real(costOf, to) * (real(before, to) - real(before, from));
}

/** Whether line `b`, between `a` and `c` in the queue, is nowhere the least: c overtakes b before b overtakes a. */
function hidden(best: usize, before: usize, a: i32, b: i32, c: i32): boolean {
  const overB = (real(best, c) - real(best, b)) * (real(before, b) - real(before, a));
  const overA = (real(best, b) - real(best, a)) * (real(before, c) - real(before, b));
  return overB <= overA;
}

/** Graphs that a size takes. */
function graphsOf(size: i32, twinsFrom: i32): i32 {
  return size < twinsFrom ? 1 : 2;
}

/**
 * Fills `choice` i32[graphs, candidates + 1]: the candidate before the last, for each number of graphs (from row 0 = 1) and last
 * candidate; -1 where there is no such ladder. `layers` f64[3, candidates + 1] and `queue` i32[candidates + 1] are scratch.
 */
export function ladderLayers(
  candidates: i32,
  graphs: i32,
  twinsFrom: i32,
  sizes: usize,
  costOf: usize,
  before: usize,
  required: usize,
  layers: usize,
  queue: usize,
  choice: usize,
): void {
  let single = 0;
  while (single < candidates && graphsOf(int(sizes, single + 1), twinsFrom) == 1) single++;
  const stride = (<usize>(candidates + 1)) << 3;
  let twoBack = layers;
  let oneBack = layers + stride;
  let next = layers + 2 * stride;
  for (let j = 0; j <= candidates; j++) {
    setReal(twoBack, j, Infinity);
    setReal(oneBack, j, j == 0 ? 0 : Infinity);
  }
  for (let layer = 0; layer < graphs; layer++) {
    const row = choice + ((<usize>layer * <usize>(candidates + 1)) << 2);
    setReal(next, 0, Infinity);
    setInt(row, 0, -1);
    fillLayer(1, single, oneBack, next, costOf, before, required, queue, row);
    if (single < candidates) fillLayer(single + 1, candidates, twoBack, next, costOf, before, required, queue, row);
    const spent = twoBack;
    twoBack = oneBack;
    oneBack = next;
    next = spent;
  }
}

/** Entries `first` to `last` of a layer, from the layer `best` that their sizes look back at. */
function fillLayer(
  first: i32,
  last: i32,
  best: usize,
  next: usize,
  costOf: usize,
  before: usize,
  required: usize,
  queue: usize,
  row: usize,
): void {
  let front = 0;
  let back = 0;
  for (let j = 1; j <= last; j++) {
    const line = j - 1;
    if (int(required, line) != 0) back = front;
    if (real(best, line) < Infinity) {
      while (back - front > 1 && hidden(best, before, int(queue, back - 2), int(queue, back - 1), line)) back--;
      setInt(queue, back++, line);
    }
    if (j < first) continue;
    if (front == back) {
      setReal(next, j, Infinity);
      setInt(row, j, -1);
      continue;
    }
    while (
      back - front > 1 &&
      costVia(best, costOf, before, int(queue, front + 1), j) <= costVia(best, costOf, before, int(queue, front), j)
    ) {
      front++;
    }
    setReal(next, j, costVia(best, costOf, before, int(queue, front), j));
    setInt(row, j, int(queue, front));
  }
}

/** Writes the sizes of the best ladder of exactly `graphs` graphs, descending, to `out`. Returns how many; 0 where there is none. */
export function ladderSizes(
  candidates: i32,
  graphs: i32,
  twinsFrom: i32,
  sizes: usize,
  choice: usize,
  out: usize,
): i32 {
  let count = 0;
  let left = graphs;
  for (let last = candidates; last > 0; ) {
    const before = int(choice + ((<usize>(left - 1) * <usize>(candidates + 1)) << 2), last);
    if (before < 0) return 0;
    setInt(out, count++, int(sizes, last));
    left -= graphsOf(int(sizes, last), twinsFrom);
    last = before;
  }
  return count;
}
