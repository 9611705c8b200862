import { ENGINE_NAMES, type EngineLimits, engineLadder } from '../engines/index.js';
import { LockstepError } from '../errors.js';
import { gcd, roundUp } from '../numbers.js';
import { type CostModel, type CostSource, readCosts, tokenCosts } from '../workload/index.js';

/** The cost of a step of each size, up to the largest graph considered. */
export interface PlanCosts {
  readonly name: string;
  readonly unit: CostModel['unit'];
  /** By size, entry 0 unused: its tokens. */
  readonly tokens: Float64Array;
  /** By size: what the cost model says. */
  readonly time: Float64Array;
  /** Sizes of the table that cost less than a smaller one, and were raised to it. */
  readonly raised: number;
}

/** Most tokens of a decode: as many requests as a step takes, each with `queryLen` tokens. */
export function largestDecode({ maxNumSeqs, maxNumBatchedTokens, queryLen }: EngineLimits): number {
  return Math.min(maxNumSeqs, Math.floor(maxNumBatchedTokens / queryLen)) * queryLen;
}

/**
 * Tokens of the graph of the largest decode: those rounded up to a policy's token alignment, in whole requests, which may be more requests
 * than a step has.
 */
export function largestGraph(limits: EngineLimits, { tokenAlignment }: { readonly tokenAlignment: number }): number {
  const { queryLen } = limits;
  return roundUp(largestDecode(limits), (tokenAlignment * queryLen) / gcd(tokenAlignment, queryLen));
}

/**
 * Costs up to the largest decode, with `mixed` up to the largest step. An engine's smallest size above that may lie beyond the
 * table; then it costs as much as the last entry, which favours the engine. Without a source a size costs its tokens. Errors:
 * those of `readCosts`.
 */
export async function planCosts(
  limits: EngineLimits,
  mixed: boolean,
  source: CostSource | null,
  signal?: AbortSignal,
  policy: { readonly tokenAlignment: number } = { tokenAlignment: 1 },
): Promise<PlanCosts> {
  const graph = largestGraph(limits, policy);
  const maximum = mixed ? Math.max(limits.maxNumBatchedTokens, graph) : graph;
  const above = ENGINE_NAMES.flatMap((engine) => {
    const { sizes, decodeSizes } = engineLadder(engine, limits);
    const reaching = [sizes, decodeSizes].map((list) => list.find((size) => size >= maximum));
    return reaching.filter((size) => size !== undefined);
  });
  const reach = Math.max(maximum, ...above);
  const tokens = tokenCosts(reach);
  if (source === null) return { name: 'tokens', unit: 'tokens', tokens: tokens.costs, time: tokens.costs, raised: 0 };
  const table = await readCosts(source, maximum, signal);
  const time = new Float64Array(reach + 1).fill(table.costs[maximum]);
  time.set(table.costs);
  if (reach > maximum) {
    try {
      time.set((await readCosts(source, reach, signal)).costs);
    } catch (error) {
      if (!(error instanceof LockstepError && error.code === 'ERR_INPUT_INVALID')) throw error;
    }
  }
  return { name: table.name, unit: table.unit, tokens: tokens.costs, time, raised: table.raised.length };
}
