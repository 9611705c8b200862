import { checkHas, checkOptions, Faults } from '../checks.js';
import { MAX_CHECK_RANKS, PROPERTIES } from '../layout/index.js';
import { loadModules, type PlannerModules, type WasmSource } from '../memory/index.js';
import { nextTurn } from '../timing.js';
import { captureStates, exploreCapture } from './capture-model.js';
import { CheckPool, defaultWorkers, hasWorkers } from './check-pool.js';
import { type CheckedRules, rulesOf } from './checked-rules.js';
import { exploreSlices, type SliceExplorer } from './explore.js';
import type { Property } from './properties.js';
import type { CheckedPair } from './standard-domain.js';
import { type FoundViolation, TableExplorer, ubatchedStep } from './table-explorer.js';
import { tableCount } from './tables.js';
import { stepTrace, type TraceLine } from './trace.js';

/** Most worker threads of one check. */
const MAX_WORKERS = 256;

/** Tables of a slice: enough that handing it to a worker costs nothing, and few enough that an interrupt is answered at once. */
const SLICE_TABLES = 1 << 16;

/** Options of `checkPolicy`. */
export interface CheckOptions {
  /** What is checked: a policy, a capture plan and limits. `standardDomain`, `planDomain` and `historicalPolicy(name).pair(…)` give one. */
  readonly pair: CheckedPair;
  /** Most ranks: every number of whole replicas up to them is explored. Default 2. */
  readonly ranks?: number;
  /**
   * Ranks of a replica, which hold one batch and differ in what each can do; divides `ranks`. Default 1: every rank has a batch
   * of its own.
   */
  readonly replicaSize?: number;
  /**
   * Threads that explore at once, 1 to 256; the report does not depend on how many. 1 explores in the calling thread, as does a
   * domain too small to share. Default: as many cores as this process may use, and 1 in a browser, which has no other choice.
   */
  readonly workers?: number;
  /** Ends the exploration; the report then has `complete` false. */
  readonly signal?: AbortSignal;
  /** Called now and then with what was explored so far. */
  readonly onProgress?: (progress: CheckProgress) => void;
  /** The modules, as for `createPlanner`. Default: the files beside the code. */
  readonly wasm?: Partial<Record<keyof PlannerModules, WasmSource>>;
}

/** The progress of an exploration. */
export interface CheckProgress {
  /** Tables of votes and captures explored. */
  readonly states: number;
  /** States of the whole domain. */
  readonly total: number;
}

/** The shortest counterexample of a property, with the fewest ranks. */
export interface Violation {
  /** The property that does not hold, such as `P2`. */
  readonly property: Property;
  /** Ranks of the counterexample. */
  readonly ranks: number;
  /** The counterexample, line by line; `traceText` prints it. */
  readonly trace: readonly TraceLine[];
}

