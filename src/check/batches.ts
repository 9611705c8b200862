import type { ScheduledChunk } from '../batch/index.js';
import type { Limits } from '../config.js';
import { type CaptureKey, keyKind, runsDecodes } from '../keys/index.js';
import { ascending } from '../numbers.js';
import { type CheckedPolicy, ubatchMinRequests } from '../policy/index.js';
import { countOf } from '../text.js';

/** What one rank may have scheduled. */
export interface Batch {
  readonly chunks: readonly ScheduledChunk[];
  /** "8 decodes of 2 tokens", "idle", … */
  readonly label: string;
}

/** What bounds batches, and the sizes at which the rules may decide differently. */
export interface BatchSpace {
  readonly limits: Limits;
  readonly policy: CheckedPolicy;
  readonly keys: readonly CaptureKey[];
}

/** No request at all. */
export const IDLE: Batch = Object.freeze({ chunks: Object.freeze([]), label: 'idle' });

/** Batches at, below and above each graph, threshold and limit: decodes, then those with a prefill. No two have one label. */
export function batchesOf(space: BatchSpace): Batch[] {
  return [...decodeBatches(space), ...prefillBatches(space)];
}

/** The smallest, a middle and the largest batch of each phase, and the first at each threshold for micro-batches. */
export function representatives(batches: readonly Batch[], policy: CheckedPolicy): Batch[] {
  const phases = new Map<string, Batch[]>();
  for (const batch of batches) {
    const phase = [...new Set(batch.chunks.map((chunk) => chunk.phase))].sort().join();
    phases.set(phase, [...(phases.get(phase) ?? []), batch]);
  }
  return [...phases].flatMap(([phase, all]) => {
    const kind = phase === 'decode' ? 'decode' : 'prefill';
    const leastRequests = kind === 'decode' ? ubatchMinRequests(policy) : 1;
    const atThresholds = thresholds(policy, kind).map((tokens) =>
      all.find((batch) => tokensOf(batch) >= tokens && batch.chunks.length >= leastRequests),
    );
    const chosen = [all[0], all[Math.floor(all.length / 2)], all[all.length - 1], ...atThresholds];
    return [...new Set(chosen.filter((batch) => batch !== undefined))];
  });
}

/** Whether a batch of decodes fills every slot of a key. */
export function fills({ chunks }: Batch, key: CaptureKey): boolean {
  if (chunks.length !== key.decodeRequests) return false;
  return chunks.every(({ phase, queryLen }) => phase === 'decode' && queryLen === key.queryLen);
}

/** Decodes of one token, and of each query length that graphs have; then those that fill graphs in which decodes may have any length. */
function decodeBatches(space: BatchSpace): Batch[] {
  const lengths = [1, space.limits.queryLen, ...decodeKeys(space).map((key) => key.queryLen)];
  const alike = ascending(lengths).flatMap((length) =>
    decodeCounts(space, length).flatMap((count) => decodesOf(count, length)),
  );
  const batches = [...alike, ...slotKeys(space).flatMap((key) => fillingBatches(space, key))];
  return [...new Map(batches.map((batch) => [batch.label, batch])).values()];
}

/** As few decodes as have the tokens of a key, one fewer and one more: the last of them has what is left. */
function fillingBatches({ limits }: BatchSpace, { tokens, maxQueryLen }: CaptureKey): Batch[] {
  const length = Math.min(limits.queryLen, maxQueryLen);
  return around([tokens], limits.maxNumBatchedTokens).flatMap((size) => {
    const whole = Math.floor(size / length);
    const rest = size % length;
    if (rest === 0 || whole + 1 > limits.maxNumSeqs) return [];
    const label = whole === 0 ? named(1, 'decode', rest) : `${named(whole + 1, 'decode', length)}, the last of ${rest}`;
    return [{ chunks: [...repeat(decode(length), whole), decode(rest)], label }];
  });
}

/** As many decodes of `length` tokens as each graph, threshold and limit allows, one fewer and one more. */
function decodeCounts(space: BatchSpace, length: number): number[] {
  const { limits, policy, keys } = space;
  const most = Math.min(limits.maxNumSeqs, Math.floor(limits.maxNumBatchedTokens / length));
  const marks = [
    1,
    most,
    ubatchMinRequests(policy),
    ...thresholds(policy, 'decode').map((tokens) => Math.ceil(tokens / length)),
    ...decodeKeys(space).map((key) => key.decodeRequests),
    ...slotKeys(space).map((key) => key.prefillRequests + key.decodeRequests),
    ...[...slotKeys(space), ...keys.filter((key) => keyKind(key) === 'piecewise')].map((key) =>
      Math.floor(key.tokens / length),
    ),
  ];
  return around(marks, most);
}

/** `count` whole decodes, and the same with the last one's drafts missing. */
function decodesOf(count: number, length: number): Batch[] {
  const whole: Batch = { chunks: repeat(decode(length), count), label: named(count, 'decode', length) };
  if (length === 1 || count === 1) return [whole];
  const short: Batch = {
    chunks: [...repeat(decode(length), count - 1), decode(1)],
    label: `${whole.label}, the last of 1`,
  };
  return [whole, short];
}

