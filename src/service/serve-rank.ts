import { setImmediate } from 'node:timers/promises';
import type { Limits } from '../config.js';
import type { AheadSampling, SamplingForward } from '../decoder/index.js';
import { openDevice } from '../device/index.js';
import { LockstepError } from '../errors.js';
import { createDeviceCollectives, type Executor } from '../execution/index.js';
import { loadModules } from '../memory/index.js';
import { StepPlanner } from '../planner/index.js';
import type { RankConnection } from '../ranks/index.js';
import { createRank, measureBlocksSync, type PoolMeasure, type Rank } from '../runtime/index.js';
import { AheadSteps } from './ahead-steps.js';
import { forwardMaker } from './model-source.js';
import { RankEngine } from './rank-engine.js';
import { ENDS, type FromRank } from './rank-messages.js';
import { abandon, type RankPlace, takePlace } from './rank-place.js';
import type { RankSetup } from './rank-setup.js';

/** Milliseconds between two counts of a rank that works. */
const STATS_MS = 250;

/** Serves on one process until all ranks agree to leave, which they do once they are interrupted and have no work. */
export async function serveRank(seat: RankConnection, setup: RankSetup): Promise<void> {
  using place = takePlace(seat, setup);
  try {
    await serveAt(place, setup);
  } catch (error) {
    if (setup.order === null) abandon(place.collective, error);
    throw error;
  }
}

async function serveAt(place: RankPlace, setup: RankSetup): Promise<void> {
  const { policy, plan, tensorParallelSize: replicaSize, timeoutMs } = setup;
  const { collective } = place;
  const [modules, make] = await Promise.all([loadModules(), forwardMaker(setup.model)]);
  const { device: name, deviceMemory, async: ahead } = setup;
  const interrupted = (): boolean => place.interrupted();
  const forwardOf = (executor: Executor, limits: Limits): SamplingForward => make(executor, limits, { ahead });
  const limits = agreedLimits(setup, { modules, collective, interrupted, forward: forwardOf });
  using device = openDevice({ device: name, ...(deviceMemory === null ? {} : { memoryLimit: deviceMemory }) });
  using planner = new StepPlanner(modules, {
    ...{ limits, plan, policy, replicaSize },
    rank: collective.rank,
    ranks: collective.size,
  });
  using collectives = createDeviceCollectives({ device, collective, timeoutMs });
  let forward: SamplingForward | undefined;
  using _made = { [Symbol.dispose]: () => forward?.[Symbol.dispose]() };
  using rank = createRank({
    planner,
    device,
    collective,
    collectives,
    timeoutMs,
    forward: (executor) => {
      forward = forwardOf(executor, limits);
      return forward;
    },
  });
  if (forward === undefined) throw new RangeError('the rank made no forward');
  const { captured } = rank.captureSync({ interrupted });
  const engine = new RankEngine({ planner, timeoutMs });
  const steps = ahead ? new AheadSteps(engine, aheadOf(forward), timeoutMs) : null;
  const loop = new ServiceLoop({ place, rank, forward, engine, ahead: steps });
  const { kind, choice } = device;
  loop.tell({
    kind: 'ready',
    device: kind,
    deviceChoice: choice,
    graphs: captured.length,
    numBlocks: limits.numBlocks,
  });
  await loop.run();
  // Kernels of the last step may read what is freed now.
  rank.executor.stream.synchronizeSync({ timeoutMs });
}

/** The limits of every rank, with the blocks that all have room for where they are to be measured. */
function agreedLimits(
  setup: RankSetup,
  of: Pick<PoolMeasure, 'modules' | 'collective' | 'interrupted' | 'forward'>,
): Limits {
  const { pool, limits } = setup;
  return pool === null ? limits : { ...limits, numBlocks: measureBlocksSync({ ...setup, ...of, pool }) };
}

/** Errors: `ERR_CONFIG_INVALID` for a forward whose tokens pass the host. */
function aheadOf({ ahead }: SamplingForward): AheadSampling {
  if (ahead !== undefined) return ahead;
  throw new LockstepError(
    'ERR_CONFIG_INVALID',
    'async plans steps before their tokens are known, and this forward keeps none on the device: give it ahead, or leave async out',
    { options: ['async'] },
  );
}

interface ServiceLoopParts {
  readonly place: RankPlace;
  readonly rank: Rank;
  readonly forward: SamplingForward;
  readonly engine: RankEngine;
  /** Takes the engine's steps where they are planned ahead. */
  readonly ahead: AheadSteps | null;
}

/** The steps of one process of a service. Messages come in between two steps, and wake a parked group. */
class ServiceLoop {
  readonly #parts: ServiceLoopParts;
  /** Whether this process speaks for its replica. */
  readonly #speaks: boolean;
  #parked = false;
  #nextStats = 0;
  #told = { seen: 0, running: 0, waiting: 0 };

  constructor(parts: ServiceLoopParts) {
    this.#parts = parts;
    this.#speaks = parts.rank.planner.rank % parts.rank.planner.replicaSize === 0;
  }

  tell(message: FromRank): void {
    if (this.#speaks) this.#parts.place.report(message);
  }

  async run(): Promise<void> {
    const { place, rank, forward, engine, ahead } = this.#parts;
    const { order } = place;
    for (;;) {
      const localWork = (): boolean => engine.hasWork || order.waiting || place.interrupted();
      if (this.#parked) await rank.collective.waitForWork({ localWork });
      else await setImmediate();
      const events = await order.take(rank.planner.step);
      // A step may have no chunk though requests are not done: they wait for what the step before says.
      const leaves = place.interrupted() && !engine.hasWork;
      const { decision } =
        ahead === null ? engine.stepSync(rank, forward, events, leaves) : ahead.stepSync(rank, events, leaves);
      this.#parked = decision.run === 'park';
      this.#report();
      if (decision.leave) return;
    }
  }

  #report(): void {
    const { place, rank, engine } = this.#parts;
    const said = engine.take();
    const { taken: seen } = place.order;
    const { running, waiting } = engine;
    const told = this.#told;
    if (said.length > 0 || told.seen !== seen || told.running !== running || told.waiting !== waiting) {
      this.#told = { seen, running, waiting };
      const tokens = new Int32Array(3 * said.length);
      for (const [index, { id, token, end }] of said.entries()) {
        tokens.set([id, token, ENDS.indexOf(end)], 3 * index);
      }
      const isAsked = said.some(({ logprobs }) => logprobs !== undefined);
      const likelihoods = isAsked ? { logprobs: said.map(({ logprobs = null }) => logprobs) } : {};
      this.tell({ kind: 'step', seen, running, waiting, tokens, ...likelihoods });
    }
    const now = performance.now();
    if (now < this.#nextStats && !this.#parked) return;
    this.#nextStats = now + STATS_MS;
    this.tell({ kind: 'stats', engine: engine.stats, steps: rank.stats() });
  }
}
