import { completeLimits, type Limits } from '../config.js';
import { LockstepError } from '../errors.js';
import { type CaptureKey, type CapturePlan, checkPlan, keyWords } from './capture-plan.js';
import { DecisionView } from './decision.js';
import {
  CONFIG_BASE,
  ENUMS,
  LAYOUT_VERSION,
  LIMIT_WORDS,
  nameOf,
  type RegionName,
  STATE_WORDS,
  VOTE_WORDS,
  word,
} from './layout.js';
import { LocalPlan } from './local-plan.js';
import { type StagingSet, stagingSet } from './metadata.js';
import {
  allocate,
  instantiate,
  loadModules,
  type MetadataExports,
  type PlannerModules,
  type RulesExports,
  type WasmSource,
} from './modules.js';
import { completePolicy, type Policy, policyWords } from './policy.js';
import { planRegions, queryLenWords, type Region, type RegionTable } from './regions.js';
import { Requests } from './requests.js';

/** Options of `createPlanner`. */
export interface PlannerOptions {
  /** Limits; those left out take their defaults. */
  readonly limits?: Partial<Limits>;
  /** Graphs that are captured. Default none: every step runs eager. */
  readonly plan?: CapturePlan;
  /** Choices behind the decisions; those left out take their defaults. */
  readonly policy?: Partial<Policy>;
  /** This rank, and how many there are. Default 0 of 1. */
  readonly rank?: number;
  readonly ranks?: number;
  /** Where the two modules come from. Default: the `.wasm` files beside this code. */
  readonly wasm?: Partial<Record<keyof PlannerModules, WasmSource>>;
  /** Fill tensor memory with garbage first, so that a test sees every entry that is not written. Default false. */
  readonly poison?: boolean;
}

/** What a rank says besides its batch. */
export interface VoteIntent {
  /** Wish to end: agreed once every rank says so and none has work. */
  readonly leave?: boolean;
  /** This rank cannot run: every rank throws ERR_RANK_FAULT in this same step. */
  readonly fault?: number;
  /** Why this step must not run as a graph on any rank. */
  readonly graphVeto?: keyof typeof ENUMS.VETO;
  /** Why this step must not be cut into micro-batches on any rank. */
  readonly ubatchVeto?: keyof typeof ENUMS.VETO;
  /** Kernel variant (LoRA case …) of this rank's batch. */
  readonly variant?: number;
}

type State = 'open' | 'voted' | 'resolved' | 'disposed';

/** Builds a planner. Errors: ERR_CONFIG_INVALID (every fault at once), ERR_PLAN_CAPACITY. */
export async function createPlanner(options: PlannerOptions = {}): Promise<StepPlanner> {
  return new StepPlanner(await loadModules(options.wasm), options);
}

/**
 * Plans one rank's steps: `requests` edits, then `vote()`, an all-gather of the rows by the caller, `resolve(table)` and
 * `build(decision)`. From vote to build the batch is frozen; whatever can refuse a step does so before the vote.
 */
export class StepPlanner {
  readonly limits: Limits;
  readonly policy: Policy;
  readonly rank: number;
  readonly ranks: number;
  readonly requests: Requests;
  /** The current decision and local plan, read in place. */
  readonly decision: DecisionView;
  readonly local: LocalPlan;
  /** int32[32], this rank's vote of the current step. */
  readonly row: Int32Array;
  /** int32[ranks, 32]: gather into it to spare a copy. */
  readonly table: Int32Array;
  /** The whole memory as bytes: what the addon binds, and what `regions` locates. */
  readonly arena: Uint8Array;
  readonly regions: RegionTable;

  readonly #rules: RulesExports;
  readonly #metadata: MetadataExports;
  readonly #sets: readonly [StagingSet, StagingSet];
  readonly #previous: Int32Array;
  readonly #scheduled: Int32Array;
  readonly #held = [false, false];
  #plan: CapturePlan;
  #planHash = 0;
  #state: State = 'open';
  #step = 0;
  #hasPrevious = false;

