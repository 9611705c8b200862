import { checkArguments, checkHas, checkList, checkOptions } from '../checks.js';
import type { EngineLimits } from '../engines/index.js';
import { type CaptureKey, holds, keyKind, runsDecodes } from '../keys/index.js';
import { ascending } from '../numbers.js';
import { LOCKSTEP_POLICY, leastTokensOn, NO_PADDING_LIMIT, type Policy } from '../policy/index.js';
import { type CaptureCost, captureOf } from '../workload/index.js';
import { decodeCounts } from './choices.js';
import { scoreLadder } from './ladder/ladder-score.js';
import type { CountedSteps } from './read-steps.js';
import { scoreRuns, type TableRules } from './vote-tables.js';

/** Decodes of consecutive numbers of requests that run alike. */
export interface DecodeRange {
  /** Requests of the first. */
  readonly from: number;
  /** Requests of the last. */
  readonly to: number;
  /** How they run: on a piecewise graph although there are full ones, or eager. */
  readonly run: 'piecewise' | 'eager';
}

/** What graphs hold, and what they miss, of the decodes that limits allow. Tokens throughout. */
export interface KeysAudit {
  /** Graphs of the plan. */
  readonly graphs: number;
  /** Device memory that they take, in bytes, by the cost of capturing. */
  readonly graphBytes: number;
  /** Seconds that capturing takes, by the same. */
  readonly captureSeconds: number;
  /** Decodes that a step can hold and no full graph does. */
  readonly uncovered: readonly DecodeRange[];
  /** Sizes of graphs that no step runs on. */
  readonly unreachable: readonly number[];
  /** Bytes that those take. */
  readonly wastedBytes: number;
  /** Seconds that capturing the unreachable ones takes. */
  readonly wastedSeconds: number;
  /** The decode that is padded most as a share of its tokens; null where none runs on a graph. */
  readonly worst: {
    /** Tokens of the decode. */
    readonly tokens: number;
    /** Tokens of the graph. */
    readonly size: number;
    /** Padding over the tokens of the decode. */
    readonly padding: number;
  } | null;
  /** Steps with a prefill run on graphs up to so many tokens; 0: none does. */
  readonly prefillsUpTo: number;
}

/** How the decodes of traffic run on the graphs. */
export interface TrafficAudit {
  /** Decodes that were counted. */
  readonly decodes: number;
  /** Decodes that run eager; they are in neither ratio. */
  readonly eagerSteps: number;
  /** Padding over real tokens, a step's size being the largest rank's. */
  readonly paddingRatio: number;
  /** Time lost to padding over the time of the real tokens, by the costs in use. */
  readonly timeRatio: number;
  /** Sizes that no decode of the traffic ran on. */
  readonly unused: readonly number[];
}

/** What of a policy says on which graphs decodes run. What is left out neither counts slots for decodes alone nor bounds padding. */
export type AuditedPolicy = Pick<Policy, 'mixedGraphs'> &
  Partial<Pick<Policy, 'mixedMatch' | 'maxPaddingFactor' | 'graphAgreement'>>;

/** What the graphs are and are not for under a policy, whatever the traffic. Decodes have `queryLen` tokens each. */
export function auditKeys(
  keys: readonly CaptureKey[],
  limits: EngineLimits,
  memory: CaptureCost,
  policy: AuditedPolicy = LOCKSTEP_POLICY,
): KeysAudit {
  checkArguments('auditKeys', {
    keys: [keys, 'objects'],
    limits: [limits, 'object', 'maxNumSeqs', 'maxNumBatchedTokens', 'queryLen'],
    memory: [memory, 'object', 'bytesPerGraph', 'secondsPerGraph'],
    policy: [policy, 'object'],
  });
  const { maxNumSeqs, maxNumBatchedTokens, queryLen } = limits;
  const requests = Math.min(maxNumSeqs, Math.floor(maxNumBatchedTokens / queryLen));
  const slotsAreOfDecodes = policy.mixedGraphs === 'decodes';
  const decode = sizesOf(keys, (key) => runsDecodes(key, policy));
  const piecewise = sizesOf(keys, (key) => keyKind(key) === 'piecewise');
  const mixed = sizesOf(keys, (key) => keyKind(key) === 'mixed');
  const fullSize = decodeSize(
    keys.filter((key) => runsDecodes(key, policy)),
    queryLen,
    policy,
  );
  const pieceSize = decodeSize(
    keys.filter((key) => keyKind(key) === 'piecewise'),
    queryLen,
    policy,
  );
  const uncovered: DecodeRange[] = [];
  const reached = new Set<number>();
  let worst: KeysAudit['worst'] = null;
  for (let count = 1; count <= requests; count++) {
    const tokens = count * queryLen;
    const full = fullSize(count);
    const size = full ?? pieceSize(count);
    if (full !== undefined) reached.add(full);
    if (size !== undefined) {
      const padding = (size - tokens) / tokens;
      if (worst === null || padding > worst.padding) worst = { tokens, size, padding };
    }
    // Graphs of the pieces alone are a choice: there, decodes on them are covered.
    if (full !== undefined || (size !== undefined && decode.length === 0)) continue;
    extend(uncovered, count, size === undefined ? 'eager' : 'piecewise');
  }
  const reachable = (sizes: readonly number[], most: number): number => sizes.find((size) => size >= most) ?? Infinity;
  const unreachable = keys.filter((key) => {
    const kind = keyKind(key);
    if (kind === 'decode') return !reached.has(key.tokens);
    if (kind === 'piecewise') return key.tokens > reachable(piecewise, maxNumBatchedTokens);
    // A slot holds a request of any length up to its own: the steps that run here have any number of tokens.
    return key.tokens > reachable(mixed, slotsAreOfDecodes ? requests * queryLen : maxNumBatchedTokens);
  });
  const whole = captureOf(
    memory,
    keys.map(({ tokens }) => tokens),
  );
  return {
    graphs: keys.length,
    graphBytes: whole.graphBytes,
    captureSeconds: whole.seconds,
    uncovered,
    unreachable: ascending(unreachable.map(({ tokens }) => tokens)),
    wastedBytes: unreachable.length * memory.bytesPerGraph,
    wastedSeconds: unreachable.length * memory.secondsPerGraph,
    worst,
    prefillsUpTo: Math.min(maxNumBatchedTokens, Math.max(0, ...piecewise, ...(slotsAreOfDecodes ? [] : mixed))),
  };
}

