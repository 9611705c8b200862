import type { DecisionView, VoteIntent } from '../agreement/index.js';
import { checkArguments } from '../checks.js';
import { asLockstepError, LockstepError } from '../errors.js';
import { type CaptureOptions, type CaptureReport, capturingKeys, Executor } from '../execution/index.js';
import { stagingOf } from '../layout/index.js';
import { assertShapeContract, devicePort, type StepPlanner } from '../planner/index.js';
import { type Collective, DEFAULT_TIMEOUT_MS, type ParkOptions } from '../ranks/index.js';
import { eitherSignal, throwIfAborted } from '../wait.js';
import { runWaiting, runWaitingSync, type Waiting } from '../waiting.js';
import { RankAgreement } from './rank-agreement.js';
import { AGREED, DEVICE_FAULT } from './rank-fault.js';
import type { RankOptions, StepOptions, StepResult } from './rank-options.js';
import { RankReporter } from './rank-reporter.js';
import type { StepTimings } from './step-clock.js';
import type { StepStats } from './step-stats.js';

/** Assembles a rank. Errors: ERR_CONFIG_INVALID where planner and collective do not name the same rank. */
export function createRank(options: RankOptions): Rank {
  return new Rank(options);
}

/**
 * One rank of a serving engine: `capture()` once, then for every step schedule into `planner.requests` and `step()`.
 * A step is vote, all-gather, resolve, build, launch; every rank must take every step, with or without requests.
 */
export class Rank implements Disposable {
  /** Schedule into `planner.requests` between steps. */
  readonly planner: StepPlanner;
  /** The group's collective; `wake()` ends a park. */
  readonly collective: Collective;
  /** Its `stream` runs the steps' kernels: wait for it before reading what they wrote. */
  readonly executor: Executor;
  readonly #options: Required<Pick<RankOptions, 'timeoutMs' | 'onAsymmetric' | 'checkShapes'>>;
  /** Ends the waits of a step in flight when this rank is disposed of. */
  readonly #ending = new AbortController();
  readonly #reporter: RankReporter;
  #parked = false;
  #busy = false;
  /** Whether peers rely on this rank: its row is published, or it captures with them. */
  #relied = false;

