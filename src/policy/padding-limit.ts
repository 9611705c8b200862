/** A padding factor as the rules hold it, in whole thousandths. */
export function permille(factor: number): number {
  return Math.round(factor * 1000);
}

/** Fewest tokens of a step that may run on a graph of `size` tokens. */
export function leastTokensOn(size: number, factor: number): number {
  return Math.ceil((size * 1000) / permille(factor));
}
