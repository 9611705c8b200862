export type Shape = readonly [tokens: number, prefillRequests: number, decodeRequests: number];

/** `requests`: of both kinds together, the most on one rank. */
export type Step = readonly [tokens: number, prefillRequests: number, requests: number];

/** Whether a graph holds a step: its tokens, its prefills in prefill slots, and all its requests in all slots. */
export function holds([tokens, p, d]: Shape, [stepTokens, stepP, requests]: Step): boolean {
  return tokens >= stepTokens && p >= stepP && p + d >= requests;
}

/** Cost of steps, each on the cheapest graph that holds it and passes; Infinity where none does. */
export function mixedCost(
  shapes: readonly Shape[],
  steps: readonly (readonly [...Step, count: number])[],
  costs: ArrayLike<number>,
  passes: (shape: Shape, step: Step) => boolean = () => true,
): number {
  return steps.reduce((sum, [tokens, p, requests, count]) => {
    const step: Step = [tokens, p, requests];
    const fitting = shapes.filter((shape) => holds(shape, step) && passes(shape, step));
    return sum + count * Math.min(...fitting.map(([size]) => costs[size]));
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
