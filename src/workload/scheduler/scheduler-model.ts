import { checkArguments } from '../../checks.js';
import { LockstepError } from '../../errors.js';
import { hash2, hashOnto } from '../random.js';
import { checkTable, type RequestTable } from '../request.js';
import { Arrivals } from './arrivals.js';
import { RankScheduler } from './rank-scheduler.js';
import { RequestState } from './request-state.js';
import { type SchedulerLimits, schedulerLimits } from './scheduler-limits.js';
import type { SchedulerStats } from './scheduler-stats.js';
import type { BatchTotals, StepSchedule } from './step-schedule.js';

/** What a model may leave out of its schedules; by default they say both. */
export interface SchedulerModelOptions {
  /** Whether schedules say which requests and blocks come and go. */
  readonly edits?: boolean;
  /** Whether blocks have ids where there are no edits, for `blocksOf`. */
  readonly blockIds?: boolean;
}

/**
 * Continuous batching over several ranks on a simulated clock. A pure function of requests and limits: instances made
 * from equal ones give equal steps, so every rank's worker computes all of it and nothing has to be sent.
 *
 * Every rank serves first come, first served; decodes first, then prefill in chunks, within the token budget. A rank
 * short of blocks preempts by recompute. `docs/workload.md` states the rules.
 *
 * It terminates: in each step that is not idle the request admitted first of some rank, or the head of its queue, computes at
 * least one token, since it can take the blocks of all others, and alone it fits.
 */
