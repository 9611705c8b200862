import { RawRules } from '../agreement/index.js';
import { completeLimits, Faults } from '../config.js';
import { DECISION_WORDS, decisionWords, MAX_CHECK_RANKS, PROPERTIES, word } from '../layout/index.js';
import { loadModules, type PlannerModules, type WasmSource } from '../memory/index.js';
import { captureStates, exploreCapture } from './capture-model.js';
import { type LocalState, localStates, type ReplicaState, replicaStates, STEP } from './domain.js';
import { checkWords, exploreRanks, type FoundViolation, tableCount } from './explore.js';
import type { Property } from './properties.js';
import type { CheckedPair } from './standard-domain.js';
import { stepTrace, type TraceLine } from './trace.js';

/** Options of `checkPolicy`. */
export interface CheckOptions {
  readonly pair: CheckedPair;
  /** Most ranks: every number of whole replicas up to them is explored. Default 2. */
  readonly ranks?: number;
  /**
   * Ranks of a replica, which hold one batch and differ in what each can do; divides `ranks`. Default 1: every rank has a batch
   * of its own.
   */
  readonly replicaSize?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: CheckProgress) => void;
  readonly wasm?: Partial<Record<keyof PlannerModules, WasmSource>>;
}

/** The progress of an exploration. */
export interface CheckProgress {
  readonly states: number;
  /** States of the whole domain. */
  readonly total: number;
}

/** The shortest counterexample of a property, with the fewest ranks. */
export interface Violation {
  readonly property: Property;
  readonly ranks: number;
  readonly trace: readonly TraceLine[];
}

/** What `lockstep check` found. */
export interface CheckReport {
  readonly policy: string;
  readonly ranks: number;
  readonly states: number;
  readonly seconds: number;
  /** The whole domain was explored. */
  readonly complete: boolean;
  readonly properties: readonly Property[];
  readonly violations: readonly Violation[];
  /** What was explored. */
  readonly domain: {
    readonly replicaSize: number;
    /** States of one replica; where that is one rank, its local states. */
    readonly localStates: number;
    readonly keys: number;
    readonly maxNumSeqs: number;
    readonly maxNumBatchedTokens: number;
    readonly queryLen: number;
    readonly ubatches: number;
    readonly thresholds: readonly [number, number];
    readonly hysteresis: boolean;
  };
}

/**
 * Explores every state of up to `ranks` ranks: the capture of every key with and without room for it, and every table of votes
 * that the states of the replicas can make. A rule without memory takes any step from any state, so that one step from each covers
 * all sequences of steps; with hysteresis each is also taken after a step in micro-batches. It continues after a violation, and reports
 * the first of each property, which has the fewest ranks. Errors: ERR_CONFIG_INVALID. Aborted, it reports what it has seen.
 */
export async function checkPolicy(options: CheckOptions): Promise<CheckReport> {
  const { pair, ranks = 2, replicaSize = 1, signal, onProgress } = options;
  const faults = new Faults();
  if (faults.integer('ranks', ranks, 1, MAX_CHECK_RANKS) && faults.integer('replicaSize', replicaSize, 1, ranks)) {
    faults.check(ranks % replicaSize === 0, `replicaSize is ${replicaSize}; it must divide ranks (${ranks})`);
  }
  faults.throwIfAny('This check');
  const start = performance.now();
  const modules = await loadModules(options.wasm);
  const found = new Map<Property, Violation>();
  const reached = new Set<number>();
  const hysteresis = pair.policy.ubatchHysteresis > 0;
  const passes = hysteresis ? 2 : 1;
  let states = 0;
  let complete = true;
  let localCount = 0;
  for (let size = replicaSize; size <= ranks && complete; size += replicaSize) {
    const capture = exploreCapture(pair.plan.keys, pair.policy, size);
    states += capture.states;
    for (const { property, trace } of capture.violations) {
      if (!found.has(property)) found.set(property, { property, ranks: size, trace });
    }
    const { rules, replicas } = rulesOf(modules, pair, size, replicaSize);
    localCount = replicas.length;
    const total = statesUpTo({ ranks, replicaSize, localStates: localCount, keys: pair.plan.keys.length, passes });
    for (let pass = 0; pass < passes && complete; pass++) {
      const previous = pass === 0 ? undefined : ubatchedStep(rules);
      const before = states;
      const exploration = await exploreRanks(rules, replicas, {
        previous,
        signal,
        progress: (count) => onProgress?.({ states: before + count, total }),
      });
      states += exploration.states;
      complete &&= exploration.complete;
      for (const [index, hit] of exploration.reached.entries()) if (hit) reached.add(index);
      for (const violation of exploration.violations) {
        if (!found.has(violation.property)) found.set(violation.property, traced(rules, replicas, previous, violation));
      }
    }
  }
  if (complete) unreachable(pair, reached, found, ranks);
  return {
    policy: pair.policy.name,
    ranks,
    states,
    seconds: (performance.now() - start) / 1000,
    complete,
    properties: PROPERTIES,
    violations: PROPERTIES.flatMap((property) => found.get(property) ?? []),
    domain: {
      replicaSize,
      localStates: localCount,
      keys: pair.plan.keys.length,
      maxNumSeqs: pair.limits.maxNumSeqs,
      maxNumBatchedTokens: pair.limits.maxNumBatchedTokens,
      queryLen: pair.limits.queryLen,
      ubatches: pair.policy.ubatches,
      thresholds: [pair.policy.ubatchThresholdDecode, pair.policy.ubatchThresholdPrefill],
      hysteresis,
    },
  };
}

