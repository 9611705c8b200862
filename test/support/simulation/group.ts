import { decodePlan, LOCKSTEP_POLICY } from '../../../dist/entry/planner.js';
import { VOTE_WORDS } from '../../../dist/layout/layout.js';
import type { StepPlanner } from '../../../dist/planner/index.js';
import type { Collective } from '../../../dist/ranks/index.js';
import type { StepRecorder } from '../../../dist/recorder/index.js';
import type { Rank } from '../../../dist/runtime/index.js';
import type { Build } from './build.js';
import { type CaptureCase, SIZES } from './capture-case.js';
import { KEPT_STEPS, Monitor } from './monitor.js';
import { Network } from './network.js';
import { type NullDevice, nullDevice } from './null-device.js';
import type { Simulation } from './scheduler.js';
import { LIMITS, Traffic } from './traffic.js';
import { WatchedCollective } from './watched-collective.js';

export const RANKS = 4;
const PLAN = decodePlan({ sizes: SIZES, limits: LIMITS, policy: LOCKSTEP_POLICY });
/** Longest time that a device takes to settle. Unit: milliseconds. */
export const SETTLE_MS = 5;
/** What ranks in doubt give each other beyond the deadline: docs/ranks.md. Unit: milliseconds. */
const DOUBT_MS = 2000;

/** What a seed draws for the ranks of a run. Times in milliseconds. */
export interface GroupOptions {
  readonly transport: 'shared memory' | 'messages';
  readonly timeoutMs: number;
  /** Longest time of a message. */
  readonly delayMs: number;
  readonly firstStep: number;
  readonly checkShapes: boolean;
  /** Whether every message of a rank that lives arrives, once. */
  readonly reliable: boolean;
  /** The rank whose disk was full when its recorder was to be opened; -1 for none. */
  readonly unrecorded: number;
  readonly capture: CaptureCase;
}

/** Lets reserves and graphs of a capture fail. */
export interface Befall {
  /** From here on, those fail that have these numbers. */
  begin(reserves: ReadonlySet<number>, graphs: ReadonlySet<number>): void;
  end(): void;
}

/** A rank and what it is made of. */
export interface Member {
  readonly rank: Rank;
  readonly planner: StepPlanner;
  readonly traffic: Traffic;
  readonly collective: WatchedCollective;
  readonly recorder: StepRecorder | null;
  /** Makes what the next settle or submit of the rank's device, the next call of its recorder after a gather, or of its forward, throws. */
  readonly throws: Record<'settle' | 'submit' | 'record' | 'forward', (() => Error) | null>;
  readonly befall: Befall;
  /** What of the rank's device is held. */
  readonly held: NullDevice['held'];
}

export interface Group {
  readonly members: readonly Member[];
  readonly monitor: Monitor;
  readonly network: Network | null;
  /** Ends the process, or the thread, of a rank. */
  kill(rank: number): void;
}

/** Ranks of `createRank` over a simulated transport and null devices. */
export function makeGroup(build: Build, simulation: Simulation, options: GroupOptions): Group {
  const { timeoutMs, delayMs, firstStep, checkShapes, capture } = options;
  const { timing } = simulation;
  const messages = options.transport === 'messages';
  const network = messages ? new Network(simulation, RANKS, VOTE_WORDS.length, delayMs, build) : null;
  const threads = build.createThreadsGroup(RANKS);
  const join = (rank: number): Collective => network?.join(rank) ?? build.joinThreads(threads, rank, { timing });
  const planners = Array.from(
    { length: RANKS },
    (_, rank) =>
      new build.StepPlanner(build.modules, {
        limits: LIMITS,
        plan: planOf(capture.lists[rank]),
        rank,
        ranks: RANKS,
        firstStep,
      }),
  );
  const traffics = planners.map((planner) => new Traffic(planner, simulation.random));
  const monitor = new Monitor(build, planners, traffics, options.reliable);
  const laws = {
    longestGather: 1.1 * timeoutMs + (messages ? DOUBT_MS : 0),
    latestWake: SETTLE_MS + (messages ? delayMs : 0) + 1e-6,
  };
  const members = planners.map((planner, index): Member => {
    const throws: Member['throws'] = { settle: null, submit: null, record: null, forward: null };
    const take = (what: keyof typeof throws): void => {
      const make = throws[what];
      throws[what] = null;
      if (make !== null) throw make();
    };
    const collective = new WatchedCollective(join(index), planner.row, monitor, simulation, laws);
    const pause = async (): Promise<void> => {
      if (simulation.random.below(8) === 0) await simulation.sleep(simulation.random.uniform() * SETTLE_MS);
    };
    const befalls = { reserves: NOTHING, graphs: NOTHING, reserve: 0, graph: 0 };
    const { device, held } = nullDevice({
      submit: () => {
        monitor.launches(index);
        take('submit');
      },
      settle: async () => {
        await pause();
        take('settle');
      },
      drain: pause,
      allocate: () => {
        if (befalls.reserves.has(befalls.reserve++)) throw new build.LockstepError('ERR_DEVICE_MEMORY', 'no room');
      },
      instantiate: () => {
        if (!befalls.graphs.has(befalls.graph++)) return;
        const code = simulation.random.below(2) === 0 ? 'ERR_DEVICE_MEMORY' : 'ERR_DEVICE_DRIVER';
        throw new build.LockstepError(code, 'no graph');
      },
    });
    const recorder =
      index === options.unrecorded ? null : build.openRecorder({ planner, path: null, steps: KEPT_STEPS });
    const rank = build.createRank({
      planner,
      device,
      collective,
      timeoutMs,
      checkShapes,
      onAsymmetric: capture.onAsymmetric,
      forward: () => ({ part: () => take('forward') }),
      ...(recorder !== null && { recorder: throwing(recorder, () => take('record')) }),
    });
    const befall: Befall = {
      begin: (reserves, graphs) => void Object.assign(befalls, { reserves, graphs, reserve: 0, graph: 0 }),
      end: () => void Object.assign(befalls, { reserves: NOTHING, graphs: NOTHING }),
    };
    return { rank, planner, traffic: traffics[index], collective, recorder, throws, befall, held };
  });
  const kill = (rank: number): void => {
    if (network !== null) {
      network.kill(rank);
      return;
    }
    simulation.kill(rank);
    // What the supervisor of threads does for one that ended.
    const lost = new build.LockstepError('ERR_RANK_LOST', 'its thread has ended.', { rank });
    build.openGroup(threads, timing).end(RANKS, rank, lost);
  };
  return { members, monitor, network, kill };
}

const NOTHING: ReadonlySet<number> = new Set();

function planOf(sizes: readonly number[]): typeof PLAN {
  return { keys: sizes.map((size) => PLAN.keys.find(({ tokens }) => tokens === size) as (typeof PLAN.keys)[number]) };
}

/** The recorder, with a call between gather and launch that may throw. */
function throwing(recorder: StepRecorder, take: () => void): StepRecorder {
  const calls: Omit<StepRecorder, 'persistent' | 'reason' | 'bytes' | typeof Symbol.dispose> = {
    planner: recorder.planner,
    voted: (sequence) => recorder.voted(sequence),
    gathered: () => {
      take();
      recorder.gathered();
    },
    built: () => recorder.built(),
    launched: (counts) => recorder.launched(counts),
    failed: (code, entered) => recorder.failed(code, entered),
    agrees: (stage, key, sequence) => recorder.agrees(stage, key, sequence),
    agreed: () => recorder.agreed(),
    captured: () => recorder.captured(),
    captureFailed: (code, entered) => recorder.captureFailed(code, entered),
  };
  return calls as StepRecorder;
}
