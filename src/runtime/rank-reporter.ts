import type { DecisionView } from '../agreement/index.js';
import type { ForwardBatch } from '../batch/index.js';
import { asLockstepError, LockstepError } from '../errors.js';
import type { CaptureReport } from '../execution/index.js';
import type { StepPlanner } from '../planner/index.js';
import type { CaptureStage, StepRecorder } from '../recorder/index.js';
import {
  type CaptureEvent,
  type FaultEvent,
  type ParkEvent,
  type PlanEvent,
  RANK_CHANNELS,
  type StepEvent,
} from './rank-events.js';
import { StepClock, type StepTimings } from './step-clock.js';
import { StepCounts, type StepStats } from './step-stats.js';

/** Tells those who watch a rank what it does: its recorder, its counts, and the subscribers of the channels. */
export class RankReporter {
  readonly #planner: StepPlanner;
  readonly #recorder: StepRecorder | undefined;
  readonly #counts = new StepCounts();
  /** The step in hand, whether this rank has voted in it, and whether it captures before it. */
  #step = 0;
  #hasVoted = false;
  #captures = false;

  readonly #clock: StepClock | null;

  /** With a clock, in milliseconds, it measures where time goes. */
  constructor(planner: StepPlanner, recorder: StepRecorder | undefined, clock: (() => number) | undefined) {
    this.#planner = planner;
    this.#recorder = recorder;
    this.#clock = clock === undefined ? null : new StepClock(clock);
  }

  /** Null where nothing is measured. */
  get timings(): StepTimings | null {
    return this.#clock?.timings ?? null;
  }

  stats(about: Pick<StepStats, 'parked' | 'graphs' | 'graphBytes'>): StepStats {
    const { rank, ranks } = this.#planner;
    return this.#counts.snapshot({ rank, ranks, ...about });
  }

  /** A step or a capture begins. */
  begin(): void {
    this.#step = this.#planner.step;
    this.#hasVoted = false;
    this.#captures = false;
    this.#clock?.begin();
  }

  /** It is a capture, whose first all-gather, on keys, is to be `sequence`. */
  captures(sequence: number): void {
    this.#captures = true;
    this.#recorder?.agrees('keys', 0, sequence);
  }

  /** This rank enters all-gather `sequence`, for an agreement of a capture on one key. */
  agrees(stage: CaptureStage, key: number, sequence: number): void {
    this.#recorder?.agrees(stage, key, sequence);
  }

  /** The ranks agreed, on keys or on a key. */
  agreed(): void {
    this.#recorder?.agreed();
  }

  voted(sequence: number): void {
    this.#hasVoted = true;
    this.#clock?.lap('planner');
    this.#recorder?.voted(sequence);
  }

  gathered(): void {
    this.#clock?.lap('agreement');
    this.#recorder?.gathered();
  }

  built(): void {
    this.#clock?.lap('planner');
    this.#recorder?.built();
  }

  /** The step is launched, or the ranks parked; `collectives` are those entered by then. */
  ended(
    decision: DecisionView,
    local: ForwardBatch,
    collectives: { readonly inGraphs: number; readonly eager: number },
  ): void {
    this.#clock?.lap('launch');
    this.#recorder?.launched(collectives);
    this.#counts.count(decision, local);
    if (decision.run === 'park') this.#park(decision.leave ? 'left' : 'parked', decision.step);
    else if (RANK_CHANNELS.step.hasSubscribers) this.#launched(decision, local);
  }

  woken(): void {
    this.#park('woken', this.#planner.step);
  }

  captured({ captured, skipped }: CaptureReport): void {
    this.#recorder?.captured();
    const { rank, ranks, planHash, plan } = this.#planner;
    if (RANK_CHANNELS.capture.hasSubscribers) {
      for (const { key, graphs, reservedBytes, allocatedBytes, seconds } of captured) {
        const event: CaptureEvent = { rank, key, graphs, reservedBytes, allocatedBytes, seconds };
        RANK_CHANNELS.capture.publish(event);
      }
    }
    if (!RANK_CHANNELS.plan.hasSubscribers) return;
    RANK_CHANNELS.plan.publish({ rank, ranks, planHash, keys: plan.keys, skipped } satisfies PlanEvent);
  }

  /** An error ends a step or a capture, after the rank entered all-gather `sequence`. A step that its caller gave up before the vote is none: it can be taken again. */
  fault(error: unknown, sequence: number): void {
    const code = error instanceof LockstepError ? error.code : null;
    const recorded = asLockstepError(error).code;
    if (this.#captures) this.#recorder?.captureFailed(recorded, sequence);
    else this.#recorder?.failed(recorded, sequence);
    if (code === 'ERR_ABORTED' && !this.#hasVoted && !this.#captures) return;
    const { rank } = this.#planner;
    const step = this.#step;
    this.#counts.faults++;
    if (!RANK_CHANNELS.fault.hasSubscribers) return;
    RANK_CHANNELS.fault.publish({ rank, step, code, error } satisfies FaultEvent);
  }

  #park(state: ParkEvent['state'], step: number): void {
    if (!RANK_CHANNELS.park.hasSubscribers) return;
    RANK_CHANNELS.park.publish({ rank: this.#planner.rank, step, state } satisfies ParkEvent);
  }

  #launched(decision: DecisionView, local: ForwardBatch): void {
    const { step, run, reason, captureKey, partCount: parts, busyRanks } = decision;
    const { tokens, paddedTokens, requests } = local;
    const { rank } = this.#planner;
    const event: StepEvent = { rank, step, run, reason, captureKey, tokens, paddedTokens, requests, parts, busyRanks };
    RANK_CHANNELS.step.publish(event);
  }
}