  constructor(modules: PlannerModules, options: PlannerOptions) {
    this.limits = completeLimits(options.limits);
    this.policy = completePolicy(options.policy);
    this.#plan = options.plan ?? { keys: [] };
    this.rank = options.rank ?? 0;
    this.ranks = options.ranks ?? 1;
    if (
      !Number.isInteger(this.ranks) ||
      this.ranks < 1 ||
      this.ranks > 4096 ||
      !Number.isInteger(this.rank) ||
      this.rank < 0 ||
      this.rank >= this.ranks
    ) {
      throw new LockstepError(
        'ERR_CONFIG_INVALID',
        `rank ${this.rank} of ${this.ranks}: ranks run from 1 to 4096, and rank from 0 to ranks - 1`,
        { rank: this.rank, ranks: this.ranks },
      );
    }
    checkPlan(this.#plan, this.limits, this.policy);
    this.regions = planRegions(this.limits, this.#plan, this.policy, this.rank, this.ranks);
    const memory = allocate(this.regions.pages);
    this.arena = new Uint8Array(memory.buffer);
    if (options.poison === true) this.#poison();
    const config = new Int32Array(memory.buffer, CONFIG_BASE, this.regions.config.length);
    config.set(this.regions.config);
    config[word(LIMIT_WORDS, 'poisoned')] = options.poison === true ? 1 : 0;
    this.#words('policy').set(policyWords(this.policy));
    const { rules, metadata } = instantiate(modules, memory);
    this.#rules = rules;
    this.#metadata = metadata;
    metadata.state_init();
    this.#install();

    this.#sets = [stagingSet(memory.buffer, this.regions, 0), stagingSet(memory.buffer, this.regions, 1)];
    this.decision = new DecisionView(this.#words('decision'));
    this.#previous = this.#words('previous');
    this.#scheduled = this.#words('state');
    this.local = new LocalPlan(this.#words('local'), this.#sets, this.regions.sizes);
    this.table = this.#words('votes');
    this.row = this.table.subarray(this.rank * VOTE_WORDS.length, (this.rank + 1) * VOTE_WORDS.length);
    this.requests = new Requests(
      metadata,
      { inbox: this.#words('inbox'), error: this.#words('error'), rows: this.#words('rows') },
      () => this.#check('open'),
    );
  }

  /** The graphs decisions may name: `DecisionView.captureKey` is an index into its keys. */
  get plan(): CapturePlan {
    return this.#plan;
  }

  /** Hash of the policy, the limits ranks share and the keys: equal on all ranks, or they refuse each other. */
  get planHash(): number {
    return this.#planHash;
  }

  /** Number of the step being planned, from 0. */
  get step(): number {
    return this.#step;
  }

  /** Tokens scheduled so far in this step. */
  get scheduledTokens(): number {
    return this.#scheduled[word(STATE_WORDS, 'tokens')];
  }

  /**
   * This rank's row for the current step: int32[32], valid until the next vote. Freezes the batch.
   * Errors: ERR_STAGING_BUSY (the step's staging set is still being copied), ERR_STATE_FROZEN, ERR_INPUT_INVALID.
   */
  vote(intent: VoteIntent = {}): Int32Array {
    this.#check('open');
    if (this.#held[this.#step & 1]) {
      throw new LockstepError(
        'ERR_STAGING_BUSY',
        `Staging set ${this.#step & 1} is still being copied: release it when its upload has completed`,
        { step: this.#step, staging: this.#step & 1 },
      );
    }
    const { CONTROL } = ENUMS;
    const { graphVeto, ubatchVeto } = checkIntent(intent);
    const control = intent.fault !== undefined ? CONTROL.fault : intent.leave === true ? CONTROL.leave : CONTROL.run;
    this.#metadata.gather_facts(this.policy.ubatches);
    this.#rules.writeVote(
      this.row.byteOffset,
      this.#region('facts').offset,
      this.#step,
      this.planHash,
      control,
      intent.fault ?? 0,
      intent.variant ?? 0,
      graphVeto,
      ubatchVeto,
    );
    this.#state = 'voted';
    return this.row;
  }

  /**
   * What all ranks do in this step, from all their rows: int32[ranks, 32] by rank. `previous` is the last decision
   * (the planner's own by default). A pure function: equal tables give equal decisions.
   * Errors: ERR_RANKS_DIVERGED and ERR_RANK_FAULT, on every rank alike; the batch stays frozen until `abandon()`.
   */
  resolve(table: Int32Array, previous?: DecisionView | null): DecisionView {
    this.#check('voted');
    if (table.length !== this.table.length) {
      throw new LockstepError(
        'ERR_INPUT_INVALID',
        `The table has ${table.length} words; ${this.ranks} ranks make ${this.table.length}`,
        { words: table.length, expected: this.table.length },
      );
    }
    if (table !== this.table) this.table.set(table);
    if (previous && previous.words.length !== this.#previous.length) {
      throw new LockstepError(
        'ERR_INPUT_INVALID',
        `The previous decision is of ${previous.ranks} ranks, and this planner's are of ${this.ranks}`,
        { ranks: previous.ranks, expected: this.ranks },
      );
    }
    const from = previous === undefined ? this.#hasPrevious : previous !== null;
    if (previous) this.#previous.set(previous.words);
    const status = this.#rules.resolve(
      this.#region('votes').offset,
      this.ranks,
      from ? this.#region('previous').offset : 0,
      this.#region('decision').offset,
    );
    if (status !== ENUMS.RESOLVE.ok) throw this.#refusal(nameOf('RESOLVE', status));
    this.#state = 'resolved';
    return this.decision;
  }

  /**
   * This rank's tensors and local plan for the decision, in the staging set whose turn it is. Ends the step: the batch can
   * be edited again, and nothing is scheduled. Cannot fail after a resolve of the same step.
   */
  build(decision: DecisionView): LocalPlan {
    this.#check('resolved');
    if (decision !== this.decision) {
      throw new LockstepError('ERR_STALE_VIEW', 'build() takes the decision that resolve() returned in this step', {
        step: this.#step,
      });
    }
    this.#metadata.build_step(this.#step & 1);
    this.#metadata.state_clear_schedule();
    // Kept apart from the decision, which a later step that is abandoned overwrites.
    this.#previous.set(this.decision.words);
    this.#hasPrevious = true;
    this.#step += 1;
    this.#state = 'open';
    return this.local;
  }

  /**
   * Keeps only the keys at `indices` (those actually captured): they are renumbered in that order, and `planHash` changes.
   * Errors: ERR_STATE_FROZEN, ERR_INPUT_INVALID, ERR_CONFIG_INVALID (a key twice).
   */
  keepKeys(indices: readonly number[]): void {
    this.#check('open');
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
    this.#install();
  }

  /** Gives up the current step after an error: nothing is scheduled, and the batch can be edited again. */
  abandon(): void {
    if (this.#state === 'disposed') return;
    this.#metadata.state_clear_schedule();
    this.#state = 'open';
  }

  /** Requests before part `part` of an ubatched key, as every decision with that key cuts it. */
  partCut(key: CaptureKey, part: number): number {
    return this.#rules.partCut(key.decodeRequests, key.queryLen, key.parts, part);
  }

  /** Keeps staging set `set` from being written while it is copied; `releaseStaging` ends that. */
  holdStaging(set: number): void {
    this.#held[set] = true;
  }

  releaseStaging(set: number): void {
    this.#held[set] = false;
  }

  /** Says that the device's block table missed a step's edits: the next steps upload whole rows. */
  invalidateDeviceTable(): void {
    this.#check('open');
    this.#metadata.invalidate_device_table();
  }

  /** Forgets everything; every later call throws ERR_DISPOSED. */
  dispose(): void {
    this.#state = 'disposed';
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #check(expected: State): void {
    if (this.#state === expected) return;
    if (this.#state === 'disposed') throw new LockstepError('ERR_DISPOSED', 'This planner has been disposed');
    if (expected === 'open') {
      throw new LockstepError(
        'ERR_STATE_FROZEN',
        `The batch is frozen between vote() and build() (step ${this.#step})`,
        { step: this.#step },
      );
    }
    const order = { voted: 'vote(), then resolve()', resolved: 'resolve(), then build()' };
    throw new LockstepError(
      'ERR_STEP_ORDER',
      `Call ${expected === 'voted' ? order.voted : order.resolved} once in each step (step ${this.#step} is ${this.#state})`,
      { step: this.#step, state: this.#state },
    );
  }

  /** Names the ranks that a refused table is about. */
  #refusal(status: keyof typeof ENUMS.RESOLVE): LockstepError {
    const column = (name: (typeof VOTE_WORDS)[number]): number[] =>
      Array.from({ length: this.ranks }, (_, rank) => this.table[rank * VOTE_WORDS.length + word(VOTE_WORDS, name)]);
    if (status === 'fault') {
      const codes = column('faultCode');
      const ranks = column('control').flatMap((control, rank) => (control === ENUMS.CONTROL.fault ? [rank] : []));
      return new LockstepError(
        'ERR_RANK_FAULT',
        `Rank ${ranks.join(', ')} cannot run step ${this.#step} (fault ${ranks.map((rank) => codes[rank]).join(', ')}); no rank runs it`,
        { step: this.#step, ranks, codes: ranks.map((rank) => codes[rank]) },
      );
    }
    const names = {
      version: 'version',
      step: 'step',
      plan: 'planHash',
      previous: 'step',
      limits: 'tokens',
      ok: 'step',
    } as const;
    const values = column(names[status]);
    const detail =
      status === 'previous'
        ? `every rank is at step ${values[0]}, which does not follow the previous decision`
        : `${names[status]} by rank: ${values.join(', ')}`;
    const remedy =
      status === 'plan'
        ? 'give every rank the same policy, limits and captured keys'
        : status === 'limits'
          ? 'a vote is beyond the limits all ranks share'
          : 'every rank must take every step';
    return new LockstepError('ERR_RANKS_DIVERGED', `The ranks' votes do not belong together: ${detail}; ${remedy}`, {
      step: this.#step,
      what: status,
      values,
      ranks: this.#blamed(status, values),
    });
  }

  #blamed(status: keyof typeof ENUMS.RESOLVE, values: readonly number[]): number[] {
    const ranks = Array.from(values, (_, rank) => rank);
    if (status === 'version') return ranks.filter((rank) => values[rank] !== LAYOUT_VERSION);
    if (status === 'limits')
      return ranks.filter((rank) => !this.#rules.withinLimits(this.#region('votes').offset, rank));
    return minority(values);
  }

  #install(): void {
    new Int32Array(this.arena.buffer, CONFIG_BASE)[word(LIMIT_WORDS, 'numKeys')] = this.#plan.keys.length;
    this.#words('keys').set(keyWords(this.#plan));
    this.#words('queryLens').set(queryLenWords(this.#plan));
    this.#planHash = this.#rules.installPlan();
  }

  #region(name: RegionName): Region {
    const region = this.regions.regions.get(name);
    if (region === undefined) throw new RangeError(`no region ${name}`);
    return region;
  }

  #words(name: RegionName): Int32Array {
    const region = this.#region(name);
    return new Int32Array(this.arena.buffer, region.offset, region.bytes / 4);
  }

  #poison(): void {
    this.arena.fill(0xa5, CONFIG_BASE);
  }
}

/** The vetoes as numbers. The modules would take anything, and a misspelled veto would be none. */
function checkIntent(intent: VoteIntent): { graphVeto: number; ubatchVeto: number } {
  const { VETO } = ENUMS;
  const veto = (name: 'graphVeto' | 'ubatchVeto'): number => {
    const given = intent[name] ?? 'none';
    if (Object.hasOwn(VETO, given)) return VETO[given];
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      `${name} is ${JSON.stringify(given)}; it must be one of ${Object.keys(VETO).join(', ')}`,
      { [name]: given },
    );
  };
  const whole = (name: 'fault' | 'variant', value: number | undefined): void => {
    if (value === undefined || ((value | 0) === value && value >= 0)) return;
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      `${name} is ${String(value)}; it must be an integer from 0 to ${2 ** 31 - 1}`,
      { [name]: value },
    );
  };
  whole('fault', intent.fault);
  whole('variant', intent.variant);
  return { graphVeto: veto('graphVeto'), ubatchVeto: veto('ubatchVeto') };
}

/** Ranks whose value is not the most frequent one. */
function minority(values: readonly number[]): number[] {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const common = [...counts].sort((a, b) => b[1] - a[1])[0]?.[0];
  return values.flatMap((value, rank) => (value === common ? [] : [rank]));
}
