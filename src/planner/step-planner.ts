/// <reference lib="esnext.disposable" preserve="true" />
import {
  checkIntent,
  checkTable,
  controlOf,
  countOf,
  DecisionView,
  type KeyCandidate,
  keyCandidates,
  NO_INTENT,
  ownRowRefusal,
  tableRefusal,
  type VoteIntent,
  vetoOf,
} from '../agreement/index.js';
import { type ForwardBatch, PlannerMemory, type Requests } from '../batch/index.js';
import { checkArguments } from '../checks.js';
import { completeLimits, type Limits } from '../config.js';
import { LockstepError, shown } from '../errors.js';
import { type CapturePlan, checkPlan } from '../keys/index.js';
import { ENUMS, nameOf, PADDING_RECORDS, STATE_WORDS, stagingOf, VOTE_WORDS, word } from '../layout/index.js';
import { loadModules, type MetadataExports, type PlannerModules, type RulesExports } from '../memory/index.js';
import { completePolicy, type Policy } from '../policy/index.js';
import { DevicePort } from './device-port.js';
import {
  checkOptions,
  completeDeviceSupplied,
  completePlace,
  completeTensors,
  type PlannerOptions,
} from './planner-options.js';
import { StagingHolds } from './staging-holds.js';
import { checkOrder, type StepState } from './step-order.js';

const ROW_BYTES = 4 * VOTE_WORDS.length;
const RESOLVE_OK: number = ENUMS.RESOLVE.ok;

/** What a device needs of a planner. It is no part of the public interface. */
export let devicePort: (planner: StepPlanner) => DevicePort;

/** Builds a planner. Errors: ERR_CONFIG_INVALID (every fault at once), ERR_PLAN_CAPACITY. */
export async function createPlanner(options: PlannerOptions = {}): Promise<StepPlanner> {
  checkOptions(options);
  return new StepPlanner(await loadModules(options.wasm, options.simd), options);
}

/**
 * Plans one rank's steps: `requests` edits, then `vote()`, an all-gather of the rows by the caller, `resolve(table)` and
 * `build(decision)`. From vote to build the batch is frozen; whatever can refuse a step does so before the vote.
 */
export class StepPlanner {
  static {
    devicePort = (planner) => planner.#device;
  }

  /** The limits that it was made with, defaults filled in. */
  readonly limits: Limits;
  /** The policy that it was made with, defaults filled in. */
  readonly policy: Policy;
  /** This rank, from 0. */
  readonly rank: number;
  /** Number of ranks whose votes a table holds. */
  readonly ranks: number;
  /** Consecutive ranks that schedule the same batch. */
  readonly replicaSize: number;
  /** Adds, schedules, advances and removes requests. Every edit is refused between `vote` and `build` (`ERR_STATE_FROZEN`). */
  readonly requests: Requests;
  /** The current decision and forward batch, read in place. */
  readonly decision: DecisionView;
  /** This rank's counts, ranges and tensors of the step; written by `build`. */
  readonly local: ForwardBatch;
  /** int32[32], this rank's vote of the current step. */
  readonly row: Int32Array;
  /** int32[ranks, 32]: gather into it to avoid a copy. */
  readonly table: Int32Array;