/** What `lockstep check` found. */
export interface CheckReport {
  /** Name of the policy. */
  readonly policy: string;
  /** Most ranks that were explored. */
  readonly ranks: number;
  /** Tables of votes and captures explored. */
  readonly states: number;
  /** How long it took, in seconds. */
  readonly seconds: number;
  /** The whole domain was explored. */
  readonly complete: boolean;
  /** Properties that were checked. */
  readonly properties: readonly Property[];
  /** One counterexample for each property that does not hold; empty where all hold. */
  readonly violations: readonly Violation[];
  /** What was explored. */
  readonly domain: {
    /** Ranks of a replica, which schedule the same batch. */
    readonly replicaSize: number;
    /** States of one replica; where that is one rank, its local states. */
    readonly localStates: number;
    /** Graphs of the plan. */
    readonly keys: number;
    /** Most requests of a rank in a step. */
    readonly maxNumSeqs: number;
    /** Most tokens of a rank in a step. */
    readonly maxNumBatchedTokens: number;
    /** Tokens of a decode. */
    readonly queryLen: number;
    /** Micro-batches that a step may be cut into. */
    readonly ubatches: number;
    /** Least tokens with which a rank wants micro-batches: of a decode, and with a prefill. */
    readonly thresholds: readonly [number, number];
    /** Whether the step before matters, so that each step is taken after both kinds of it. */
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
  const own = ['ranks', 'replicaSize', 'workers', 'signal', 'onProgress', 'wasm'];
  checkOptions('the options of checkPolicy', options, ['pair'], own);
  checkHas('pair', options.pair, ['policy', 'plan', 'limits']);
  return checkInSlices(options, SLICE_TABLES);
}

/** The same in slices of `sliceTables` tables. */
export async function checkInSlices(options: CheckOptions, sliceTables: number): Promise<CheckReport> {
  const { pair, ranks = 2, replicaSize = 1, signal, onProgress } = options;
  const workers = options.workers ?? Math.min(defaultWorkers(), MAX_WORKERS);
  checkSizes(ranks, replicaSize, workers);
  const start = performance.now();
  const modules = await loadModules(options.wasm);
  await using pool = new CheckPool({ modules, pair, replicaSize });
  const found = new Map<Property, Violation>();
  const reached = new Set<number>();
  const hysteresis = pair.policy.ubatchHysteresis > 0;
  const pasts = hysteresis ? [false, true] : [false];
  let states = 0;
  let complete = true;
  let localCount = 0;
  for (let size = replicaSize; size <= ranks && complete; size += replicaSize) {
    const capture = exploreCapture(pair.plan.keys, pair.policy, size);
    states += capture.states;
    for (const { property, trace } of capture.violations) {
      if (!found.has(property)) found.set(property, { property, ranks: size, trace });
    }
    const checked = rulesOf(modules, pair, size, replicaSize);
    localCount = checked.replicas.length;
    const keys = pair.plan.keys.length;
    const total = statesUpTo({ ranks, replicaSize, localStates: localCount, keys, pasts: pasts.length });
    const explorer = new TableExplorer(checked.rules, checked.replicas);
    const { tables } = explorer;
    const shared = Math.min(workers, Math.ceil(tables / sliceTables));
    const explorers = shared > 1 ? pool.explorers(shared, size) : [inThisThread(explorer)];
    for (const afterUbatches of pasts) {
      if (!complete) break;
      const before = states;
      const progress = (count: number): void => onProgress?.({ states: before + count, total });
      const exploration = await exploreSlices(explorers, { tables, sliceTables, afterUbatches, signal, progress });
      states += exploration.states;
      complete &&= exploration.complete;
      for (const key of exploration.reached) reached.add(key);
      for (const violation of exploration.violations) {
        if (!found.has(violation.property)) found.set(violation.property, traced(checked, violation, afterUbatches));
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

/** Errors: ERR_CONFIG_INVALID. */
function checkSizes(ranks: number, replicaSize: number, workers: number): void {
  const faults = new Faults();
  if (faults.integer('ranks', ranks, 1, MAX_CHECK_RANKS) && faults.integer('replicaSize', replicaSize, 1, ranks)) {
    faults.check(ranks % replicaSize === 0, `replicaSize is ${replicaSize}; it must divide ranks (${ranks})`);
  }
  if (faults.integer('workers', workers, 1, MAX_WORKERS)) {
    faults.check(
      workers === 1 || hasWorkers(),
      `workers is ${workers}; it must be 1 where there are no worker threads`,
    );
  }
  faults.throwIfAny('This check');
}

/** Explores here, and yields to the event loop after each slice. */
function inThisThread(explorer: TableExplorer): SliceExplorer {
  return {
    explore: async (slice) => {
      const findings = explorer.explore(slice);
      await nextTurn();
      return findings;
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
  readonly pasts: number;
}

/** States of the whole domain: every key's capture and every multiset of the replicas' states, for each number of replicas. */
function statesUpTo({ ranks, replicaSize, localStates, keys, pasts }: DomainSize): number {
  let states = 0;
  for (let size = replicaSize; size <= ranks; size += replicaSize) {
    states += captureStates(keys, size) + pasts * tableCount(localStates, size / replicaSize);
  }
  return states;
}

function traced(
  { rules, replicas }: CheckedRules,
  { property, states }: FoundViolation,
  afterUbatches: boolean,
): Violation {
  const chosen = states.flatMap((index) => replicas[index]);
  const previous = afterUbatches ? ubatchedStep(rules) : undefined;
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