export class SchedulerModel {
  /** The requests that are scheduled. */
  readonly table: RequestTable;
  /** The limits that they are scheduled under. */
  readonly limits: SchedulerLimits;
  readonly #stats: SchedulerStats = {
    finished: 0,
    rejected: 0,
    preemptions: 0,
    promptTokens: 0,
    generatedTokens: 0,
    reusedTokens: 0,
    clockMs: 0,
  };
  readonly #state: RequestState;
  readonly #ranks: RankScheduler[];
  readonly #hasIds: boolean;
  readonly #schedule: { -readonly [K in keyof StepSchedule]: StepSchedule[K] };
  readonly #arrivals: Arrivals;
  /** The request that was found last to be able to run. */
  #fitting = -1;
  #arrived = 0;
  #step = 0;
  #open = false;

  /**
   * Without `edits`, schedules say what is scheduled and leave `removed`, `added` and `appended` empty, which is faster; without
   * `blockIds` too, blocks are only counted, which is faster still. Throws `ERR_CONFIG_INVALID` for limits out of range.
   */
  constructor(
    table: RequestTable,
    limits: Partial<SchedulerLimits> & Pick<SchedulerLimits, 'ranks'>,
    options: SchedulerModelOptions = {},
  ) {
    checkArguments('SchedulerModel', { options: [options, 'object'] });
    const { edits = true, blockIds = true } = options;
    checkTable(table);
    this.table = table;
    this.limits = schedulerLimits(limits);
    this.#state = RequestState.of(table, this.limits.blockSize);
    this.#arrivals = new Arrivals(table, this.limits.speed);
    this.#hasIds = edits || blockIds;
    const yieldOf = draftYield(this.limits);
    this.#ranks = Array.from(
      { length: this.limits.ranks },
      () => new RankScheduler(this.limits, this.#state, this.#stats, { edits, blockIds, yieldOf }),
    );
    this.#schedule = { step: 0, idle: false, ranks: this.#ranks.map((rank) => rank.batch) };
  }

  /**
   * The KV blocks of a request, in order of position, as the step between `next()` and `complete()` needs them. Throws
   * `ERR_INPUT_INVALID` for a model without block ids.
   */
  blocksOf(request: number): readonly number[] {
    if (!this.#hasIds) {
      throw new LockstepError('ERR_INPUT_INVALID', 'This model has no block ids; make it with blockIds: true', {
        request,
      });
    }
    return this.#ranks[0].blocksOf(request);
  }

  /** What the chunks of a rank in the open step add up to; it costs no look at each of them. Read it before `complete()`. */
  totals(rank: number): BatchTotals {
    return this.#ranks[rank].totals;
  }

  /** Live totals; they change with `next()` and `complete()`. */
  get stats(): Readonly<SchedulerStats> {
    return this.#stats;
  }

  /**
   * The next step of all ranks, or null once every request has finished or was rejected; the rows of those that
   * finished in the very last step are then still in place. When nothing runs or waits, an idle step comes first, and
   * the clock jumps to the next arrival with its `complete()`. Throws `ERR_STEP_ORDER` before the previous step is complete.
   */
  next(): StepSchedule | null {
    if (this.#open) {
      throw new LockstepError('ERR_STEP_ORDER', `step ${this.#step} is not complete; call complete() before next()`, {
        step: this.#step,
      });
    }
    this.#arrive();
    const idle = this.#arrived === this.#stats.finished;
    if (idle && !this.#findArrival()) return null;
    for (let rank = 0; rank < this.#ranks.length; rank++) this.#ranks[rank].schedule(idle);
    this.#open = true;
    this.#schedule.step = this.#step;
    this.#schedule.idle = idle;
    return this.#schedule;
  }

  /**
   * Applies the outcome of the step and advances the clock; then of the steps after it, up to `most` in all, as long as they
   * are the same: the same decodes of one token on every rank, each one position further in each step, and nothing added or
   * removed. Returns how many steps that were. They are the steps that `next()` and `complete()` would take one by one; with
   * drafts, and where a prefill is in the batch, that is always 1. Throws `ERR_STEP_ORDER` when no step was begun, and
   * `ERR_INPUT_INVALID` for a `most` that is no count.
   */
  complete(most = 1): number {
    if (!this.#open) {
      throw new LockstepError('ERR_STEP_ORDER', `no step is open; call next() before complete()`, { step: this.#step });
    }
    if (most !== Infinity && !(Number.isInteger(most) && most >= 1)) {
      throw new LockstepError(
        'ERR_INPUT_INVALID',
        `most is ${most}; it must be an integer of at least 1, or Infinity`,
        {
          most,
        },
      );
    }
    let steps = 1;
    if (this.#schedule.idle) {
      this.#stats.clockMs = this.#arrivals.ms;
    } else {
      steps = this.#passTime(most > 1 ? this.#steadySteps(most) : 1);
      for (let rank = 0; rank < this.#ranks.length; rank++) this.#completeRank(this.#ranks[rank], steps);
    }
    this.#open = false;
    this.#step += steps;
    return steps;
  }

  #completeRank(rank: RankScheduler, steps: number): void {
    if (steps > 1) rank.skip(steps - 1);
    rank.complete();
    if (!this.#arrivals.areAwaited) return;
    for (const request of rank.ended) this.#arrivals.end(request, this.#stats.clockMs);
  }

  #steadySteps(most: number): number {
    let steps = most;
    for (let rank = 0; rank < this.#ranks.length && steps > 1; rank++) {
      steps = Math.min(steps, this.#ranks[rank].steadySteps);
    }
    return steps;
  }

  /** Moves the clock by up to `most` steps of the open one's batch, and stops where a request has arrived. Returns how many. */
  #passTime(most: number): number {
    const { stepTime } = this.limits;
    const nextArrival = most > 1 && this.#findArrival() ? this.#arrivals.ms : Infinity;
    const ranks = this.#ranks;
    let tokens = 0;
    for (let rank = 0; rank < ranks.length; rank++) tokens = Math.max(tokens, ranks[rank].totals.tokens);
    const fixed = stepTime[0] + stepTime[1] * tokens;
    const perKvToken = stepTime[2];
    let clockMs = this.#stats.clockMs;
    let steps = 0;
    do {
      let kvTokens = 0;
      // A decode of one token makes its sequence one token longer in each step.
      if (perKvToken !== 0) {
        for (const { totals } of ranks) kvTokens = Math.max(kvTokens, totals.kvTokens + steps * totals.tokens);
      }
      clockMs += fixed + perKvToken * kvTokens;
      steps++;
    } while (steps < most && clockMs < nextArrival);
    this.#stats.clockMs = clockMs;
    return steps;
  }

  /** Gives every request that has arrived by now to the rank with the least load, or rejects it. */
  #arrive(): void {
    while (this.#findArrival() && this.#arrivals.ms <= this.#stats.clockMs) {
      this.#leastLoaded().arrive(this.#arrivals.request);
      this.#arrivals.take();
      this.#arrived++;
    }
  }

  #leastLoaded(): RankScheduler {
    let least = this.#ranks[0];
    for (let rank = 1; rank < this.#ranks.length; rank++) {
      if (this.#ranks[rank].load < least.load) least = this.#ranks[rank];
    }
    return least;
  }

  /** Moves on to the next request that can run, counting those that cannot; false where no arrival is known. */
  #findArrival(): boolean {
    const arrivals = this.#arrivals;
    for (let request = arrivals.request; request >= 0; request = arrivals.request) {
      if (request === this.#fitting) return true;
      if (!this.#neverFits(request)) {
        this.#fitting = request;
        return true;
      }
      const { ms } = arrivals;
      arrivals.take();
      arrivals.end(request, Math.max(ms, this.#stats.clockMs));
      this.#stats.rejected++;
    }
    return false;
  }

  #neverFits(request: number): boolean {
    const { maxModelLen, blockSize, numBlocks } = this.limits;
    const tokens = (this.table.inputTokens[request] as number) + (this.table.outputTokens[request] as number);
    return tokens > maxModelLen || Math.ceil(tokens / blockSize) > numBlocks - 1;
  }
}

/** What is accepted of a decode's drafts: the next one with the chance `acceptRate`, as long as all before it were. */
function draftYield({
  seed,
  acceptRate,
}: SchedulerLimits): (request: number, output: number, queryLen: number) => number {
  const accepted = acceptRate * 0x100000000;
  return (request, output, queryLen) => {
    const hash = hash2(seed, request);
    let tokens = 1;
    // Each output index has one fate, so that neither the batch nor the number of drafts changes it.
    while (tokens < queryLen && hashOnto(hash, output + tokens - 1) < accepted) tokens++;
    return tokens;
  };
}
