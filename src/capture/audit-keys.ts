import { checkArguments, checkHas, checkList, checkOptions } from '../checks.js';
import { type CaptureKey, holds, keyKind, runsDecodes } from '../keys/index.js';
import { ascending } from '../numbers.js';
import { LOCKSTEP_POLICY, leastTokensOn, type Policy, padsDecodes } from '../policy/index.js';
import { type CaptureCost, captureOf } from '../workload/index.js';
import { decodeCounts } from './choices.js';
import { type DecodeLimits, decodesWithin } from './decodes-within.js';
import type { CountedSteps } from './read-steps.js';
import { type CountedTables, scoreRuns, type TableRules } from './vote-tables.js';

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
  /** The same graphs with the tokens of a request, 0 where a request may have any: graphs of one size can differ in those. */
  readonly unreachableGraphs: readonly { readonly tokens: number; readonly queryLen: number }[];
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

/** The choices of a policy that say which graphs steps of decodes run on. What is left out neither counts slots for decodes alone nor bounds padding. */
export type AuditedPolicy = Pick<Policy, 'mixedGraphs'> &
  Partial<Pick<Policy, 'decodeMatch' | 'graphAgreement' | 'maxPaddingFactor' | 'mixedMatch'>>;

/**
 * What the graphs are and are not for under a policy, whatever the traffic. Decodes have as many tokens as `decodesWithin` says: `queryLen`, or 1 and the
 * drafts of their number.
 */
export function auditKeys(
  keys: readonly CaptureKey[],
  limits: DecodeLimits,
  memory: CaptureCost,
  policy: AuditedPolicy = LOCKSTEP_POLICY,
): KeysAudit {
  checkArguments('auditKeys', {
    keys: [keys, 'objects'],
    limits: [limits, 'object', 'maxNumSeqs', 'maxNumBatchedTokens', 'queryLen'],
    memory: [memory, 'object', 'bytesPerGraph', 'secondsPerGraph'],
    policy: [policy, 'object'],
  });
  const { maxNumBatchedTokens } = limits;
  const decodes = decodesWithin(limits);
  const largest = decodes.reduce((most, { tokens }) => Math.max(most, tokens), 0);
  const slotsAreOfDecodes = policy.mixedGraphs === 'decodes';
  const { full, pieces, decode, piecewise } = decodeSizesOf(keys, policy);
  const mixed = sizesOf(keys, (key) => keyKind(key) === 'mixed');
  const uncovered: DecodeRange[] = [];
  const reached = new Set<string>();
  let worst: KeysAudit['worst'] = null;
  for (const { requests: count, queryLen, tokens } of decodes) {
    const own = full(tokens, { requests: count, queryLen });
    const size = own?.tokens ?? pieces(tokens);
    if (own !== undefined) reached.add(shapeOf(own));
    if (size !== undefined) {
      const padding = (size - tokens) / tokens;
      if (worst === null || padding > worst.padding) worst = { tokens, size, padding };
    }
    // Graphs of the pieces alone are a choice: there, decodes on them are covered.
    if (own !== undefined || (size !== undefined && decode.length === 0)) continue;
    extend(uncovered, count, size === undefined ? 'eager' : 'piecewise');
  }
  const reachable = (sizes: readonly number[], most: number): number => sizes.find((size) => size >= most) ?? Infinity;
  const unreachable = keys.filter((key) => {
    const kind = keyKind(key);
    if (kind === 'decode') return !reached.has(shapeOf(key));
    if (kind === 'piecewise') return key.tokens > reachable(piecewise, maxNumBatchedTokens);
    // A slot holds a request of any length up to its own: the steps that run here have any number of tokens.
    return key.tokens > reachable(mixed, slotsAreOfDecodes ? largest : maxNumBatchedTokens);
  });
  unreachable.sort((a, b) => a.tokens - b.tokens || a.queryLen - b.queryLen);
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
    unreachableGraphs: [
      ...new Map(unreachable.map((key) => [shapeOf(key), { tokens: key.tokens, queryLen: key.queryLen }])).values(),
    ],
    wastedBytes: unreachable.length * memory.bytesPerGraph,
    wastedSeconds: unreachable.length * memory.secondsPerGraph,
    worst,
    prefillsUpTo: Math.min(maxNumBatchedTokens, Math.max(0, ...piecewise, ...(slotsAreOfDecodes ? [] : mixed))),
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
  policy: AuditedPolicy = LOCKSTEP_POLICY,
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
  const { full, pieces, decode } = decodeSizesOf(keys, policy);
  const used = new Set<number>();
  let [steps, eagerSteps] = [above, above];
  const score = (cost: Float64Array): number => {
    let [exact, padding] = [0, 0];
    for (const [tokens, count] of counts.entries()) {
      const size = count === 0 ? undefined : (full(tokens)?.tokens ?? pieces(tokens));
      if (size === undefined) continue;
      exact += count * cost[tokens];
      // A graph may have more tokens than any decode: costs end there.
      padding += count * (cost[Math.min(size, cost.length - 1)] - cost[tokens]);
    }
    return padding > 0 ? padding / exact : 0;
  };
  for (const [tokens, count] of counts.entries()) {
    if (count === 0) continue;
    steps += count;
    const size = full(tokens)?.tokens ?? pieces(tokens);
    if (size === undefined) eagerSteps += count;
    else used.add(size);
  }
  return {
    decodes: steps,
    eagerSteps,
    paddingRatio: score(costs.tokens),
    timeRatio: score(costs.time),
    unused: decode.filter((size) => !used.has(size)),
  };
}

