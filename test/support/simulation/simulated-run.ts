import type { LockstepError } from '../../../dist/errors.js';
import type { StepOptions } from '../../../dist/runtime/index.js';
import { Random } from '../../../dist/workload/random.js';
import type { Build } from './build.js';
import { type CaptureCase, drawCapture } from './capture-case.js';
import { drawFault, type End, type Fault, type FaultKind } from './faults.js';
import { type Group, makeGroup, RANKS } from './group.js';
import { judge } from './judge.js';
import { Simulation, type Sleeping } from './scheduler.js';
import { capture } from './simulated-capture.js';
import { strike } from './strike.js';

/** What a run may be told, in place of what its seed draws. */
export interface RunOptions {
  readonly kind?: FaultKind;
  /** Whether the fault comes while the ranks capture, if it is of a kind that can. */
  readonly early?: boolean;
  /** Steps before the ranks begin to leave. */
  readonly steps?: number;
}

/** What a run was, and what it came to. */
export interface RunResult {
  readonly seed: number;
  readonly fault: Fault;
  /** Steps that ranks launched or parked, each rank's counted. */
  readonly rankSteps: number;
  readonly parks: number;
  /** What each capture came to, as text. */
  readonly captured: readonly string[];
  /** Hash of which rank went on when. */
  readonly trace: number;
  readonly ends: readonly End[];
}

/**
 * One run of a group from one seed: it captures, takes steps, and ends by a fault or because all leave.
 * @throws where a law is broken, with the seed.
 */
export async function simulate(build: Build, seed: number, options: RunOptions = {}): Promise<RunResult> {
  const run = new SimulatedRun(build, seed, options);
  try {
    return await run.run();
  } catch (error) {
    const { kind, culprit, step } = run.fault;
    throw new Error(
      `seed ${seed} (${run.transport}; ${kind}, rank ${culprit}, step ${step}): ${(error as Error).message}`,
      {
        cause: error,
      },
    );
  }
}

/** A run in the making: what a fault needs of it. */
export class SimulatedRun {
  readonly build: Build;
  readonly simulation: Simulation;
  readonly fault: Fault;
  readonly transport: 'shared memory' | 'messages';
  readonly timeoutMs: number;
  /** Longest time between two steps of a rank. Unit: milliseconds. */
  readonly thinkMs: number;
  /** Longest time of a message. Unit: milliseconds. */
  readonly delayMs: number;
  readonly group: Group;
  /** What befalls the ranks in each of their captures. */
  readonly captures: CaptureCase[];
  /** What each came to, by the rank that was first; and the hash of the plan that is left. */
  readonly captured: string[] = [];
  planHash: number | null = null;
  readonly ends: (End | undefined)[] = Array.from({ length: RANKS });
  /** The errors of a fault that all agreed on, by rank. */
  readonly faults: LockstepError[][] = Array.from({ length: RANKS }, () => []);
  readonly #seed: number;
  readonly #arrivals: number;
  readonly #firstStep: number;
  readonly #leaveAt: readonly number[];
  #hand: { readonly sleeping: Sleeping; act: () => void } | null = null;

  constructor(build: Build, seed: number, options: RunOptions) {
    const random = new Random(seed);
    const pick = <T>(values: readonly T[]): T => values[random.below(values.length)];
    const steps = options.steps ?? 8 + random.below(160);
    this.build = build;
    this.#seed = seed;
    this.simulation = new Simulation(seed);
    this.transport = pick(['shared memory', 'messages'] as const);
    this.fault = drawFault(random, RANKS, steps, this.transport === 'messages', options.kind, options.early ?? false);
    this.timeoutMs = pick([1000, 30_000]);
    this.thinkMs = pick([1, 5, 20]);
    this.delayMs = pick([0.1, 1, 5]);
    this.#arrivals = pick([0.02, 0.1, 0.4]);
    this.#firstStep = pick([0, 0, 2 ** 31 - 1 - random.below(steps)]);
    this.#leaveAt = Array.from({ length: RANKS }, () => steps + 2 + random.below(4));
    this.captures = [drawCapture(random, RANKS)];
    this.group = makeGroup(build, this.simulation, {
      transport: this.transport,
      timeoutMs: this.timeoutMs,
      delayMs: this.delayMs,
      firstStep: this.#firstStep,
      reliable: !UNRELIABLE.includes(this.fault.kind),
      checkShapes: pick([false, false, false, true]),
      unrecorded: pick([-1, -1, -1, random.below(RANKS)]),
      capture: this.captures[0],
    });
    this.#live();
  }

