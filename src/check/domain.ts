import type { Limits } from '../config.js';
import { type CaptureKey, keyKind } from '../planner/capture-key.js';
import type { CapturePlan } from '../planner/capture-plan.js';
import { ENUMS, FACT_WORDS, VOTE_WORDS, word } from '../planner/layout.js';
import { type Policy, ubatchMinRequests } from '../planner/policy.js';
import type { RawIntent, RawRules } from '../planner/raw-rules.js';
import type { ScheduledChunk } from '../planner/requests.js';

/** One rank's state between two steps, as its vote tells it. */
export interface LocalState {
  /** int32[32]. */
  readonly row: Int32Array;
  /** "8 decodes of 2 tokens", "idle", … */
  readonly label: string;
}

interface Batch {
  readonly chunks: readonly ScheduledChunk[];
  readonly label: string;
}

/** Step of every vote, so that a decision may come before it. */
export const STEP = 1;

/**
 * The local states in which the rules can come to different ends: counts at, below and above each key and threshold, every phase,
 * idle, short drafts, vetoes, variants, faults, leaving. Facts come from the metadata module and votes from the rules, as in
 * a planner. States that vote alike are one. Idle first, then by tokens: the first violation found is a small one.
 */
export function localStates(rules: RawRules): LocalState[] {
  const { limits, policy, keys } = rules;
  const batches = [...decodeBatches(limits, keys, rules), ...prefillBatches(limits, keys, rules)];
  const some = sample(batches, policy);
  const states = new Map<string, LocalState>();
  const add = (batch: Batch, intent: RawIntent, note = ''): void => {
    const row = voteOf(rules, batch, intent);
    const id = row.join();
    if (!states.has(id)) states.set(id, { row, label: `${batch.label}${note}` });
  };
  const idle: Batch = { chunks: [], label: 'idle' };
  add(idle, {});
  add(idle, { control: ENUMS.CONTROL.leave }, ', wishes to leave');
  for (const batch of batches) add(batch, {});
  // Graphs of a variant serve what the plain ones do.
  const variants = new Set(keys.map(({ variant }) => variant));
  for (const variant of variants) for (const batch of batches) add(batch, { variant }, `, variant ${variant}`);
  const unknown = Math.max(0, ...variants) + 1;
  // What is said besides a batch matters alike for all batches of a kind: a few of each phase stand for them.
  for (const batch of [idle, ...some]) {
    add(batch, { graphVeto: ENUMS.VETO['embeddings-override'] }, ', vetoes graphs');
    if (policy.ubatches > 1) add(batch, { ubatchVeto: ENUMS.VETO['shared-block'] }, ', vetoes micro-batches');
  }
  // A veto of micro-batches is what runs the plain twin of each size, on one rank too.
  for (const batch of batches) {
    if (!keys.some((key) => key.parts > 1 && isFull(batch, key))) continue;
    add(batch, { ubatchVeto: ENUMS.VETO['shared-block'] }, ', vetoes micro-batches');
  }
  for (const batch of some) {
    add(batch, { variant: unknown }, `, variant ${unknown}`);
    add(batch, { control: ENUMS.CONTROL.leave }, ', wishes to leave');
  }
  add(idle, { control: ENUMS.CONTROL.fault, faultCode: 7 }, ', faulty');
  add(batches[0] ?? idle, { control: ENUMS.CONTROL.fault, faultCode: 7 }, ', faulty');
  const tokens = (state: LocalState): number => state.row[word(VOTE_WORDS, 'tokens')];
  return [...states.values()].sort((a, b) => tokens(a) - tokens(b));
}

/** Whether a batch of decodes fills every slot of a key. */
function isFull({ chunks }: Batch, key: CaptureKey): boolean {
  if (chunks.length !== key.decodeRequests) return false;
  return chunks.every(({ phase, queryLen }) => phase === 'decode' && queryLen === key.queryLen);
}

/** Of each phase the smallest, a middle and the largest batch, and the first at each threshold for micro-batches. */
function sample(batches: readonly Batch[], policy: Policy): Batch[] {
  const phases = new Map<string, Batch[]>();
  for (const batch of batches) {
    const phase = [...new Set(batch.chunks.map((chunk) => chunk.phase))].sort().join();
    phases.set(phase, [...(phases.get(phase) ?? []), batch]);
  }
  return [...phases].flatMap(([phase, all]) => {
    const decodes = phase === 'decode';
    const threshold = decodes ? policy.ubatchThresholdDecode : policy.ubatchThresholdPrefill;
    const requests = decodes ? ubatchMinRequests(policy) : 1;
    const at = [threshold, threshold - policy.ubatchHysteresis].map((least) =>
      all.find((batch) => tokensOf(batch) >= least && batch.chunks.length >= requests),
    );
    const chosen = [all[0], all[all.length >> 1], all[all.length - 1], ...at];
    return [...new Set(chosen.filter((batch) => batch !== undefined))];
  });
}

