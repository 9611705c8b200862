import type { DecisionView } from '../agreement/index.js';
import type { ForwardBatch } from '../batch/index.js';
import { checkArguments } from '../checks.js';
import type { Device, DeviceEvent, DeviceModule, DevicePool, DeviceStream } from '../device/index.js';
import { LockstepError, shown } from '../errors.js';
import type { CaptureKey } from '../keys/index.js';
import { stagingOf } from '../layout/index.js';
import { type DevicePort, devicePort, StepPlanner } from '../planner/index.js';
import type { CaptureLack } from '../ranks/index.js';
import type { WaitOptions } from '../wait.js';
import { runWaitingSync, type Wait, type Waiting } from '../waiting.js';
import { type DeviceCollectives, SoloCollectives } from './collectives/index.js';
import { CommandBlock } from './command-block.js';
import { DeviceMetadata } from './device-metadata.js';
import { disposeAll } from './dispose-all.js';
import type { Forward } from './forward.js';
import { ForwardDriver } from './forward-driver.js';
import type { KeyGraphs } from './key-graphs.js';
import { Lanes } from './lanes.js';
import type { OnRecorded } from './piece-recorder.js';

/**
 * Runs planned steps on one device: uploads a step's metadata to fixed addresses, then replays its graphs or launches its
 * kernels. Work is enqueued on one stream in order; `settle` and `synchronize` wait for it.
 */
export class Executor implements Disposable {
  /** The device that steps run on; a forward allocates its buffers here. */
  readonly device: Device;
  /** Steps run on this stream, in order. */
  readonly stream: DeviceStream;
  /** The built-in kernels of the device. */
  readonly kernels: DeviceModule;
  /** The device's copies of a step's tensors, at fixed addresses. */
  readonly metadata: DeviceMetadata;
  /** Scratch memory, which the forward takes again for every key and eager step; the graphs of all keys share it. */
  readonly pool: DevicePool;
  /** The group's collectives, of a single rank where none were given. */
  readonly collectives: DeviceCollectives;
  /** Where a forward enqueues parts that hold collectives. */
  readonly lanes: Lanes;
  /** Collectives of the steps that were launched: those in graphs, and those that were enqueued in eager steps and between graphs. */
  readonly collectiveCounts = { inGraphs: 0, eager: 0 };
  readonly #planner: StepPlanner;
  readonly #port: DevicePort;
  readonly #driver: ForwardDriver;
  readonly #commands: CommandBlock;
  /** Recorded when a staging set's upload has been read. */
  readonly #uploaded: readonly [DeviceEvent, DeviceEvent];
  readonly #busy = [false, false];
  #graphs: readonly KeyGraphs[] = [];

