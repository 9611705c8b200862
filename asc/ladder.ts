/**
 * A monotone queue of lines (the convex hull trick) finds the best ladders of 1 to K graphs for a histogram of step sizes. Source
 * of the method: https://cp-algorithms.com/geometry/convex_hull_trick.html; the queue needs slopes and queries that are sorted.
 *
 * A ladder is a list of captured sizes. A size takes one graph, and from a threshold on two: it is captured plain and in
 * micro-batches, and a step of its tokens runs on either graph, as the ranks agree. A step of n tokens costs what the smallest
 * captured size >= n costs. So a ladder s(1) < ... < s(l) = max costs the sum of w(s(i - 1), s(i)) with
 *   w(i, j) = cost[j] * (before[j] - before[i]),   before[n] = steps of at most n tokens,
 * and the least cost of exactly k graphs with the last size j is
 *   best(k, j) = min over i < j of best(k - graphs(j), i) + w(i, j),   graphs(j) = 1 below the threshold, 2 from it on.
 *
 * The sizes that are tried: those that must be captured, max, and some of the other allowed sizes (multiples of a unit). Of each
 * stretch of allowed sizes with equal cost and equally many graphs that is the last one, and only if a counted size lies between
 * it and the size tried before. Any other size of a ladder can first rise along its stretch, which costs nothing and holds more,
 * and then sink to the largest tried size below if that still holds the same steps, since neither cost nor graphs fall with
 * size. So the ladder is no worse, and no step is padded further than it must be, not even one of a size that was never seen.
 *
 * A layer (one k) takes O(n). As functions of x = cost[j] the choices i are lines best(k - graphs(j), i) - before[i] * x. With
 * growing i their slopes fall, because before[] grows; with growing j the queries x rise, because cost[] does. So the lower
 * envelope is a queue: a new line enters at the back, and a line that is overtaken at the front is never optimal again. Sizes of
 * one graph and of two graphs look back at different layers, each kind in one stretch of j, so each kind has its own queue. Of two
 * lines with one slope the higher one hides nothing, and leaves when the next line comes.
 *
 * No interval may span a size that must be captured: past it, all earlier lines leave the queue.
 *
 * The result is the optimum itself if counts and costs are integers and cost[max] times all steps is below 2^50: the rounding of
 * the products that decide which line is dropped is then below an eighth of a unit of cost. Otherwise ladders whose costs differ
 * only by the rounding of a sum count as equal.
 */

import { int, real, setInt, setReal } from './scratch';

/**
 * Lists the sizes to try, from entry 1 on; entry 0 stands for no size. Writes sizes i32[], costOf f64[] (cost of each listed
 * size), before f64[] and required i32[]. Reads counts and costs f64[max + 1] and must i32[max + 1], all by size. Sizes from
 * `twinsFrom` on take two graphs. Returns how many sizes are listed.
 */
export function listSizes(
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

/** Cost of the best ladder whose last two sizes are entries `from` and `to`. `best` is the layer that `to` looks back at. */
function costVia(best: usize, costOf: usize, before: usize, from: i32, to: i32): f64 {
  return real(best, from) + real(costOf, to) * (real(before, to) - real(before, from));
}

/** Whether line `b`, between `a` and `c` in the queue, is nowhere the lowest: c overtakes b before b overtakes a. */
function isHidden(best: usize, before: usize, a: i32, b: i32, c: i32): boolean {
  const overB = (real(best, c) - real(best, b)) * (real(before, b) - real(before, a));
  const overA = (real(best, b) - real(best, a)) * (real(before, c) - real(before, b));
  return overB <= overA;
}

/** Number of graphs that a size takes. */
function graphsOf(size: i32, twinsFrom: i32): i32 {
  return size < twinsFrom ? 1 : 2;
}

/**
 * Fills choice i32[graphs, count + 1] for the `count` listed sizes: for each number of graphs (row 0 is one graph) and each last
 * size, the entry of the size before it, or -1 if there is no such ladder. `layers` f64[3, count + 1] and `queue`
 * i32[count + 1] are scratch.
 */
export function fillLayers(
  count: i32,
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
  while (single < count && graphsOf(int(sizes, single + 1), twinsFrom) == 1) single++;
  const stride = (<usize>(count + 1)) << 3;
  let twoBack = layers;
  let oneBack = layers + stride;
  let next = layers + 2 * stride;
  for (let j = 0; j <= count; j++) {
    setReal(twoBack, j, Infinity);
    setReal(oneBack, j, j == 0 ? 0 : Infinity);
  }
  for (let layer = 0; layer < graphs; layer++) {
    const row = choice + ((<usize>layer * <usize>(count + 1)) << 2);
    setReal(next, 0, Infinity);
    setInt(row, 0, -1);
    fillLayer(1, single, oneBack, next, costOf, before, required, queue, row);
    if (single < count) fillLayer(single + 1, count, twoBack, next, costOf, before, required, queue, row);
    const spent = twoBack;
    twoBack = oneBack;
    oneBack = next;
    next = spent;
  }
}

/** Fills entries `first` to `last` of the layer `next`. Their sizes look back at the layer `best`. */
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
      while (back - front > 1 && isHidden(best, before, int(queue, back - 2), int(queue, back - 1), line)) back--;
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

/** Writes the sizes of the best ladder of exactly `graphs` graphs to `out`, descending. Returns how many, 0 if there is no ladder. */
export function readLadder(count: i32, graphs: i32, twinsFrom: i32, sizes: usize, choice: usize, out: usize): i32 {
  let length = 0;
  let left = graphs;
  for (let last = count; last > 0; ) {
    const before = int(choice + ((<usize>(left - 1) * <usize>(count + 1)) << 2), last);
    if (before < 0) return 0;
    setInt(out, length++, int(sizes, last));
    left -= graphsOf(int(sizes, last), twinsFrom);
    last = before;
  }
  return length;
}