/** Requests of a batch with prefills. */
interface PrefillShape {
  readonly prefills: number;
  readonly decodes: number;
  /** Tokens of each of the decodes. */
  readonly queryLen: number;
}

/** Each number of prefills, alone and beside decodes, at each size. */
function prefillBatches(space: BatchSpace): Batch[] {
  const batches = new Map<string, Batch>();
  for (const shape of prefillShapes(space)) {
    for (const tokens of prefillSizes(space, shape)) {
      const batch = prefillBatch(shape, tokens);
      if (tokensOf(batch) <= space.limits.maxNumBatchedTokens) batches.set(batch.label, batch);
    }
  }
  return [...batches.values()];
}

/** As many prefills as graphs have slots, one fewer and one more; with no decode, one, and as many as there are slots. */
function prefillShapes(space: BatchSpace): PrefillShape[] {
  const { maxNumSeqs, queryLen } = space.limits;
  const keys = wideKeys(space);
  const counts = around([1, ...keys.map((key) => key.prefillRequests)], maxNumSeqs);
  const beside = new Set([0, 1, ...keys.map((key) => key.decodeRequests)]);
  // Decodes with more and with fewer tokens than a slot has.
  const lengths = new Set([queryLen, ...keys.filter((key) => key.decodeRequests > 0).map((key) => key.queryLen)]);
  return counts.flatMap((prefills) =>
    [...beside]
      .filter((decodes) => prefills + decodes <= maxNumSeqs)
      .flatMap((decodes) =>
        (decodes === 0 ? [queryLen] : [...lengths]).map((length) => ({ prefills, decodes, queryLen: length })),
      ),
  );
}

/** Tokens of the batches of a shape: for a single prefill every count that can matter, else one at each graph and threshold. */
function prefillSizes(space: BatchSpace, { prefills, decodes }: PrefillShape): number[] {
  const { limits, policy } = space;
  const keys = wideKeys(space);
  const sizes = [...thresholds(policy, 'prefill'), ...keys.map((key) => key.tokens), limits.maxNumBatchedTokens];
  if (prefills > 1 || decodes > 0) return sizes;
  // Counts around the point at which padding up to a key exceeds the factor.
  const factors = keys.map((key) => Math.ceil(key.tokens / policy.maxPaddingFactor));
  return around([1, ...sizes, ...factors], limits.maxNumBatchedTokens);
}

/** A batch of a shape with `tokens` tokens, or the few more that its requests need. The last prefill has all tokens but one of each other request. */
function prefillBatch({ prefills, decodes, queryLen }: PrefillShape, tokens: number): Batch {
  const own = Math.max(tokens - decodes * queryLen, prefills);
  const beside = decodes > 0 ? ` and ${named(decodes, 'decode', queryLen)}` : '';
  return {
    chunks: [...repeat(decode(queryLen), decodes), ...repeat(prefill(1), prefills - 1), prefill(own - (prefills - 1))],
    label: `${named(prefills, 'prefill', own)}${prefills > 1 ? ' together' : ''}${beside}`,
  };
}

/** Least tokens with which a rank wants micro-batches, after a plain step and after one in micro-batches. */
function thresholds(policy: CheckedPolicy, kind: 'decode' | 'prefill'): [plain: number, held: number] {
  const least = kind === 'decode' ? policy.ubatchThresholdDecode : policy.ubatchThresholdPrefill;
  return [least, least - policy.ubatchHysteresis];
}

function decodeKeys({ keys }: BatchSpace): CaptureKey[] {
  return keys.filter((key) => keyKind(key) === 'decode');
}

/** Keys whose prefill slots hold decodes by themselves under the policy. */
function slotKeys({ keys, policy }: BatchSpace): CaptureKey[] {
  return keys.filter((key) => keyKind(key) === 'mixed' && runsDecodes(key, policy));
}

/** Keys that hold prefills. */
function wideKeys({ keys }: BatchSpace): CaptureKey[] {
  return keys.filter((key) => keyKind(key) !== 'decode');
}

function tokensOf({ chunks }: Batch): number {
  return chunks.reduce((sum, { queryLen }) => sum + queryLen, 0);
}

/** Each value with its neighbours, from 1 to `most`. */
function around(values: readonly number[], most: number): number[] {
  const near = values.flatMap((value) => [value - 1, value, value + 1]);
  return ascending(near.filter((value) => value >= 1 && value <= most));
}

/** "3 decodes of 2 tokens". */
function named(count: number, noun: string, tokens: number): string {
  return `${countOf(count, noun)} of ${countOf(tokens, 'token')}`;
}

function decode(queryLen: number): ScheduledChunk {
  return { phase: 'decode', queryLen };
}

function prefill(queryLen: number): ScheduledChunk {
  return { phase: 'prefill', queryLen, lastChunk: true };
}

function repeat(chunk: ScheduledChunk, times: number): ScheduledChunk[] {
  return Array.from({ length: times }, () => chunk);
}
