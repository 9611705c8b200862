import { type CaptureGuard, type CaptureReport, captureKeys } from '../device/capture-session.js';
import type { Device } from '../device/device.js';
import { Executor, type Forward } from '../device/executor.js';
import { LockstepError } from '../errors.js';
import type { DecisionView } from '../planner/decision.js';
import type { LocalPlan } from '../planner/local-plan.js';
import { assertShapeContract } from '../planner/shape-contract.js';
import type { StepPlanner } from '../planner/step-planner.js';
import type { VoteIntent } from '../planner/vote-intent.js';
import { agreeOnCaptureSync, type Collective, type ParkOptions } from '../ranks/index.js';

/** What a rank is made of. The rank owns none of them: dispose the rank first, then these. */
export interface RankOptions {
  readonly planner: StepPlanner;
  readonly device: Device;
  readonly collective: Collective;
  /**
   * Makes the model: it may allocate buffers and load kernels on the executor's device and stream. Default: a model without
   * kernels, whose steps bring the metadata to the device and no more.
   */
  readonly forward?: (executor: Executor) => Forward;
  /** Longest wait for peers or for the device, in ms. Default 30,000. */
  readonly timeoutMs?: number;
  /** What to do about a key that some ranks can capture and some cannot. Default 'throw'. */
  readonly onAsymmetric?: 'throw' | 'drop';
  /** Check every tensor of every step against its decision before it is launched. Reads every entry. Default false. */
  readonly checkShapes?: boolean;
}

/** A step all ranks took. Both are read in place: valid until the next step. */
export interface StepResult {
  readonly decision: DecisionView;
  /** This rank's part; of a parked step, without tokens. */
  readonly local: LocalPlan;
}

/** What may accompany and end a step. */
export interface StepOptions extends VoteIntent {
  readonly signal?: AbortSignal;
}

/** Assembles a rank. Errors: ERR_CONFIG_INVALID where planner and collective do not name the same rank. */
export function createRank(options: RankOptions): Rank {
  return new Rank(options);
}

/**
 * One rank of a serving engine: `capture()` once, then for every step schedule into `planner.requests` and `step()`.
 * A step is vote, all-gather, resolve, build, launch; every rank must take every step, with or without requests.
 */
export class Rank implements Disposable {
  readonly planner: StepPlanner;
  readonly collective: Collective;
  readonly executor: Executor;
  readonly #options: Required<Pick<RankOptions, 'timeoutMs' | 'onAsymmetric' | 'checkShapes'>>;
  #parked = false;

  constructor(options: RankOptions) {
    const { planner, collective } = options;
    if (planner.rank !== collective.rank || planner.ranks !== collective.size) {
      throw new LockstepError(
        'ERR_CONFIG_INVALID',
        `The planner is rank ${planner.rank} of ${planner.ranks}, the collective rank ${collective.rank} of ${collective.size}; both must be the same`,
        { planner: [planner.rank, planner.ranks], collective: [collective.rank, collective.size] },
      );
    }
    this.planner = planner;
    this.collective = collective;
    this.#options = {
      timeoutMs: options.timeoutMs ?? 30_000,
      onAsymmetric: options.onAsymmetric ?? 'throw',
      checkShapes: options.checkShapes ?? false,
    };
    this.executor = new Executor(options.device, planner, options.forward ?? (() => ({ part: () => {} })));
  }

  /**
   * Captures every key of the plan, largest first. Before each, the ranks agree that all have what it needs; a key that none
   * has leaves every rank's plan. Blocks this thread: call it on a worker. Errors: ERR_CAPTURE_ASYMMETRIC on every rank.
   */
  capture(): CaptureReport {
    const { timeoutMs, onAsymmetric } = this.#options;
    const guard: CaptureGuard = (_key, index, readiness) =>
      agreeOnCaptureSync(this.collective, { key: index, ...readiness }, { onAsymmetric }, { timeoutMs });
    return captureKeys(this.executor, this.planner, guard, { timeoutMs });
  }

  /**
   * Takes one step with what is scheduled, blocking this thread. The kernels may still run when it returns: they are in
   * order on `executor.stream`. After a parked step an idle rank waits here, without a deadline, until a rank has work.
   * Errors: ERR_COLLECTIVE_TIMEOUT, ERR_RANK_LOST, ERR_RANKS_DIVERGED, ERR_RANK_FAULT, ERR_ABORTED, and the device's.
   */
  stepSync(options: StepOptions = {}): StepResult {
    const wait = { timeoutMs: this.#options.timeoutMs, signal: options.signal };
    try {
      // Alone, nothing could end a blocking wait: the caller comes again when it has work.
      if (this.#parked && this.collective.size > 1) {
        if (!this.#hasCause(options)) this.collective.waitForWorkSync(this.#park(options));
      }
      this.#unpark();
      this.executor.settle(wait);
      const row = this.planner.vote(options);
      this.collective.allGatherSync(row, this.planner.table, wait);
      return this.#run();
    } catch (error) {
      this.planner.abandon();
      throw error;
    }
  }

  /**
   * `stepSync` for a thread whose event loop must stay free. While it waits out a park, requests may be scheduled: that ends
   * the park on every rank.
   */
  async step(options: StepOptions = {}): Promise<StepResult> {
    const wait = { timeoutMs: this.#options.timeoutMs, signal: options.signal };
    try {
      if (this.#parked && !this.#hasCause(options)) await this.collective.waitForWork(this.#park(options));
      this.#unpark();
      await this.executor.settled(wait);
      const row = this.planner.vote(options);
      await this.collective.allGather(row, this.planner.table, wait);
      return this.#run();
    } catch (error) {
      this.planner.abandon();
      throw error;
    }
  }

  dispose(): void {
    this.executor[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #park(options: StepOptions): ParkOptions {
    const localWork = (): boolean => this.planner.scheduledTokens > 0;
    return options.signal === undefined ? { localWork } : { localWork, signal: options.signal };
  }

  /** Ends the park for every rank; nothing happens when there is none, or when a peer has ended it. */
  #unpark(): void {
    if (!this.#parked) return;
    this.collective.wake();
    this.#parked = false;
  }

  #run(): StepResult {
    const { planner } = this;
    const decision = planner.resolve(planner.table);
    const local = planner.build(decision);
    if (this.#options.checkShapes) assertShapeContract(decision, local);
    if (decision.run === 'park') {
      this.#parked = !decision.leave;
      if (this.#parked) this.collective.parked();
    } else {
      this.executor.launch(decision, local);
    }
    return { decision, local };
  }

  /** Whether this rank has something to say that ends a park: work, a fault, or the wish to leave. */
  #hasCause(options: StepOptions): boolean {
    return this.planner.scheduledTokens > 0 || options.leave === true || options.fault !== undefined;
  }
}
