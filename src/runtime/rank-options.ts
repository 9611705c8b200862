import type { DecisionView, VoteIntent } from '../agreement/index.js';
import type { LocalPlan } from '../batch/index.js';
import type { Device } from '../device/index.js';
import type { Executor, Forward } from '../execution/index.js';
import type { StepPlanner } from '../planner/index.js';
import type { Collective } from '../ranks/index.js';

/** What a rank is made of. The rank owns none of them: dispose the rank first, then these. */
export interface RankOptions {
  readonly planner: StepPlanner;
  readonly device: Device;
  readonly collective: Collective;
  /**
   * Makes the model: it may allocate buffers and load kernels on the executor's device and stream. Default: a model without
   * kernels, whose steps bring the metadata to the device and no more.
   */
  readonly forward?: (executor: Executor) => Forward;
  /** Longest wait for peers or for the device, in ms. Default 30,000. */
  readonly timeoutMs?: number;
  /** What to do about a key that some ranks can capture and some cannot. Default 'throw'. */
  readonly onAsymmetric?: 'throw' | 'drop';
  /** Check every tensor of every step against its decision before it is launched. Reads every entry. Default false. */
  readonly checkShapes?: boolean;
}

/** A step all ranks took. Both are read in place: valid until the next step. */
export interface StepResult {
  readonly decision: DecisionView;
  /** This rank's part; of a parked step, without tokens. */
  readonly local: LocalPlan;
}

/** What may accompany and end a step. */
export interface StepOptions extends VoteIntent {
  readonly signal?: AbortSignal;
}