/** A graph that decodes run on, by what tells it from others: tokens, and those of a request, of which graphs with slots for any length have none. */
interface DecodeGraph {
  readonly tokens: number;
  readonly queryLen: number;
}

function shapeOf({ tokens, queryLen }: DecodeGraph): string {
  return `${tokens} of ${queryLen}`;
}

/**
 * Sizes that decodes run on, ascending, and which graph those of so many tokens run on, as the rules decide: exact sizes, the padding factor and, where
 * the number of requests and their length is known, lengths of graphs, slots and their lengths count.
 */
function decodeSizesOf(
  keys: readonly CaptureKey[],
  policy: AuditedPolicy,
): {
  readonly decode: readonly number[];
  readonly piecewise: readonly number[];
  readonly full: (
    tokens: number,
    of?: { readonly requests: number; readonly queryLen: number },
  ) => DecodeGraph | undefined;
  readonly pieces: (tokens: number) => number | undefined;
} {
  const own = keys.filter((key) => keyKind(key) === 'decode').sort((a, b) => a.tokens - b.tokens);
  const ofLength = new Map(
    ascending(own.map(({ queryLen }) => queryLen)).map((length) => [length, [] as CaptureKey[]]),
  );
  for (const key of own) ofLength.get(key.queryLen)?.push(key);
  const lengths = [...ofLength.keys()];
  const slots = keys.filter((key) => keyKind(key) !== 'decode' && runsDecodes(key, policy));
  slots.sort((a, b) => a.tokens - b.tokens);
  const piecewise = sizesOf(keys, (key) => keyKind(key) === 'piecewise');
  // Only graphs that any step may run on pad no further than the policy says.
  const { graphAgreement, mixedMatch, decodeMatch = 'padded', maxPaddingFactor = Infinity } = policy;
  const factor = graphAgreement === 'shape' ? maxPaddingFactor : Infinity;
  const fits = (size: number, tokens: number): boolean => size >= tokens && tokens >= leastTokensOn(size, factor);
  const slotted = (key: CaptureKey, tokens: number, requests: number): boolean => {
    const length = tokens / requests;
    const held = { maxQueryLen: length, maxDecodeQueryLen: length };
    return holds(key, { tokens, prefillRequests: 0, decodeRequests: requests, requests, ...held }, mixedMatch);
  };
  const pads = padsDecodes(policy);
  const full = (
    tokens: number,
    of?: { readonly requests: number; readonly queryLen: number },
  ): DecodeGraph | undefined => {
    // Decodes that may be padded run on graphs of the next length, others on those of their own.
    const length =
      decodeMatch === 'padded' ? lengths.find((one) => of !== undefined && one >= of.queryLen) : of?.queryLen;
    const needed = of === undefined ? tokens : of.requests * (length ?? 0);
    const graphs = of === undefined ? own : (ofLength.get(length ?? 0) ?? []);
    const plain = graphs.find((key) => (pads ? key.tokens >= needed : key.tokens === needed));
    const slot = slots.find(
      (key) => fits(key.tokens, tokens) && (of === undefined || slotted(key, tokens, of.requests)),
    );
    return plain === undefined || (slot !== undefined && slot.tokens < plain.tokens) ? slot : plain;
  };
  const pieces = (tokens: number): number | undefined => piecewise.find((size) => fits(size, tokens));
  return { decode: ascending([...own, ...slots].map(({ tokens }) => tokens)), piecewise, full, pieces };
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

/**
 * Decodes of steps whose votes are known, by the tokens of the largest rank as a graph has to hold them: with drafts by batch size those of each length.
 * `counts` is f64[largest + 1]. Errors: those of `auditSteps`.
 */
export async function countDecodes(tables: CountedTables, rules: TableRules, largest: number): Promise<Float64Array> {
  const sizes = new Float64Array(largest + 1);
  for (const [number, run] of (await tables.tables.run(tables.counts, rules)).entries()) {
    if (run?.decode) sizes[Math.min(run.exact, largest)] += tables.counts[number];
  }
  return sizes;
}

function extend(ranges: DecodeRange[], count: number, run: DecodeRange['run']): void {
  const last = ranges.at(-1);
  if (last !== undefined && last.to === count - 1 && last.run === run)
    ranges[ranges.length - 1] = { ...last, to: count };
  else ranges.push({ from: count, to: count, run });
}