function tokensOf({ chunks }: Batch): number {
  return chunks.reduce((sum, { queryLen }) => sum + queryLen, 0);
}

function voteOf(rules: RawRules, batch: Batch, intent: RawIntent): Int32Array {
  const { metadata } = rules.memory;
  metadata.state_init();
  const requests = rules.memory.requests(() => {});
  for (const [index, chunk] of batch.chunks.entries()) {
    requests.schedule(requests.add({ blockIds: [index + 1] }), chunk);
  }
  metadata.gather_facts(rules.policy.ubatches);
  const facts = [...rules.memory.words('facts')];
  const named = Object.fromEntries(FACT_WORDS.map((name, index) => [name, facts[index]]));
  return rules.vote(0, named, { ...intent, step: STEP }).slice();
}

/** `value` and its neighbours, from 1 to `most`. */
function around(values: Iterable<number>, most: number): number[] {
  const found = new Set<number>();
  for (const value of values) for (const near of [value - 1, value, value + 1]) found.add(near);
  return [...found].filter((value) => value >= 1 && value <= most).sort((a, b) => a - b);
}

function decodeBatches(limits: Limits, keys: CapturePlan['keys'], { policy }: RawRules): Batch[] {
  const lengths = new Set([
    1,
    limits.queryLen,
    ...keys.filter((key) => keyKind(key) === 'decode').map((key) => key.queryLen),
  ]);
  const batches: Batch[] = [];
  for (const length of [...lengths].sort((a, b) => a - b)) {
    const limit = Math.min(limits.maxNumSeqs, Math.floor(limits.maxNumBatchedTokens / length));
    const thresholds = [policy.ubatchThresholdDecode, policy.ubatchThresholdDecode - policy.ubatchHysteresis];
    const marks = [
      1,
      limit,
      ubatchMinRequests(policy),
      ...thresholds.map((tokens) => Math.ceil(tokens / length)),
      ...keys.filter((key) => keyKind(key) === 'decode').map((key) => key.decodeRequests),
      ...keys.filter((key) => keyKind(key) === 'piecewise').map((key) => Math.floor(key.tokens / length)),
    ];
    for (const requests of around(marks, limit)) {
      batches.push({ chunks: repeat(decode(length), requests), label: named(requests, 'decode', length) });
      if (length === 1 || requests === 1) continue;
      const chunks = [...repeat(decode(length), requests - 1), decode(1)];
      batches.push({ chunks, label: `${named(requests, 'decode', length)}, the last of 1` });
    }
  }
  return batches;
}

function prefillBatches(limits: Limits, keys: CapturePlan['keys'], { policy }: RawRules): Batch[] {
  const { maxNumSeqs, maxNumBatchedTokens, queryLen } = limits;
  const wide = keys.filter((key) => keyKind(key) !== 'decode');
  const threshold = policy.ubatchThresholdPrefill;
  const sizes = [threshold, threshold - policy.ubatchHysteresis, ...wide.map((key) => key.tokens), maxNumBatchedTokens];
  // Where padding up to a key passes the factor.
  const factors = wide.map((key) => Math.ceil(key.tokens / policy.maxPaddingFactor));
  const prefills = around(wide.map((key) => key.prefillRequests).concat(1), maxNumSeqs);
  const decodes = new Set([0, 1, ...wide.map((key) => key.decodeRequests)]);
  // Decodes with more and with fewer tokens than a slot has.
  const lengths = new Set([queryLen, ...wide.filter((key) => key.decodeRequests > 0).map((key) => key.queryLen)]);
  const batches: Batch[] = [];
  const seen = new Set<string>();
  for (const count of prefills) {
    for (const beside of decodes) {
      if (count + beside > maxNumSeqs) continue;
      // The finest counts matter where only tokens do; with decodes beside, one size at each key is enough.
      const marks = count === 1 && beside === 0 ? around([1, ...sizes, ...factors], maxNumBatchedTokens) : sizes;
      for (const length of beside === 0 ? [queryLen] : lengths) {
        for (const size of marks) {
          const own = Math.max(size - beside * length, count);
          const label = `${named(count, 'prefill')} of ${own} ${own === 1 ? 'token' : 'tokens'}${count > 1 ? ' together' : ''}${beside > 0 ? ` and ${named(beside, 'decode', length)}` : ''}`;
          if (own + beside * length > maxNumBatchedTokens || seen.has(label)) continue;
          seen.add(label);
          const chunks = [
            ...repeat(decode(length), beside),
            ...repeat(prefill(1), count - 1),
            prefill(own - (count - 1)),
          ];
          batches.push({ chunks, label });
        }
      }
    }
  }
  return batches;
}

/** "3 decodes of 2 tokens", "1 prefill". */
function named(count: number, noun: string, tokens?: number): string {
  const each = tokens === undefined ? '' : ` of ${tokens} ${tokens === 1 ? 'token' : 'tokens'}`;
  return `${count} ${noun}${count === 1 ? '' : 's'}${each}`;
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
