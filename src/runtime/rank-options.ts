import type { DecisionView, VoteIntent } from '../agreement/index.js';
import type { ForwardBatch } from '../batch/index.js';
import type { Device } from '../device/index.js';
import type { DeviceCollectives, Executor, Forward } from '../execution/index.js';
import type { StepPlanner } from '../planner/index.js';
import type { Collective } from '../ranks/index.js';
import type { StepRecorder } from '../recorder/index.js';

/** The components of a rank, which it does not own: dispose the rank first, then these. */
export interface RankOptions {
  /** Plans this rank's steps; its `rank` and `ranks` must be the collective's. */
  readonly planner: StepPlanner;
  /** Runs the steps. */
  readonly device: Device;
  /** Brings the votes of all ranks together. */
  readonly collective: Collective;
  /** The group's collectives for the forward, of `createDeviceCollectives()`. Default: those of a single rank. */
  readonly collectives?: DeviceCollectives;
  /**
   * Makes the model: it may allocate buffers and load kernels on the executor's device and stream. Default: a model without
   * kernels, whose steps bring the metadata to the device and no more.
   */
  readonly forward?: (executor: Executor) => Forward;
  /** Longest wait for peers or for the device, in ms. Default 30,000. */
  readonly timeoutMs?: number;
  /** What to do with a key that only some ranks can capture. Default 'throw'. */
  readonly onAsymmetric?: 'throw' | 'drop';
  /** Check every tensor of every step against its decision before it is launched. Reads every entry. Default false. */
  readonly checkShapes?: boolean;
  /** Keeps the last steps of this rank, for `lockstep replay`: `openRecorder` makes one of this planner. Default none. */
  readonly recorder?: StepRecorder;
  /** Milliseconds: with it `rank.timings()` says where the time of steps goes, by five looks at it a step. Default: nothing is measured. */
  readonly clock?: () => number;
}

/** The result of a step that all ranks took. Both fields are read in place and valid until the next step. */
export interface StepResult {
  /** What all ranks agreed on. */
  readonly decision: DecisionView;
  /** This rank's part; it has no tokens in a parked step. */
  readonly local: ForwardBatch;
}

/** Options of a step: its intent, and what may end its waits. */
export interface StepOptions extends VoteIntent {
  /** Ends the waits of the step with `ERR_ABORTED`. */
  readonly signal?: AbortSignal;
}
