import { checkHas, checkList } from '../checks.js';
import { ENGINE_NAMES, type EngineLimits, engineLadder, type LogTime } from '../engines/index.js';
import { LockstepError } from '../errors.js';
import { gcd, roundUp } from '../numbers.js';
import { type CostModel, type CostSource, readCosts, tokenCosts } from '../workload/index.js';

/** The cost of a step of each size, up to the largest graph considered. */
export interface PlanCosts {
  /** Name of the model, the table or the log that the costs are of. */
  readonly name: string;
  /** What `time` counts: `tokens` or `ms`. */
  readonly unit: CostModel['unit'];
  /** By size, entry 0 unused: its tokens. */
  readonly tokens: Float64Array;
  /** By size: what the cost model says. */
  readonly time: Float64Array;
  /** Sizes of the table that cost less than a smaller one, and were raised to it. */
  readonly raised: number;
}

/** Most tokens of a decode: as many requests as a step takes, each with `queryLen` tokens. */
export function largestDecode(limits: EngineLimits): number {
  checkHas('limits', limits, ['maxNumSeqs', 'maxNumBatchedTokens', 'queryLen']);
  const { maxNumSeqs, maxNumBatchedTokens, queryLen } = limits;
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
  checkHas('limits', limits, ['maxNumSeqs', 'maxNumBatchedTokens', 'queryLen']);
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

/** The name of costs that an engine's log told. */
export const LOG_TIMES = "the log's own times";

/**
 * The same costs with the times of an engine's log; null where it has none. Between two sizes the larger counts, as in a table; above the
 * largest, times go on along the line from the smallest to it. A size that took less than a smaller one is raised to it.
 */
export function costsOfLog(times: readonly LogTime[], costs: PlanCosts): PlanCosts | null {
  checkList('times', times);
  checkHas('costs', costs, ['tokens', 'time']);
  const measured = times
    .flatMap(({ tokens, ms }) => (ms === null ? [] : [{ tokens, ms }]))
    .sort((a, b) => a.tokens - b.tokens || a.ms - b.ms)
    .filter(({ tokens }, at, all) => tokens !== all[at - 1]?.tokens);
  const [first, last] = [measured[0], measured.at(-1)];
  if (first === undefined || last === undefined) return null;
  let raised = 0;
  let most = 0;
  const rising = measured.map(({ tokens, ms }) => {
    if (ms < most) raised++;
    most = Math.max(most, ms);
    return { tokens, ms: most };
  });
  const slope = last.tokens > first.tokens ? Math.max(0, (last.ms - first.ms) / (last.tokens - first.tokens)) : 0;
  let at = 0;
  const time = Float64Array.from(costs.tokens, (_, size) => {
    if (size === 0) return 0;
    while (at < rising.length && rising[at].tokens < size) at++;
    return at < rising.length ? rising[at].ms : most + slope * (size - last.tokens);
  });
  return { name: LOG_TIMES, unit: 'ms', tokens: costs.tokens, time, raised };
}
