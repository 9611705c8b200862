import type { Limits } from '../config.js';
import type { DeviceName } from '../device/index.js';
import type { KvPool } from '../kv-pool.js';
import { DEFAULT_TIMEOUT_MS, WORKLOAD_DEFAULTS } from '../names.js';
import type { Transport } from '../ranks/index.js';
import { type CompleteSimulateOptions, DEFAULT_SIMULATE_OPTIONS, type SimulateOptions } from '../simulation/index.js';
import type { VerifyMode } from './kv-verifier.js';
import type { RunSampling } from './run-sampling.js';

/** Options of `runWorkload`; those left out take their defaults. Those of a simulation decide which steps are taken. */
export interface RunOptions extends SimulateOptions {
  /** Data-parallel ranks, which schedule each on its own. Default 2; with `mpi` as many as the job has processes for. */
  readonly ranks?: number;
  /**
   * Processes of each rank: one replica, whose processes compute the same batch. Each is a worker thread with its own planner
   * and device context. Default 1.
   */
  readonly tensorParallelSize?: number;
  /** Of a model, `numBlocks: 'auto'` fills what the devices have left once graphs are captured. */
  readonly limits?: Partial<Omit<Limits, 'numBlocks'>> & { readonly numBlocks?: number | 'auto' };
  /**
   * With `numBlocks: 'auto'`: the share of each card's memory that may be in use once the KV cache is there; of the host, of what it has
   * left. Above 0, 1 at most. Default 0.9.
   */
  readonly gpuMemoryUtilization?: number;
  /** Seed of the drafts that are accepted, and of the requests that `verify: 'sampled'` reads. Default 0. */
  readonly seed?: number;
  /** The device of every rank, as `openDevice` takes it. Default 'auto'. */
  readonly device?: 'auto' | DeviceName;
  /**
   * `solo` for one process, `threads` for more, `mpi` for a process that an MPI launcher started, beside its like. Default: `solo`
   * or `threads`, whichever fits.
   */
  readonly transport?: Transport;
  /** How much of the KV cache is read back and compared: `full`, every scheduled request; `sampled`, a seeded eighth. Default 'full'. */
  readonly verify?: VerifyMode;
  /** Longest wait for a peer or the device, in ms. Default 30,000. */
  readonly timeoutMs?: number;
  /** Bytes each rank's device may use. Default: no limit of our own. */
  readonly deviceMemory?: number;
  /** Check every tensor of every step against its decision. Default false. */
  readonly checkShapes?: boolean;
  /** JSON Lines file for every step: `{schemaVersion, step, rows[], decision}`, see `StepLogLine`. Default none. */
  readonly stepLog?: string;
  /** JSON Lines file for every captured key: `{key, reservedBytes, allocatedBytes, seconds}` of rank 0. Default none. */
  readonly captureLog?: string;
  /** Folder for the recordings of all ranks, `rank-N.rec` each: their last 1024 steps, also of a process that is killed. Default none. */
  readonly record?: string;
  /**
   * A model to compute: a folder in Hugging Face's layout, `random:dense` or `random:moe`. Its tokens are compared with those of one rank that
   * runs eager. Limits that are left out are the model's, and the blocks that `maxNumSeqs` requests of them need. Default none: the
   * cache holds ids of tokens.
   */
  readonly model?: string;
  /**
   * Of a model: how requests draw their tokens. A draft is accepted when it equals the token that is drawn with the request's seed at its
   * position, so the tokens are those without drafts. Default: all take the most likely token.
   */
  readonly sampling?: RunSampling;
  /**
   * Of a model: plan, vote and submit each step while the one before runs. Its tokens stay on the device and fill the next inputs. Default
   * false.
   */
  readonly async?: boolean;
}

/** Options that follow from the others, or mean no limit, when left out. */
type Derived =
  | 'engine'
  | 'plan'
  | 'twins'
  | 'transport'
  | 'deviceMemory'
  | 'gpuMemoryUtilization'
  | 'stepLog'
  | 'captureLog'
  | 'record'
  | 'model'
  | 'sampling';

const { ranks, ...steps } = DEFAULT_SIMULATE_OPTIONS;

/** The default of every option. */
export const DEFAULT_RUN_OPTIONS: Required<Omit<RunOptions, Derived>> & Readonly<Record<Derived, undefined>> =
  Object.freeze({
    ranks,
    tensorParallelSize: WORKLOAD_DEFAULTS.tensorParallelSize,
    ...steps,
    device: 'auto',
    transport: undefined,
    verify: 'full',
    timeoutMs: DEFAULT_TIMEOUT_MS,
    deviceMemory: undefined,
    gpuMemoryUtilization: undefined,
    checkShapes: false,
    stepLog: undefined,
    captureLog: undefined,
    record: undefined,
    model: undefined,
    sampling: undefined,
    async: false,
  });

/** Options with the defaults of those that were left out. */
export type GivenOptions = Required<Omit<RunOptions, Derived>> & Pick<RunOptions, Derived>;

/** Options with every default filled in and every number checked: plain data that crosses to the workers. */
export interface CompleteRunOptions extends CompleteSimulateOptions {
  /** Processes of each rank. */
  readonly tensorParallelSize: number;
  /** With `pool`, the number of blocks is the least that can be, until the ranks agree on theirs; the scheduler's as well. */
  readonly limits: Limits;
  /** How the blocks are counted with `numBlocks: 'auto'`; null where their number is given. */
  readonly pool: KvPool | null;
  /** The device of every rank. */
  readonly device: 'auto' | DeviceName;
  /** How votes cross the ranks. */
  readonly transport: Transport;
  /** How much is read back and compared. */
  readonly verify: VerifyMode;
  /** Longest wait for a peer or the device, in ms. */
  readonly timeoutMs: number;
  /** Bytes that each rank's device may use; null: no limit of our own. */
  readonly deviceMemory: number | null;
  /** Whether every tensor of every step is checked. */
  readonly checkShapes: boolean;
  /** File for every step; null: none. */
  readonly stepLog: string | null;
  /** File for every captured key; null: none. */
  readonly captureLog: string | null;
  /** Folder for the recordings of all ranks; null: none. */
  readonly record: string | null;
  /** The model to compute; null: the cache holds ids of tokens. */
  readonly model: string | null;
  /** How requests of a model draw their tokens. */
  readonly sampling: Required<RunSampling>;
  /** Whether each step is planned while the one before runs. */
  readonly async: boolean;
}
