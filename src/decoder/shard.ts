import type { ModelConfig } from '../checkpoint/index.js';
import { Faults } from '../checks.js';

/** This rank's share of a model. */
export interface Shard {
  /** Ranks of the replica, which compute the same tokens: each has its heads, and its columns of every product. */
  readonly size: number;
  readonly rank: number;
  /** Experts of this rank, which are spread over all ranks of the group; 0 of a dense model. */
  readonly firstExpert: number;
  readonly experts: number;
}

/** The ranks that a model is spread over. */
export interface ShardOptions {
  /** Of this rank, and of all. */
  readonly rank: number;
  readonly ranks: number;
  readonly tensorParallelSize: number;
  /** Whether ranks exchange what their devices hold. Without it each has all experts. */
  readonly exchange: boolean;
}

/** How a model that `checkModelLimits` takes is cut. Errors: ERR_CONFIG_INVALID where ranks of a replica cannot exchange what they compute. */
export function shardOf(config: ModelConfig, options: ShardOptions): Shard {
  const { rank, ranks, tensorParallelSize: size, exchange } = options;
  const faults = new Faults();
  faults.check(
    size === 1 || exchange,
    `tensorParallelSize is ${size}, and these ranks' devices cannot exchange data; run them on the host, as threads of one process, or on GPUs with NCCL`,
    'tensorParallelSize',
  );
  faults.throwIfAny('These options');
  const of = exchange ? { rank, ranks } : { rank: 0, ranks: 1 };
  const firstExpert = Math.floor((config.experts * of.rank) / of.ranks);
  const nextExpert = Math.floor((config.experts * (of.rank + 1)) / of.ranks);
  return { size, rank: rank % size, firstExpert, experts: nextExpert - firstExpert };
}