/** The factors of the number of states. */
interface DomainSize {
  readonly ranks: number;
  readonly replicaSize: number;
  /** States of one replica. */
  readonly localStates: number;
  readonly keys: number;
  /** Number of previous decisions in which each table is explored. */
  readonly passes: number;
}

/** States of the whole domain: every key's capture and every multiset of the replicas' states, for each number of replicas. */
function statesUpTo({ ranks, replicaSize, localStates, keys, passes }: DomainSize): number {
  let states = 0;
  for (let size = replicaSize; size <= ranks; size += replicaSize) {
    states += captureStates(keys, size) + passes * tableCount(localStates, size / replicaSize);
  }
  return states;
}

/** Rules for `ranks` ranks in replicas of `replicaSize`, with room for the states that these rules derive from the domain. */
export function rulesOf(
  modules: PlannerModules,
  pair: CheckedPair,
  ranks: number,
  replicaSize = 1,
): { rules: RawRules; local: LocalState[]; replicas: ReplicaState[] } {
  const { policy, plan } = pair;
  const { maxNumSeqs, maxNumBatchedTokens, queryLen } = pair.limits;
  // Blocks do not matter here: one block holds any request.
  const blockSize = maxNumBatchedTokens + 1;
  const limits = completeLimits({
    maxNumSeqs,
    maxNumBatchedTokens,
    queryLen,
    blockSize,
    maxModelLen: blockSize,
    numBlocks: maxNumSeqs + 1,
  });
  const options = { limits, policy, keys: plan.keys, ranks, replicaSize };
  const voting = new RawRules(modules, options);
  const local = localStates(voting);
  const replicas = replicaStates(voting, local, replicaSize);
  const words = checkWords(replicas.length * replicaSize, plan.keys.length);
  return { rules: new RawRules(modules, { ...options, checkWords: words }), local, replicas };
}

/** A decision of the step before that ran in micro-batches. */
function ubatchedStep(rules: RawRules): Int32Array<ArrayBuffer> {
  const words = rules.memory.words('previous').subarray(0, decisionWords(rules.ranks)).fill(0);
  words[word(DECISION_WORDS, 'step')] = STEP - 1;
  words[word(DECISION_WORDS, 'parts')] = rules.policy.ubatches;
  return words;
}

function traced(
  rules: RawRules,
  replicas: readonly ReplicaState[],
  previous: Int32Array<ArrayBuffer> | undefined,
  { property, states }: FoundViolation,
): Violation {
  const chosen = states.flatMap((index) => replicas[index]);
  return { property, ranks: rules.ranks, trace: stepTrace(rules, chosen, previous, property) };
}

/** P10: keys that no explored table runs on. */
function unreachable(
  pair: CheckedPair,
  reached: ReadonlySet<number>,
  found: Map<Property, Violation>,
  ranks: number,
): void {
  const lines = pair.plan.keys.flatMap((key, index): TraceLine[] => {
    if (reached.has(index)) return [];
    const parts = key.parts > 1 ? ` in ${key.parts} parts` : '';
    const shape = `${key.tokens} tokens, ${key.prefillRequests} prefill and ${key.decodeRequests} decode slots${parts}`;
    return [
      { phase: 'capture', rank: null, text: `capture key ${index} (${shape})` },
      {
        phase: 'end',
        rank: null,
        text: `no step of ${ranks === 1 ? 'one rank' : `up to ${ranks} ranks`} ever runs key ${index}`,
      },
    ];
  });
  if (lines.length > 0) found.set('P10', { property: 'P10', ranks, trace: lines });
}
