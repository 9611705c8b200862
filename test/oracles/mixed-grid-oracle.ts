export type Shape = readonly [tokens: number, prefillRequests: number, decodeRequests: number];

/** `requests`: of both kinds together, the most on one rank. */
export type Step = readonly [tokens: number, prefillRequests: number, requests: number];

/** Whether a graph holds a step: its tokens, its prefills in prefill slots, and all its requests in all slots. */
export function holds([tokens, p, d]: Shape, [stepTokens, stepP, requests]: Step): boolean {
  return tokens >= stepTokens && p >= stepP && p + d >= requests;
}

/**
 * Cost of steps, each on the cheapest graph that holds it and pads it to at most `factor` times its tokens; where none does, the
 * cost of the largest graph, and without a factor Infinity.
 */
export function mixedCost(
  shapes: readonly Shape[],
  steps: readonly (readonly [...Step, count: number])[],
  costs: ArrayLike<number>,
  factor: number = Infinity,
): number {
  const eager = factor === Infinity ? Infinity : Math.max(...shapes.map(([size]) => costs[size]));
  return steps.reduce((sum, [tokens, p, requests, count]) => {
    const step: Step = [tokens, p, requests];
    const fitting = shapes.filter((shape) => holds(shape, step) && shape[0] <= tokens * factor);
    return sum + count * Math.min(eager, ...fitting.map(([size]) => costs[size]));
  }, 0);
}

/** All subsets of at most `most` elements. */
export function* subsets<T>(list: readonly T[], most: number): Generator<T[]> {
  if (most === 0 || list.length === 0) {
    yield [];
    return;
  }
  const [first, ...rest] = list;
  yield* subsets(rest, most);
  for (const some of subsets(rest, most - 1)) yield [first, ...some];
}