/** Tokens of the smallest of these graphs that so many decodes run on, as the rules decide: slots, their lengths and the padding factor count. */
function decodeSize(
  keys: readonly CaptureKey[],
  queryLen: number,
  { mixedMatch, maxPaddingFactor = NO_PADDING_LIMIT, graphAgreement }: AuditedPolicy,
): (requests: number) => number | undefined {
  const sorted = [...keys].sort((a, b) => a.tokens - b.tokens);
  const isBounded = graphAgreement === 'shape';
  return (requests) => {
    const tokens = requests * queryLen;
    const lengths = { maxQueryLen: queryLen, maxDecodeQueryLen: queryLen };
    const step = { tokens, prefillRequests: 0, decodeRequests: requests, requests, ...lengths };
    return sorted.find((key) => {
      const kind = keyKind(key);
      if (key.tokens < tokens || kind === 'decode') return key.tokens >= tokens;
      if (isBounded && tokens < leastTokensOn(key.tokens, maxPaddingFactor)) return false;
      return kind === 'piecewise' || holds(key, step, mixedMatch);
    })?.tokens;
  };
}

/** Sizes of the keys that pass, ascending. */
function sizesOf(keys: readonly CaptureKey[], passes: (key: CaptureKey) => boolean): number[] {
  return ascending(keys.filter(passes).map(({ tokens }) => tokens));
}

/** How decodes of these sizes run on the graphs under a policy. `counts` and costs are by tokens. */
export function auditTraffic(
  keys: readonly CaptureKey[],
  decodes: { readonly counts: Float64Array; readonly above: number },
  costs: { readonly tokens: Float64Array; readonly time: Float64Array },
  policy: Pick<Policy, 'mixedGraphs'> = LOCKSTEP_POLICY,
): TrafficAudit {
  checkArguments('auditTraffic', {
    keys: [keys, 'objects'],
    decodes: [decodes, 'object', 'counts', 'above'],
    costs: [costs, 'object', 'tokens', 'time'],
    policy: [policy, 'object'],
  });
  const { counts, above } = decodes;
  checkArguments('auditTraffic', {
    counts: [counts, 'list'],
    tokens: [costs.tokens, 'list'],
    time: [costs.time, 'list'],
  });
  const decode = sizesOf(keys, (key) => runsDecodes(key, policy));
  const piecewise = sizesOf(keys, (key) => keyKind(key) === 'piecewise');
  const ladder = [...decode, ...piecewise.filter((size) => size > (decode.at(-1) ?? 0))];
  const used = new Set<number>();
  let steps = above;
  for (const [tokens, count] of counts.entries()) {
    if (count === 0) continue;
    steps += count;
    const size = ladder.find((one) => one >= tokens);
    if (size !== undefined) used.add(size);
  }
  const within = ladder.filter((size) => size < costs.tokens.length);
  const score = scoreLadder(counts, costs.tokens, within);
  return {
    decodes: steps,
    eagerSteps: score.eagerSteps + above,
    paddingRatio: score.ratio,
    timeRatio: scoreLadder(counts, costs.time, within).ratio,
    unused: decode.filter((size) => !used.has(size)),
  };
}

/**
 * The same of steps that were counted: by the policy's rules where it is known what the ranks held, so that shortened decodes and micro-batches count as
 * they run, else by their sizes. Errors: ERR_CONFIG_INVALID, ERR_PLAN_CAPACITY.
 */
export async function auditSteps(
  steps: CountedSteps,
  costs: { readonly tokens: Float64Array; readonly time: Float64Array },
  rules: TableRules,
): Promise<TrafficAudit> {
  checkHas('the steps of an audit', steps, ['whole']);
  checkHas('costs', costs, ['tokens', 'time']);
  checkOptions('the rules of an audit', rules, ['keys', 'policy', 'queryLen']);
  checkList('keys', rules.keys);
  const { keys, policy } = rules;
  if (steps.tables === undefined) {
    return auditTraffic(keys, decodeCounts(steps.whole, costs.tokens.length - 1), costs, policy);
  }
  const { tables, counts } = steps.tables;
  const runs = await tables.run(counts, rules);
  const used = new Set<number>();
  let decodes = 0;
  for (const [number, run] of runs.entries()) {
    if (run === null || !run.decode) continue;
    decodes += counts[number];
    if (!run.eager) used.add(run.size);
  }
  const { ratio, eagerSteps } = scoreRuns(runs, counts, costs.tokens, false);
  const sizes = sizesOf(keys, (key) => runsDecodes(key, policy));
  return {
    decodes,
    eagerSteps,
    paddingRatio: ratio,
    timeRatio: scoreRuns(runs, counts, costs.time, false).ratio,
    unused: sizes.filter((size) => !used.has(size)),
  };
}

function extend(ranges: DecodeRange[], count: number, run: DecodeRange['run']): void {
  const last = ranges.at(-1);
  if (last !== undefined && last.to === count - 1 && last.run === run)
    ranges[ranges.length - 1] = { ...last, to: count };
  else ranges.push({ from: count, to: count, run });
}
