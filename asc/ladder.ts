/**
 * The best ladders of 1 to K captured sizes for a histogram of step sizes, exactly. A step of n tokens costs what the smallest
 * captured size >= n costs, so a ladder s(1) < ... < s(k) = max costs the sum of w(s(l - 1), s(l)) with
 *   w(i, j) = cost[j] * (before[j] - before[i]),   before[n] = steps of at most n tokens,
 * and the least cost of exactly k sizes up to j is best(k, j) = min over i < j of best(k - 1, i) + w(i, j).
 *
 * Which sizes are looked at: those that must be there, max, and of the others allowed (multiples of a unit) the last of each
 * stretch of equal cost, if a counted size lies between it and the candidate before. Any other size of a ladder can first rise
 * along its stretch, which costs nothing and holds more, and then sink to the largest candidate below if it still holds the same
 * steps, since cost never falls with size. So the ladder is no worse, and a size that was never seen is padded no further than
 * it must be.
 *
 * Why a layer takes O(n). In x = cost[j] each i is a line best(k - 1, i) - before[i] * x. With i the slopes fall, as before[]
 * grows; with j the x rise, as cost[] does. So the lower envelope is a queue: a new line enters at its back, and a line that
 * loses at the front has lost for good. Of lines of one slope the earlier is the lower, as best never falls with i: the later
 * one hides nothing, and is hidden by the next.
 *
 * A size that must be there is one no interval spans: past it, earlier lines leave the queue.
 *
 * Exact: with integer counts and costs, cost[max] times all steps below 2^50, the optimum itself: where a line is dropped, the
 * products' rounding is below an eighth of a unit of cost. Otherwise ladders that differ by the rounding of a sum are equal.
 */

function real(at: usize, index: i32): f64 {
  return load<f64>(at + ((<usize>index) << 3));
}

function setReal(at: usize, index: i32, value: f64): void {
  store<f64>(at + ((<usize>index) << 3), value);
}

function int(at: usize, index: i32): i32 {
  return load<i32>(at + ((<usize>index) << 2));
}

function setInt(at: usize, index: i32, value: i32): void {
  store<i32>(at + ((<usize>index) << 2), value);
}

/**
 * Writes the candidates from 1 on, entry 0 being no size: sizes i32[], costOf f64[] by candidate, before f64[], required i32[].
 * `counts`, `costs` f64[max + 1] and `must` i32[max + 1] are by size. Returns how many candidates there are.
 */
export function ladderCandidates(
  max: i32,
  multiple: i32,
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
      if (size % multiple != 0 || !pending || real(costs, following) == real(costs, size)) continue;
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

/**
 * Fills `choice` i32[graphs, candidates + 1]: the candidate before the last, for each number of sizes (from row 0 = 1) and last
 * candidate; -1 where there is no such ladder. `best` and `next` f64[candidates + 1] and `queue` i32[candidates + 1] are scratch.
 */
export function ladderLayers(
  candidates: i32,
  graphs: i32,
  costOf: usize,
  before: usize,
  required: usize,
  best: usize,
  next: usize,
  queue: usize,
  choice: usize,
): void {
  setReal(best, 0, 0);
  for (let j = 1; j <= candidates; j++) setReal(best, j, Infinity);
  for (let layer = 0; layer < graphs; layer++) {
    const row = choice + ((<usize>layer * <usize>(candidates + 1)) << 2);
    setInt(row, 0, -1);
    setReal(next, 0, Infinity);
    let front = 0;
    let back = 0;
    for (let j = 1; j <= candidates; j++) {
      const line = j - 1;
      if (int(required, line) != 0) back = front;
      if (real(best, line) < Infinity) {
        while (back - front > 1 && hidden(best, before, int(queue, back - 2), int(queue, back - 1), line)) back--;
        setInt(queue, back++, line);
      }
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
    const spent = best;
    best = next;
    next = spent;
  }
}

/** Writes the best ladder of exactly `graphs` sizes, ascending, to `out` i32[graphs]. Returns 0 where there is none. */
export function ladderSizes(candidates: i32, graphs: i32, sizes: usize, choice: usize, out: usize): i32 {
  let last = candidates;
  for (let layer = graphs - 1; layer >= 0; layer--) {
    setInt(out, layer, int(sizes, last));
    last = int(choice + ((<usize>layer * <usize>(candidates + 1)) << 2), last);
    if (last < 0) return 0;
  }
  return 1;
}
