import type { Limits } from '../config.js';
import type { DeviceName } from '../device/index.js';
import type { CapturePlan } from '../keys/index.js';
import type { KvPool } from '../kv-pool.js';
import type { Policy } from '../policy/index.js';
import type { ModelSource } from './model-source.js';

/** What a process of a service gets at its start. */
export interface RankSetup {
  readonly model: ModelSource;
  /** With `pool`, the number of blocks is another, which the ranks agree on. */
  readonly limits: Limits;
  readonly pool: KvPool | null;
  readonly policy: Policy;
  readonly plan: CapturePlan;
  readonly device: 'auto' | DeviceName;
  readonly deviceMemory: number | null;
  readonly tensorParallelSize: number;
  readonly timeoutMs: number;
  /** Whether each step is planned while the one before runs. */
  readonly async: boolean;
  /** Memory of its replica's `MessageOrder`; null for a process of an MPI job. */
  readonly order: SharedArrayBuffer | null;
}
