import { setImmediate } from 'node:timers/promises';
import { type DecisionView, RawRules, VoteGroup } from '../agreement/index.js';
import {
  DecisionCounters,
  PROGRESS_MS,
  paddingRatio,
  paddingRatios,
  progressOf,
  type RunProgress,
} from '../counts/index.js';
import { decodeGraphs, graphKinds } from '../engines/index.js';
import type { SimulatedSpan } from '../formats/index.js';
import { loadModules } from '../memory/index.js';
import { type Chunk, checkTable, type RequestTable, SchedulerModel } from '../workload/index.js';
import { completeSimulateOptions } from './complete-options.js';
import type { CompleteSimulateOptions, SimulateOptions } from './simulate-options.js';
import type { SimulateSummary } from './summary.js';

/** How a simulation is watched, priced and ended early. */
export interface SimulateControl {
  /** Ends the simulation soon; the summary then covers what was done and says `interrupted`. */
  readonly signal?: AbortSignal;
  /** Called about ten times a second. */
  readonly onProgress?: (progress: RunProgress) => void;
  /** Called for every span, in order; a promise it returns is waited for. */
  readonly onSpan?: (span: SimulatedSpan) => void | Promise<void>;
  /** Cost of a step by its tokens, in any unit; `timeRatio` compares the captured size with the real one. Default: the tokens. */
  readonly cost?: (tokens: number) => number;
}

/** Milliseconds for which the event loop waits at most. */
const SLICE_MS = 20;
/** Spans between two checks of the clock. */
const SPANS_PER_LOOK = 64;
/** A span is not longer than this, so that one that is watched step by step can be interrupted. */
const MOST_STEPS = 1024;

/**
 * Decides every step of a workload as `runWorkload` would with the same options, by the same rules from the same votes, with
 * neither device nor threads. Equal steps are decided once. Yields to the event loop about every 20 ms. Errors:
 * ERR_CONFIG_INVALID (every fault at once), ERR_PLAN_CAPACITY, and what `onSpan` throws.
 */
export async function simulate(
  requests: RequestTable,
  options: SimulateOptions = {},
  control: SimulateControl = {},
): Promise<SimulateSummary> {
  checkTable(requests);
  const complete = completeSimulateOptions(options);
  const modules = await loadModules();
  const start = performance.now();
  const { limits, policy, plan, ranks } = complete;
  const group = new VoteGroup(new RawRules(modules, { limits, policy, keys: plan.keys, ranks }));
  const simulation = new Simulation(requests, complete, group, control);
  const interrupted = await simulation.run();
  return simulation.summary(interrupted, (performance.now() - start) / 1000);
}

/** A simulation, span by span. `simulate` runs it and yields to the event loop. */
export class Simulation {
  readonly #requests: RequestTable;
  readonly #options: CompleteSimulateOptions;
  readonly #control: SimulateControl;
  readonly #model: SchedulerModel;
  readonly #group: VoteGroup;
  readonly #counters = new DecisionCounters();
  readonly #cost: (tokens: number) => number;
  /** Whether the policy may cut a batch, which depends on each of its requests. */
  readonly #cuts: boolean;
  /** The next step, and the number of steps from it on that are voted on and not decided. */
  #step = 0;
  #left = 0;
  #leaving = false;
  /** The promise of `onSpan` for the last span. */
  #watched: void | Promise<void> = undefined;
  #exactCost = 0;
  #paddedCost = 0;
  #nextProgress = 0;