  readonly #memory: PlannerMemory;
  readonly #previous: Int32Array;
  readonly #candidates: Int32Array;
  readonly #scheduled: Int32Array;
  readonly #holds = new StagingHolds();
  readonly #device: DevicePort;
  /** A copy of the vote: gathering into the table may change its row. */
  readonly #vote: Int32Array;
  readonly #rules: RulesExports;
  readonly #metadata: MetadataExports;
  readonly #offsets: {
    readonly table: number;
    readonly decision: number;
    readonly previous: number;
  };
  readonly #checked: boolean;
  readonly #ubatches: number;
  #plan: CapturePlan;
  #planHash = 0;
  #state: StepState = 'open';
  #step = 0;
  #hasPrevious = false;
  /** Hash of the decision built last under this plan; 0 before the first. Rows carry it, so that ranks that decided differently meet. */
  #decisionHash = 0;
  /** The plan that the last decision's key indices refer to. */
  #decidedPlan: CapturePlan | undefined;

  /** Made by `createPlanner`, which loads the modules. Errors: ERR_CONFIG_INVALID, ERR_PLAN_CAPACITY. */
  constructor(modules: PlannerModules, options: PlannerOptions) {
    checkArguments('StepPlanner', { modules: [modules, 'object', 'rules', 'metadata'], options: [options, 'object'] });
    this.limits = completeLimits(options.limits);
    this.policy = completePolicy(options.policy);
    this.#plan = options.plan ?? { keys: [] };
    const place = completePlace(options);
    this.rank = place.rank;
    this.ranks = place.ranks;
    this.replicaSize = place.replicaSize;
    checkPlan(this.#plan, this.limits, this.policy);
    this.#step = options.firstStep ?? 0;
    this.#checked = options.checked === true;
    this.#ubatches = this.policy.ubatches;
    const padding = options.padding ?? 'lockstep';
    const tensors = completeTensors(options.tensors);
    const deviceSupplied = completeDeviceSupplied(options.deviceSupplied);
    if (!Object.hasOwn(PADDING_RECORDS, padding)) {
      throw new LockstepError(
        'ERR_CONFIG_INVALID',
        `padding is ${shown(padding)}; it must be ${Object.keys(PADDING_RECORDS).join(', ')}`,
        { padding },
      );
    }
    const { limits, policy } = this;
    const memory = new PlannerMemory(modules, {
      limits,
      plan: this.#plan,
      policy,
      ...place,
      poison: options.poison === true,
      checked: this.#checked,
      padding,
      tensors,
      deviceSupplied,
    });
    this.#memory = memory;
    this.#install();
    this.decision = new DecisionView(memory.words('decision'));
    this.#previous = memory.words('previous');
    this.#vote = memory.words('ownVote');
    this.#candidates = memory.words('candidates');
    this.#scheduled = memory.words('state');
    this.local = memory.forwardBatch();
    this.table = memory.words('votes');
    this.row = this.table.subarray(this.rank * VOTE_WORDS.length, (this.rank + 1) * VOTE_WORDS.length);
    this.#rules = memory.rules;
    this.#metadata = memory.metadata;
    this.#offsets = {
      table: this.table.byteOffset,
      decision: memory.offset('decision'),
      previous: memory.offset('previous'),
    };
    this.#device = new DevicePort(memory, this.#holds, (disposedOnly) => {
      if (!disposedOnly || this.#state === 'disposed') this.#check('open');
    });
    this.requests = memory.requests((reads) => {
      if (!reads || this.#state === 'disposed') this.#check('open');
    });
  }

  /** The graphs decisions may name: `DecisionView.captureKey` is an index into its keys. */
  get plan(): CapturePlan {
    return this.#plan;
  }

  /** Hash of the policy, the limits ranks share and the keys: equal on all ranks, or they refuse each other. */
  get planHash(): number {
    return this.#planHash;
  }

  /** Number of the step being planned, from `firstStep`: an int32 that wraps. */
  get step(): number {
    return this.#step;
  }

  /** Hash of the decision built last under this plan, which the next vote carries; 0 before the first. */
  get decisionHash(): number {
    return this.#decisionHash;
  }

  /** Whether the batch is frozen: a vote has been cast and its step is not built. */
  get frozen(): boolean {
    return this.#state === 'voted' || this.#state === 'resolved';
  }

  /** Tokens scheduled so far in this step. */
  get scheduledTokens(): number {
    return this.#scheduled[word(STATE_WORDS, 'tokens')];
  }

  /**
   * This rank's row for the current step: int32[32], sealed, valid until the next vote. Freezes the batch.
   * Errors: ERR_STAGING_BUSY (the step's staging set is still being copied), ERR_STATE_FROZEN, ERR_INPUT_INVALID,
   * ERR_BLOCK_CONFLICT (in the checked mode).
   */
  vote(intent: VoteIntent = NO_INTENT): Int32Array {
    this.#check('open');
    this.#holds.check(this.#step);
    let control: number = ENUMS.CONTROL.run;
    let fault = 0;
    let variant = 0;
    let graphVeto: number = ENUMS.VETO.none;
    let ubatchVeto: number = ENUMS.VETO.none;
    if (intent !== NO_INTENT) {
      checkIntent(intent);
      control = controlOf(intent);
      fault = countOf(intent, 'fault');
      variant = countOf(intent, 'variant');
      graphVeto = vetoOf(intent, 'graphVeto');
      ubatchVeto = vetoOf(intent, 'ubatchVeto');
    }
    if (this.#checked) this.requests.checkSharedBlocks();
    this.#metadata.gather_facts(this.#ubatches);
    const decided = this.#decisionHash;
    this.#rules.castVote(this.#step, this.#planHash, decided, control, fault, variant, graphVeto, ubatchVeto);
    this.#state = 'voted';
    return this.row;
  }

  /**
   * What all ranks do in this step, from all their rows: int32[ranks, 32] by rank. `previous` is the last decision
   * (the planner's own by default). A pure function: equal tables give equal decisions. Each row must be as its rank sealed it.
   * Errors: ERR_RANKS_DIVERGED and ERR_RANK_FAULT, on every rank with this table alike; the batch stays frozen until `abandon()`.
   */
  resolve(table: Int32Array, previous?: DecisionView | null): DecisionView {
    this.#check('voted');
    if (table !== this.table || previous !== undefined) {
      checkTable(table, previous, this.ranks);
      if (table !== this.table) this.table.set(table);
    }
    const from = previous === undefined ? this.#hasPrevious : previous !== null;
    if (previous) this.#previous.set(previous.words);
    const { table: votes, decision: to, previous: last } = this.#offsets;
    const status = this.#rules.resolveSealed(votes, this.ranks, from ? last : 0, to);
    if (status !== RESOLVE_OK) throw this.#refusal(status);
    this.#decidedPlan = this.#plan;
    this.#state = 'resolved';
    return this.decision;
  }

  /**
   * The verdict on every key of the plan in the last decision: only the key that runs is `chosen`, and each other key has the condition
   * that it failed. Valid from `resolve` until the next `resolve` or `keepKeys`. Errors: ERR_STEP_ORDER, ERR_DISPOSED.
   */
  candidates(): readonly KeyCandidate[] {
    if (this.#state === 'disposed') this.#check('resolved');
    if (this.#decidedPlan !== this.#plan) {
      throw new LockstepError(
        'ERR_STEP_ORDER',
        'candidates() describes the last decision: call it after resolve(), and not after keepKeys() until the next resolve()',
        { step: this.#step },
      );
    }
    this.#memory.rules.explainCandidates(this.decision.words.byteOffset);
    return keyCandidates(this.#candidates, this.#plan.keys.length);
  }

  /**
   * This rank's tensors and forward batch for the decision, in this step's staging set. Ends the step: the batch can
   * be edited again, and nothing is scheduled. After a resolve of the same step it refuses only a table whose row of this
   * rank is not its vote: ERR_RANKS_DIVERGED, and the batch stays frozen until `abandon()`.
   * Errors: that, ERR_STALE_VIEW, ERR_STEP_ORDER.
   */
  build(decision: DecisionView): ForwardBatch {
    this.#check('resolved');
    if (decision !== this.decision) {
      throw new LockstepError('ERR_STALE_VIEW', 'build() takes the decision that resolve() returned in this step', {
        step: this.#step,
      });
    }
    const hash = this.#rules.sizeHashed(this.#offsets.decision);
    if (hash === 0) throw ownRowRefusal(this.row, this.#vote, this.#step, this.rank);
    this.#decisionHash = hash;
    // It also keeps the decision where a later step that is abandoned does not overwrite it.
    this.#metadata.end_step(stagingOf(this.#step));
    this.#hasPrevious = true;
    this.#step = (this.#step + 1) | 0;
    this.#state = 'open';
    return this.local;
  }

  /**
   * Keeps only the keys at `indices` (those actually captured): they are renumbered in that order, and `planHash` changes with them. All ranks
   * call it between the same two steps.
   * Errors: ERR_STATE_FROZEN, ERR_INPUT_INVALID, ERR_CONFIG_INVALID (a key twice).
   */
  keepKeys(indices: readonly number[]): void {
    this.#check('open');
    if (!Array.isArray(indices)) {
      throw new LockstepError(
        'ERR_INPUT_INVALID',
        `The indices are ${shown(indices)}; they must be an array of key indices`,
      );
    }
    const keys = indices.map((index) => {
      const key = this.#plan.keys[index];
      if (key === undefined)
        throw new LockstepError('ERR_INPUT_INVALID', `The plan has no key ${index}: it has ${this.#plan.keys.length}`, {
          index,
        });
      return key;
    });
    const plan = Object.freeze({ keys: Object.freeze(keys) });
    checkPlan(plan, this.limits, this.policy);
    this.#plan = plan;
    const before = this.#planHash;
    this.#install();
    if (this.#planHash !== before) this.#decisionHash = 0;
  }

  /**
   * Takes the vote back, as long as no other rank has its row: what is scheduled stays, the batch can be edited again, and the same step can
   * be voted again. Errors: ERR_STEP_ORDER without a vote, or once it is resolved; ERR_DISPOSED.
   */
  retract(): void {
    this.#check('voted');
    this.#state = 'open';
  }

  /** Gives up the current step after an error: nothing is scheduled, and the batch can be edited again. */
  abandon(): void {
    if (this.#state === 'disposed') return;
    this.#memory.metadata.state_clear_schedule();
    this.#state = 'open';
  }

  /** Releases the planner; every later call throws ERR_DISPOSED. */
  dispose(): void {
    this.#state = 'disposed';
  }

  /** The same as `dispose()`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #refusal(status: number): LockstepError {
    const { table, ranks, limits, replicaSize } = this;
    const { table: votes } = this.#offsets;
    return tableRefusal(nameOf('RESOLVE', status), {
      table,
      ranks,
      step: this.#step,
      limits,
      replicaSize,
      brokenLimit: (rank) => this.#rules.brokenLimit(votes, rank),
      wordOutOfRange: (rank) => this.#rules.wordOutOfRange(votes + rank * ROW_BYTES),
      ranges: this.#memory.words('voteRanges'),
      sealOf: (rank) => this.#rules.sealOf(votes + rank * ROW_BYTES, rank),
      replicaOutlier: () => this.#rules.replicaOutlier(votes, ranks),
    });
  }

  #check(expected: 'open' | 'voted' | 'resolved'): void {
    if (this.#state !== expected) checkOrder(this.#state, expected, this.#step);
  }

  #install(): void {
    this.#planHash = this.#memory.installPlan(this.#plan);
  }
}
