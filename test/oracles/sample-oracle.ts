import { exponential, f32, laneSum } from './f32-oracle.js';

/** What a row of controls says. */
export interface Controls {
  readonly temperature: number;
  /** 0: all. */
  readonly topK: number;
  readonly topP: number;
  readonly seed: bigint;
  readonly position: number;
}

/** A number from 0 up to 1 of a seed and a position. Source: SplitMix64. */
export function uniformOf(seed: bigint, position: number): number {
  const word = (value: bigint): bigint => BigInt.asUintN(64, value);
  let z = word(seed + BigInt(position + 1) * 0x9e3779b97f4a7c15n);
  z = word((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
  z = word((z ^ (z >> 27n)) * 0x94d049bb133111ebn);
  return Number((z ^ (z >> 31n)) >> 40n) / 2 ** 24;
}

/** The token that is drawn of a row of logits: by sorting it, then by walking what is kept in the order of ids. */
export function sampleRow(logits: readonly number[], controls: Controls): number {
  const value = (token: number): number => {
    // Only its order counts: what is no number comes last, after what is not to be drawn.
    const logit = logits[token] ?? 0;
    return Number.isNaN(logit) ? -Infinity : Math.max(logit, -Number.MAX_VALUE);
  };
  const order = [...logits.keys()].sort((a, b) => value(b) - value(a) || a - b);
  const [first = 0] = order;
  if (controls.temperature === 0) return first;
  const weights = logits.map((logit) => {
    const weight = exponential(f32(f32(logit - (logits[first] ?? 0)) / controls.temperature));
    return Number.isNaN(weight) ? 0 : weight;
  });
  const weight = (token: number): number => weights[token] ?? 0;
  const kept = controls.topK > 0 ? order.slice(0, controls.topK) : order;
  const drawn = [...(controls.topP < 1 ? nucleusOf(kept, value, weight, controls.topP) : kept)].sort((a, b) => a - b);
  const total = drawn.reduce((sum, token) => f32(sum + weight(token)), 0);
  const wanted = f32(uniformOf(controls.seed, controls.position) * total);
  let sum = 0;
  let last = first;
  for (const token of drawn) {
    if (!(weight(token) > 0)) continue;
    sum = f32(sum + weight(token));
    last = token;
    if (sum > wanted) return token;
  }
  return last;
}

/** The fewest of `kept`, the greatest first, that have a share `topP` of its weight. Sums go over ids, in lanes; equal logits count alike. */
function nucleusOf(
  kept: readonly number[],
  value: (token: number) => number,
  weight: (token: number) => number,
  topP: number,
): readonly number[] {
  const vocab = Math.max(...kept) + 1;
  const weigh = (tokens: readonly number[]): number => {
    const members = new Set(tokens);
    return laneSum(Array.from({ length: vocab }, (_, token) => (members.has(token) ? weight(token) : undefined)));
  };
  const lowest = kept.at(-1) ?? 0;
  const ties = (token: number): number[] => kept.filter((other) => value(other) === value(token));
  const above = (token: number): number[] => kept.filter((other) => value(other) > value(token));
  const wanted = f32(topP * f32(weigh(above(lowest)) + f32(ties(lowest).length * weight(lowest))));
  for (let begin = 0; begin < kept.length; ) {
    const token = kept[begin] ?? 0;
    const equal = ties(token);
    const isLast = begin + equal.length === kept.length;
    if (isLast || weigh([...above(token), ...equal]) >= wanted) {
      const before = weigh(above(token));
      const enough = equal.findIndex((_, index) => f32(before + f32((index + 1) * weight(token))) >= wanted);
      return kept.slice(0, begin + (enough < 0 ? equal.length : enough + 1));
    }
    begin += equal.length;
  }
  return kept;
}