  async run(): Promise<RunResult> {
    const { simulation, group } = this;
    const ranks = group.members.map((_, rank) => () => this.#lead(rank));
    await simulation.run([...ranks, () => this.#bringWork(), () => this.#strikeLater()]).catch((error: unknown) => {
      throw group.monitor.violation ?? error;
    });
    if (group.monitor.violation !== null) throw group.monitor.violation;
    judge(this);
    const { steps, parks } = group.monitor;
    const ends = this.ends as End[];
    return {
      seed: this.#seed,
      fault: this.fault,
      rankSteps: steps,
      parks,
      captured: this.captured,
      trace: simulation.trace,
      ends,
    };
  }

  /** The step that a rank takes next, counted from 0. */
  stepOf(rank: number): number {
    return (this.group.members[rank].planner.step - this.#firstStep) | 0;
  }

  /** Does something to the culprit while it is in its step, up to `withinMs` milliseconds later. */
  later(withinMs: number, act: () => void): void {
    if (this.#hand === null) return;
    this.#hand.act = act;
    this.#hand.sleeping.until = this.simulation.time + this.simulation.random.uniform() * withinMs;
  }

  /** Ends a rank from outside. */
  end(rank: number, end: End): void {
    this.ends[rank] ??= end;
    if (this.ends.every((each) => each !== undefined)) this.later(0, () => undefined);
  }

  /** The fault happens now. */
  struck(): void {
    this.fault.at = this.simulation.time;
  }

  async #lead(rank: number): Promise<void> {
    const { simulation } = this;
    try {
      await capture(this, rank);
      await this.#steps(rank);
      this.end(rank, { how: 'left', at: simulation.time });
    } catch (thrown) {
      this.end(rank, { how: 'error', at: simulation.time, error: asError(this.build, thrown) });
    }
  }

  async #steps(rank: number): Promise<void> {
    const { simulation, group, fault } = this;
    const { random } = simulation;
    const member = group.members[rank];
    const { traffic, collective } = member;
    let retried = false;
    for (;;) {
      await simulation.sleep(random.uniform() * this.thinkMs);
      const step = this.stepOf(rank);
      // Less than a deadline, and over before the fault.
      if (step < fault.step - 2 && random.below(100) === 0) await simulation.sleep(0.6 * this.timeoutMs);
      // Who has completed what others may give up looks for word of it only much later.
      if (fault.kind === 'rank is late' && step === fault.step + 1) await simulation.sleep(0.6 * this.timeoutMs);
      const leave = step >= this.#leaveAt[rank];
      if (leave) traffic.rest();
      else traffic.schedule(random.uniform() < this.#arrivals);
      const strikes = rank === fault.culprit && step === fault.step && !retried;
      const told: StepOptions = strikes ? await strike(this, member) : {};
      const veto: StepOptions = random.below(16) === 0 ? { graphVeto: 'other' } : {};
      const { sequence } = collective;
      const last = group.monitor.attempts[rank].at(-1);
      try {
        const { decision } = await member.rank.step({
          ...veto,
          ...told,
          ...(leave && told.fault === undefined && { leave }),
        });
        // The last step launches nothing that the device would tell of, and is no park.
        if (decision.leave) group.monitor.launches(rank);
        group.monitor.launched(rank);
        this.#live();
        traffic.ran();
        if (decision.leave) return;
        retried = false;
      } catch (error) {
        group.monitor.failed(rank, asError(this.build, error).code, group.monitor.attempts[rank].at(-1) !== last);
        this.#failed(rank, error, collective.sequence === sequence);
        retried = true;
      }
    }
  }

  /** Goes on where the group is whole, or throws. `before`: this rank had not entered the step's all-gather. */
  #failed(rank: number, error: unknown, before: boolean): void {
    const { LockstepError } = this.build;
    if (!(error instanceof LockstepError)) throw error;
    // Who makes a rank disposes of what it is made of after it.
    if (error.code === 'ERR_DISPOSED') this.group.members[rank].collective.dispose();
    if (error.code === 'ERR_RANK_FAULT') this.faults[rank].push(error);
    else if (error.code !== 'ERR_ABORTED' || !before) throw error;
    else if (hasEnded(this.group.members[rank].collective)) throw error;
    this.group.monitor.unpark();
  }

  /** Brings requests to ranks that are parked, until all ranks have ended. */
  async #bringWork(): Promise<void> {
    const { simulation, group } = this;
    while (this.ends.some((each) => each === undefined)) {
      await simulation.sleep(20 + simulation.random.uniform() * 300);
      const { planner, traffic, collective } = group.members[simulation.random.below(RANKS)];
      if (!collective.waits || planner.frozen) continue;
      traffic.schedule(true);
      for (const each of group.members) if (each.collective.waits) each.collective.wokenAt = simulation.time;
      collective.wake();
    }
  }

  /** Does what a fault asks for later. */
  async #strikeLater(): Promise<void> {
    await this.simulation.sleepOn(null, Number.MAX_VALUE, (sleeping) => {
      this.#hand = { sleeping, act: () => undefined };
    });
    const { act } = this.#hand as { act: () => void };
    this.#hand = null;
    act();
  }

  /** The run goes on: it has some deadlines more. */
  #live(): void {
    this.simulation.endOfTime = this.simulation.time + 5 * this.timeoutMs + 5000;
  }
}

/** Kinds that leave ranks in doubt of each other: docs/ranks.md. */
const UNRELIABLE: readonly FaultKind[] = ['rank dies', 'message is lost', 'message comes twice'];

/** Whether the group has ended: an abort that comes as an all-gather completes is thrown by the next call. */
function hasEnded(collective: Group['members'][number]['collective']): boolean {
  try {
    collective.throwIfEnded();
    return false;
  } catch {
    return true;
  }
}

/** An error as the other ranks learn of it. */
function asError({ LockstepError }: Build, error: unknown): LockstepError {
  return error instanceof LockstepError
    ? error
    : new LockstepError('ERR_RANK_FAULT', String(error), {}, { cause: error });
}
