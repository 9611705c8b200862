import type { Limits } from '../config.js';
import { type DeviceName, openDevice } from '../device/index.js';
import { LockstepError } from '../errors.js';
import { createDeviceCollectives, type DeviceCollectives, type Executor, type Forward } from '../execution/index.js';
import type { CapturePlan } from '../keys/index.js';
import type { KvPool } from '../kv-pool.js';
import type { PlannerModules } from '../memory/index.js';
import { StepPlanner } from '../planner/index.js';
import type { Policy } from '../policy/index.js';
import type { Collective } from '../ranks/index.js';
import { agreeOnBlocksSync } from './agree-on-blocks.js';
import { createRank } from './rank.js';

/** A rank as it will be, but for its KV pool. */
export interface PoolMeasure {
  readonly modules: PlannerModules;
  readonly limits: Limits;
  readonly policy: Policy;
  readonly plan: CapturePlan;
  readonly pool: KvPool;
  readonly device: 'auto' | DeviceName;
  readonly deviceMemory: number | null;
  readonly tensorParallelSize: number;
  readonly timeoutMs: number;
  readonly collective: Collective;
  readonly interrupted: () => boolean;
  /** Makes the forward for limits with a pool of few blocks; `blockBytes` is what each of them takes. */
  readonly forward: (executor: Executor, limits: Limits) => Forward & Disposable & { readonly blockBytes?: number };
}

/** Blocks of the pool with which graphs are captured to be measured: the null block, and one. */
const FEW_BLOCKS = 2;

/**
 * Measures how many KV blocks every rank's device has room for beside weights, workspaces and graphs. Graphs hold the addresses of the
 * pool, so it must be there before they are captured: here each rank is made with two blocks, captures, looks at what
 * is left, agrees with its peers, and is freed again. The caller then makes it with what was agreed. Every rank calls it; blocks this thread.
 * Errors: those of making and capturing a rank; `ERR_CONFIG_INVALID` for a forward without `blockBytes`; those of `agreeOnBlocksSync`.
 */
export function measureBlocksSync(given: PoolMeasure): number {
  const { modules, plan, policy, collective, deviceMemory, timeoutMs, tensorParallelSize: replicaSize } = given;
  const limits = { ...given.limits, numBlocks: FEW_BLOCKS };
  const { rank: place, size: ranks } = collective;
  using device = openDevice({
    device: given.device,
    ...(deviceMemory === null ? {} : { memoryLimit: deviceMemory }),
  });
  using planner = new StepPlanner(modules, { limits, plan, policy, rank: place, ranks, replicaSize });
  using collectives: DeviceCollectives = createDeviceCollectives({ device, collective, timeoutMs });
  let forward: ReturnType<PoolMeasure['forward']> | undefined;
  using _made = { [Symbol.dispose]: () => forward?.[Symbol.dispose]() };
  using rank = createRank({
    ...{ planner, device, collective, collectives, timeoutMs },
    forward: (executor) => {
      forward = given.forward(executor, limits);
      return forward;
    },
  });
  const { blockBytes } = forward ?? {};
  if (blockBytes === undefined || !(blockBytes > 0)) throw unknownBlocks();
  rank.captureSync({ interrupted: given.interrupted });
  const heldBytes = FEW_BLOCKS * blockBytes;
  return agreeOnBlocksSync({ device, collective, limits, pool: given.pool, blockBytes, heldBytes, timeoutMs });
}

function unknownBlocks(): LockstepError {
  return new LockstepError(
    'ERR_CONFIG_INVALID',
    'numBlocks is auto, and this forward does not say what a block takes: give it blockBytes, or numBlocks a number.',
    { options: ['numBlocks'] },
  );
}