  constructor(requests: RequestTable, options: CompleteSimulateOptions, group: VoteGroup, control: SimulateControl) {
    this.#requests = requests;
    this.#options = options;
    this.#control = control;
    this.#model = new SchedulerModel(requests, options.scheduler, {
      edits: false,
      blockIds: options.policy.ubatches > 1,
    });
    this.#group = group;
    this.#cuts = options.policy.ubatches > 1;
    this.#cost = control.cost ?? ((tokens) => tokens);
  }

  /** Whether it was interrupted. */
  async run(): Promise<boolean> {
    const { signal } = this.#control;
    let sliceEnd = performance.now() + SLICE_MS;
    for (let spans = 1; signal?.aborted !== true; spans++) {
      if (!this.advance()) return false;
      if (this.#watched !== undefined) await this.#watched;
      if (spans % SPANS_PER_LOOK > 0 || performance.now() < sliceEnd) continue;
      this.#progress();
      await setImmediate();
      sliceEnd = performance.now() + SLICE_MS;
    }
    return true;
  }

  /** Schedules, if need be, and decides the next steps that are decided alike; false once all ranks have left. */
  advance(): boolean {
    if (this.#left === 0 && !this.#schedule()) return false;
    this.#watched = this.#decide();
    return true;
  }

  summary(interrupted: boolean, seconds: number): SimulateSummary {
    const options = this.#options;
    const counters = this.#counters;
    const { clockMs, ...scheduler } = this.#model.stats;
    const kinds = graphKinds(options.plan.keys, options.policy);
    return {
      ...counters.decisions,
      ...scheduler,
      ranks: options.ranks,
      requests: this.#requests.length,
      tokens: counters.tokens.tokens,
      paddingRatio: paddingRatio([counters.tokens]),
      ...paddingRatios([counters.tokens]),
      timeRatio: this.#exactCost === 0 ? 0 : this.#paddedCost / this.#exactCost - 1,
      graphs:
        options.ladderEngine === null
          ? options.plan.keys.length
          : decodeGraphs(options.plan.keys, options.policy).length,
      graphKinds: kinds,
      ladderNotes: options.ladderNotes,
      policy: options.policy.name,
      queryLen: options.scheduler.queryLen,
      acceptRate: options.scheduler.acceptRate,
      seed: options.scheduler.seed,
      simulatedSeconds: clockMs / 1000,
      seconds,
      stepsPerSecond: counters.decisions.steps / seconds,
      interrupted,
    };
  }

  /** Has every rank vote on its next batch; false once all have left. */
  #schedule(): boolean {
    if (this.#leaving) return false;
    const model = this.#model;
    const schedule = model.next();
    if (schedule === null) {
      this.#leaving = true;
      this.#group.leave();
      this.#left = 1;
      return true;
    }
    for (let rank = 0; rank < schedule.ranks.length; rank++) {
      if (this.#cuts) {
        const { scheduled } = schedule.ranks[rank];
        this.#group.vote(rank, scheduled, (index) => model.blocksOf((scheduled[index] as Chunk).request));
      } else {
        this.#group.voteTotals(rank, model.totals(rank));
      }
    }
    this.#left = model.complete(MOST_STEPS);
    return true;
  }

  /** Decides as many of the steps voted on as are decided alike, and counts them. Returns the promise of `onSpan`. */
  #decide(): void | Promise<void> {
    const group = this.#group;
    const step = this.#step;
    const decision = group.resolve(step);
    const steps = group.settled ? this.#left : 1;
    this.#count(decision, steps);
    const { onSpan } = this.#control;
    const watched = onSpan?.({ step, steps, rows: group.rules.rows, decision, shape: group.shape() });
    this.#left -= steps;
    this.#step += steps;
    if (this.#left > 0) group.lengthen(steps);
    return watched;
  }

  #count(decision: DecisionView, steps: number): void {
    let tokens = 0;
    let paddedTokens = 0;
    for (let rank = 0; rank < this.#options.ranks; rank++) {
      tokens += this.#group.tokens(rank);
      paddedTokens += this.#group.paddedTokens(rank);
    }
    this.#counters.count(decision, { tokens, paddedTokens }, steps);
    if (decision.run !== 'full' && decision.run !== 'piecewise') return;
    this.#exactCost += steps * this.#cost(decision.maxTokens);
    this.#paddedCost += steps * this.#cost(decision.paddedTokens);
  }

  #progress(): void {
    const { onProgress } = this.#control;
    const now = performance.now();
    if (onProgress === undefined || now < this.#nextProgress) return;
    this.#nextProgress = now + PROGRESS_MS;
    onProgress(progressOf(this.#counters, this.#model.stats, this.#requests.length));
  }
}