  /**
   * `makeForward` gets what a model needs to allocate and load its own buffers and kernels. What was already made is disposed of
   * if a part cannot be made (ERR_DEVICE_MEMORY …); the device is bound to the planner's memory from here on.
   */
  constructor(
    device: Device,
    planner: StepPlanner,
    makeForward: (executor: Executor) => Forward,
    collectives: DeviceCollectives = new SoloCollectives(),
  ) {
    if (!(planner instanceof StepPlanner)) throw notPlanner(planner);
    checkArguments('Executor', { device: [device, 'object'], makeForward: [makeForward, 'function'] });
    this.device = device;
    this.collectives = collectives;
    this.#planner = planner;
    this.#port = devicePort(planner);
    const made: Disposable[] = [];
    const keep = <T extends Disposable>(part: T): T => {
      made.unshift(part);
      return part;
    };
    try {
      this.stream = keep(device.createStream());
      this.kernels = keep(device.loadModule());
      this.metadata = keep(new DeviceMetadata(device, this.stream, this.kernels, this.#port));
      this.pool = keep(device.createPool());
      this.lanes = keep(new Lanes(device, this.stream, collectives));
      this.#uploaded = [keep(device.createEvent()), keep(device.createEvent())];
      this.#driver = new ForwardDriver(makeForward(this), this.stream, planner, this.metadata, this.pool, this.lanes);
      device.bindArena(this.#port.arena);
      this.#commands = new CommandBlock(this.stream, this.#port);
      // This device has none of the steps that another executor ran for the planner.
      this.#port.invalidateDeviceTable();
    } catch (error) {
      for (const part of made) part[Symbol.dispose]();
      throw error;
    }
  }

  /** Keys that are captured. */
  get graphCount(): number {
    return this.#graphs.length;
  }

  /** Columns of the block table. */
  get tableWidth(): number {
    return this.#planner.local.tableWidth;
  }

  /** What the forward lacks for capturing `key`. */
  lack(key: CaptureKey): CaptureLack {
    return this.#driver.lack(key);
  }

  /** Runs `key`'s forward on an all-padding batch, so that lazily made workspaces exist before the capture. */
  warmUp(key: CaptureKey, options?: WaitOptions): void {
    runWaitingSync(this.warmingUp(key, options));
  }

  /** `warmUp`, in either form. */
  *warmingUp(key: CaptureKey, options?: WaitOptions): Waiting<void> {
    this.#driver.runKey(key);
    yield this.#drained(options);
  }

  /**
   * Captures `key`'s forward. `recorded` runs between the recording of a graph and its instantiation, which takes its memory:
   * it may free the memory reserved for it.
   */
  capture(key: CaptureKey, recorded: OnRecorded = () => {}): KeyGraphs {
    return this.#driver.capture(key, recorded);
  }

  /** Says which graphs serve which key of the planner's plan, by index. */
  useGraphs(graphs: readonly KeyGraphs[]): void {
    this.#graphs = graphs;
  }

  /** Frees the staging set of the next step, waiting for its upload if necessary. Call before `vote()`. */
  settle(options?: WaitOptions): void {
    const set = stagingOf(this.#planner.step);
    if (!this.#busy[set]) return;
    this.#uploaded[set].synchronizeSync(options);
    this.#release(set);
  }

  /** `settle` without blocking the event loop. */
  async settled(options?: WaitOptions): Promise<void> {
    const set = stagingOf(this.#planner.step);
    if (!this.#busy[set]) return;
    const uploaded = this.#uploaded[set];
    // Where nothing has to be waited for, no promise of the addon is made.
    if (options?.signal?.aborted === true || !uploaded.query()) await uploaded.synchronize(options);
    this.#release(set);
  }

  /**
   * Enqueues a built step: uploads, then its graph, the pieces' graphs with attention between them, or the eager kernels.
   * Returns before they have run.
   */
  launch(decision: DecisionView, local: ForwardBatch): void {
    const key = decision.captureKey;
    const replay = key >= 0 ? this.#graphs[key].replay(local.partCount) : null;
    const built = (this.#planner.step - 1) | 0;
    if (decision.step !== local.step || local.step !== built) {
      throw new LockstepError(
        'ERR_STALE_VIEW',
        `The executor runs the step that was built last (${built}), not decision ${decision.step} with forward batch ${local.step}`,
        { decision: decision.step, local: local.step, built },
      );
    }
    // What fills tensors comes between the uploads and the first graph.
    const first = this.#driver.fills ? null : (replay?.first ?? null);
    try {
      this.metadata.upload(this.#commands, local, this.#driver.supply(local));
      this.#commands.record(this.#uploaded[local.staging]);
      if (first !== null) this.#commands.graph(first);
      this.#commands.submit();
    } catch (error) {
      // The build counted on this upload: without it, what the device's block table holds is unknown.
      this.#commands.clear();
      this.#port.invalidateDeviceTable();
      throw error;
    }
    this.#busy[local.staging] = true;
    this.#port.holdStaging(local.staging);
    if (this.#driver.fills) this.#driver.fill(decision, local);
    const ran = this.lanes.ran;
    if (decision.run === 'eager') this.#driver.runStep(decision, local);
    else if (decision.run === 'piecewise')
      this.#driver.replayPieces(this.#graphs[key], decision, local, first !== null);
    else this.#driver.replayFull(this.#graphs[key], first !== null);
    this.collectiveCounts.eager += this.lanes.ran - ran;
    if (replay !== null) this.collectiveCounts.inGraphs += replay.inGraph;
  }

  /** Enqueues the kernels or graphs of the step that was launched last once more, on what it uploaded: for measuring the device alone. */
  repeat(decision: DecisionView, local: ForwardBatch): void {
    if (decision.run === 'eager') this.#driver.runStep(decision, local);
    else if (decision.run === 'piecewise')
      this.#driver.replayPieces(this.#graphs[decision.captureKey], decision, local, false);
    else this.#driver.replayFull(this.#graphs[decision.captureKey], false);
  }

  /** Frees the graphs of an earlier capture, once the steps that replay them have run: until the next `useGraphs` no key has any. */
  *droppingGraphs(options?: WaitOptions): Waiting<void> {
    if (this.#graphs.length === 0) return;
    yield this.#drained(options);
    const graphs = this.#graphs;
    this.#graphs = [];
    disposeAll(graphs);
  }

  /** Frees every part, whatever becomes of the others; then throws the first error. */
  [Symbol.dispose](): void {
    try {
      disposeAll([...this.#graphs, this.lanes, this.pool, this.metadata, ...this.#uploaded, this.stream, this.kernels]);
    } finally {
      for (const set of [0, 1]) if (this.#busy[set]) this.#release(set);
    }
  }

  /** All that is enqueued has run. */
  #drained(options: WaitOptions | undefined): Wait {
    return {
      sync: () => this.stream.synchronizeSync(options),
      async: () => this.stream.synchronize(options),
    };
  }

  #release(set: number): void {
    this.#busy[set] = false;
    this.#port.releaseStaging(set);
  }
}

function notPlanner(planner: unknown): LockstepError {
  return new LockstepError('ERR_CONFIG_INVALID', `planner is ${shown(planner)}; give one of createPlanner`);
}