  /** Made by `createRank`. Errors: ERR_CONFIG_INVALID. */
  constructor(options: RankOptions) {
    checkArguments('createRank', { options: [options, 'object', 'planner', 'collective', 'device'] });
    const { planner, collective } = options;
    checkArguments('createRank', { planner: [planner, 'object'], collective: [collective, 'object'] });
    if (planner.rank !== collective.rank || planner.ranks !== collective.size) {
      throw new LockstepError(
        'ERR_CONFIG_INVALID',
        `The planner is rank ${planner.rank} of ${planner.ranks}, the collective rank ${collective.rank} of ${collective.size}; both must be the same`,
        { planner: [planner.rank, planner.ranks], collective: [collective.rank, collective.size] },
      );
    }
    if (options.recorder !== undefined && options.recorder.planner !== planner) {
      throw new LockstepError(
        'ERR_CONFIG_INVALID',
        'The recorder is of another planner; openRecorder({ planner }) makes one of this rank',
        {
          rank: planner.rank,
        },
      );
    }
    this.planner = planner;
    this.collective = collective;
    this.#reporter = new RankReporter(planner, options.recorder, options.clock);
    this.#options = {
      timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      onAsymmetric: options.onAsymmetric ?? 'throw',
      checkShapes: options.checkShapes ?? false,
    };
    this.executor = new Executor(
      options.device,
      planner,
      options.forward ?? (() => ({ part: () => {} })),
      options.collectives,
    );
  }

  /**
   * Captures every key of the plan that all ranks have: all warm-ups, then all captures, largest first. Before each, the ranks agree that all
   * have what it needs, and after each capture that all hold its graphs; a key that some cannot hold is removed from every rank's plan, or ends
   * the capture, as `onAsymmetric` says. The event loop is free while this rank waits for peers and for its device; no step can be taken
   * meanwhile. `signal` and `interrupted` are looked at between two keys; `dispose()` ends the capture at once, with ERR_DISPOSED, and the group.
   * Errors: ERR_CAPTURE_ASYMMETRIC and ERR_ABORTED on every rank, after which all can capture again; ERR_STEP_ORDER while a step or a capture
   * is under way; any other ends the group, since the others have agreed to capture.
   */
  async capture(options: CaptureOptions = {}): Promise<CaptureReport> {
    return await runWaiting(this.#capturing(options), () => this.#throwIfDisposed());
  }

  /** `capture`, blocking this thread: its signals and messages wait, so ask `interrupted`. */
  captureSync(options: CaptureOptions = {}): CaptureReport {
    return runWaitingSync(this.#capturing(options));
  }

  /**
   * Takes one step with what is scheduled, blocking this thread. The kernels may still run when it returns: they are in
   * order on `executor.stream`. After a parked step an idle rank waits here, without a deadline, until a rank has work or the
   * group is interrupted. An interrupt ends one park; the next step parks again unless all vote to leave.
   *
   * An error before this rank's vote is out leaves the schedule as it is, so that the step can be tried again: ERR_STEP_ORDER (a step is
   * under way, or the plan is not captured), ERR_INPUT_INVALID, ERR_ABORTED. A device that fails here makes this rank vote a
   * fault: ERR_RANK_FAULT on every rank, with the device's error as `cause` on this one. Other errors end the step on all
   * ranks: ERR_RANKS_DIVERGED, ERR_COLLECTIVE_TIMEOUT, and ERR_RANK_LOST where a peer failed alone. ERR_DISPOSED after
   * `dispose()`.
   */
  stepSync(options: StepOptions = {}): StepResult {
    const step = this.#begin(options);
    try {
      // For a single rank nothing could end a blocking wait: the caller calls again when it has work.
      if (step.parked && this.collective.size > 1) this.collective.waitForWorkSync(step.park);
      this.#unpark(step);
      try {
        this.executor.settle(step.wait);
      } catch (error) {
        this.#fail(step, error);
      }
      const row = this.#vote(step);
      this.#reporter.voted(this.collective.sequence + 1);
      this.collective.allGatherSync(row, this.planner.table, step.wait);
      return this.#run(step);
    } catch (error) {
      this.#reporter.fault(error, this.collective.sequence);
      throw error;
    } finally {
      this.#end(step);
    }
  }

  /**
   * `stepSync` for a thread whose event loop must stay free. While it waits in a park, requests may be scheduled, which ends
   * the park on every rank, within 50 ms, or at once with `collective.wake()`. `dispose()` ends the wait with ERR_DISPOSED.
   */
  async step(options: StepOptions = {}): Promise<StepResult> {
    const step = this.#begin(options);
    const ends = eitherSignal(options.signal, this.#ending.signal);
    try {
      if (step.parked) await this.collective.waitForWork({ ...step.park, signal: ends.signal });
      this.#throwIfDisposed();
      this.#unpark(step);
      try {
        await this.executor.settled({ ...step.wait, signal: ends.signal });
      } catch (error) {
        this.#throwIfDisposed();
        this.#fail(step, error);
      }
      this.#throwIfDisposed();
      const row = this.#vote(step);
      this.#reporter.voted(this.collective.sequence + 1);
      this.#relied = true;
      await this.collective.allGather(row, this.planner.table, step.wait);
      this.#throwIfDisposed();
      return this.#run(step);
    } catch (error) {
      // A disposal ended the wait, whatever error the wait throws.
      const reason = this.#disposed ? this.#disposedError() : error;
      this.#reporter.fault(reason, this.collective.sequence);
      throw reason;
    } finally {
      ends.release();
      this.#relied = false;
      this.#end(step);
    }
  }

  /** What this rank has done so far. */
  stats(): StepStats {
    const { graphBytes } = this.executor.device.memory();
    return this.#reporter.stats({ parked: this.#parked, graphs: this.executor.graphCount, graphBytes });
  }

  /** Where the time of the steps so far went. Errors: ERR_STEP_ORDER for a rank that was made without a clock. */
  timings(): StepTimings {
    const { timings } = this.#reporter;
    if (timings !== null) return timings;
    throw new LockstepError('ERR_STEP_ORDER', 'This rank measures nothing; give createRank() a clock');
  }

  /**
   * Frees what the executor holds; a step in flight rejects with ERR_DISPOSED, as every later one does. While it waits for
   * its peers' votes, they rely on this rank's, so its disposal ends the group: ERR_RANK_LOST on the others.
   */
  dispose(): void {
    if (this.#disposed) return;
    this.#ending.abort();
    if (this.#relied) this.#abort(this.#disposedError());
    this.executor[Symbol.dispose]();
  }

  /** The same as `dispose()`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  get #disposed(): boolean {
    return this.#ending.signal.aborted;
  }

  #throwIfDisposed(): void {
    if (this.#disposed) throw this.#disposedError();
  }

  #disposedError(): LockstepError {
    const { rank } = this.planner;
    return new LockstepError(
      'ERR_DISPOSED',
      `Rank ${rank} has been disposed of; to take steps, make a new one on a new device.`,
      {
        rank,
      },
    );
  }

  *#capturing(options: CaptureOptions): Waiting<CaptureReport> {
    this.#throwIfBusy();
    this.#enter();
    const { collective } = this;
    const { onAsymmetric } = this.#options;
    const timeoutMs = options.timeoutMs ?? this.#options.timeoutMs;
    const agreement = new RankAgreement(collective, { onAsymmetric }, { timeoutMs }, this.#reporter);
    try {
      this.#relied = true;
      this.#reporter.captures(collective.sequence + 1);
      const wait = { timeoutMs, signal: this.#ending.signal };
      const report = yield* capturingKeys(this.executor, this.planner, agreement, options, wait);
      this.#reporter.captured(report);
      return report;
    } catch (error) {
      const reason = this.#disposed ? this.#disposedError() : error;
      this.#reporter.fault(reason, collective.sequence);
      // Any other failure would leave the others waiting in the next guard. A disposal has ended the group already.
      if (!this.#disposed) this.#abortUnlessAgreed(error, error === agreement.refusal);
      throw reason;
    } finally {
      this.#relied = false;
      this.#busy = false;
    }
  }

  /** Steps and captures come one at a time. */
  #throwIfBusy(): void {
    this.#throwIfDisposed();
    if (this.#busy) {
      const { step } = this.planner;
      throw new LockstepError(
        'ERR_STEP_ORDER',
        `Step ${step}, or the capture before it, is under way; await it first`,
        {
          step,
        },
      );
    }
  }

  #enter(): void {
    this.#busy = true;
    this.#reporter.begin();
  }

  #begin(options: StepOptions): StepInHand {
    this.#throwIfBusy();
    const keys = this.planner.plan.keys.length;
    if (this.executor.graphCount !== keys) {
      throw new LockstepError(
        'ERR_STEP_ORDER',
        `The plan has ${keys} keys and ${this.executor.graphCount} are captured; call capture() before the first step`,
        { keys, captured: this.executor.graphCount },
      );
    }
    this.#enter();
    const { signal, ...intent } = options;
    const timeoutMs = this.#options.timeoutMs;
    const localWork = (): boolean => this.planner.scheduledTokens > 0;
    return {
      intent,
      // A rank ends a park if it has work, a fault, or wants to leave.
      parked: this.#parked && !localWork() && options.leave !== true && options.fault === undefined,
      park: signal === undefined ? { localWork } : { localWork, signal },
      wait: signal === undefined ? { timeoutMs } : { timeoutMs, signal },
      failure: undefined,
      sequence: -1,
    };
  }

  /** Ends the park for every rank; does nothing without a park, or if a peer has ended it. A step that is given up by now wakes no rank. */
  #unpark(step: StepInHand): void {
    if (!this.#parked) return;
    throwIfAborted(step.wait.signal, 'before this rank ended its park; it is parked still');
    this.collective.wake();
    this.#parked = false;
    this.#reporter.woken();
  }

  /** The device cannot take this step. If the caller aborted, the step can be tried again; any other error becomes a fault. */
  #fail(step: StepInHand, error: unknown): void {
    if (error instanceof LockstepError && error.code === 'ERR_ABORTED') throw error;
    step.failure = error;
  }

  #vote(step: StepInHand): Int32Array {
    throwIfAborted(step.wait.signal, 'before this rank voted; its batch stays scheduled');
    // The staging set that did not settle is not written: a faulty step is not built.
    if (step.failure !== undefined) devicePort(this.planner).releaseStaging(stagingOf(this.planner.step));
    const row = this.planner.vote(step.failure === undefined ? step.intent : { fault: DEVICE_FAULT });
    step.sequence = this.collective.sequence;
    return row;
  }

  #run(step: StepInHand): StepResult {
    const { planner } = this;
    const reporter = this.#reporter;
    const decision = this.#resolve(step);
    try {
      const local = planner.build(decision);
      reporter.built();
      if (this.#options.checkShapes) assertShapeContract(decision, local);
      if (decision.run === 'park') {
        this.#parked = !decision.leave;
        if (this.#parked) this.collective.parked();
      } else {
        this.executor.launch(decision, local);
      }
      reporter.ended(decision, local, this.executor.collectiveCounts);
      return { decision, local };
    } catch (error) {
      // All ranks agreed on this step, and this one cannot take it: the others must not continue without it.
      this.#abort(asLockstepError(error));
      throw error;
    }
  }

  #resolve(step: StepInHand): DecisionView {
    try {
      this.#reporter.gathered();
      return this.planner.resolve(this.planner.table);
    } catch (error) {
      this.#abortUnlessAgreed(error);
      if (step.failure === undefined || !(error instanceof LockstepError)) throw error;
      throw new LockstepError(error.code, error.message, error.details, { cause: step.failure });
    }
  }

  /** `seen`: whether an error came of what all ranks saw alike. */
  #abortUnlessAgreed(error: unknown, seen: boolean = true): void {
    if (seen && error instanceof LockstepError && AGREED.includes(error.code)) return;
    this.#abort(asLockstepError(error));
  }

  /** Ends the group, for ranks that wait for this one's row and those in a collective of their devices. */
  #abort(reason: LockstepError): void {
    this.collective.abort(reason);
    this.executor.collectives.abort(reason);
  }

  /**
   * Unfreezes the batch of a step that ended between vote and build. A step whose vote is not out keeps its schedule: its all-gather was refused
   * before this rank had arrived.
   */
  #end(step: StepInHand): void {
    this.#busy = false;
    if (!this.planner.frozen) return;
    if (this.collective.sequence === step.sequence) this.planner.retract();
    else this.planner.abandon();
  }
}

interface StepInHand {
  readonly intent: VoteIntent;
  /** Whether this rank is parked and has nothing that would end the park. */
  readonly parked: boolean;
  readonly park: ParkOptions;
  readonly wait: { readonly timeoutMs: number; readonly signal?: AbortSignal };
  failure: unknown;
  /** All-gathers that the rank had entered when it voted. */
  sequence: number;
}
