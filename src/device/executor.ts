import { LockstepError } from '../errors.js';
import type { CaptureKey } from '../planner/capture-key.js';
import type { DecisionView } from '../planner/decision.js';
import type { LocalPlan } from '../planner/local-plan.js';
import type { StepPlanner } from '../planner/step-planner.js';
import { CommandBlock } from './command-block.js';
import type {
  Device,
  DeviceBuffer,
  DeviceEvent,
  DeviceGraph,
  DeviceModule,
  DeviceStream,
  WaitOptions,
} from './device.js';
import { DeviceMetadata, type DeviceTensors } from './device-metadata.js';

/** What one part of a forward is launched with: buffers at fixed addresses and the counts a graph bakes. */
export interface ForwardPart {
  readonly tensors: DeviceTensors;
  readonly blockTable: DeviceBuffer;
  /** First row of the block table that belongs to the part, and the table's columns. */
  readonly tableRow: number;
  readonly tableWidth: number;
  /** Tokens and requests, padding included. */
  readonly tokens: number;
  readonly requests: number;
}

/** A model's forward: enqueues the kernels of one part. Called while capturing and in eager steps alike. */
export interface Forward {
  part(stream: DeviceStream, part: ForwardPart): void;
}

/**
 * Runs planned steps on one device: uploads a step's metadata to fixed addresses, then replays its graph or launches its
 * kernels. Work is enqueued on one stream in order; `settle` and `synchronize` wait for it.
 */
export class Executor implements Disposable {
  readonly device: Device;
  readonly stream: DeviceStream;
  readonly kernels: DeviceModule;
  readonly metadata: DeviceMetadata;
  readonly #planner: StepPlanner;
  readonly #forward: Forward;
  readonly #commands: CommandBlock;
  /** Recorded when a staging set's upload has been read. */
  readonly #uploaded: readonly [DeviceEvent, DeviceEvent];
  readonly #busy = [false, false];
  #graphs: readonly DeviceGraph[] = [];

  /**
   * `makeForward` gets what a model needs to allocate and load its own buffers and kernels. What was made is disposed of again
   * when a part cannot be had (ERR_DEVICE_MEMORY …); the device is bound to the planner's memory from here on.
   */
  constructor(device: Device, planner: StepPlanner, makeForward: (executor: Executor) => Forward) {
    this.device = device;
    this.#planner = planner;
    const made: Disposable[] = [];
    const keep = <T extends Disposable>(part: T): T => {
      made.unshift(part);
      return part;
    };
    try {
      this.stream = keep(device.createStream());
      this.kernels = keep(device.loadModule());
      this.metadata = keep(new DeviceMetadata(device, this.stream, this.kernels, planner));
      this.#uploaded = [keep(device.createEvent()), keep(device.createEvent())];
      this.#forward = makeForward(this);
      device.bindArena(planner.arena);
      this.#commands = new CommandBlock(this.stream, planner);
      // This device has seen none of the steps that another executor ran for the planner.
      planner.invalidateDeviceTable();
    } catch (error) {
      for (const part of made) part[Symbol.dispose]();
      throw error;
    }
  }

  /** Keys that have a graph. */
  get graphCount(): number {
    return this.#graphs.length;
  }

  /** Columns of the block table. */
  get tableWidth(): number {
    return this.#planner.regions.sizes.tableWidth;
  }

  /** Runs `key`'s forward on an all-padding batch, so that lazily made workspaces exist before the capture. */
  warmUp(key: CaptureKey, options?: WaitOptions): void {
    this.#launchKey(key);
    this.stream.synchronizeSync(options);
  }

  /** Captures `key`'s forward. `beforeEnd` runs when all is recorded: it may free what was reserved for the graph. */
  capture(key: CaptureKey, beforeEnd: () => void = () => {}): DeviceGraph {
    this.stream.beginCapture();
    try {
      this.#launchKey(key);
      beforeEnd();
    } catch (error) {
      this.#dropCapture();
      throw error;
    }
    return this.stream.endCapture();
  }

  /** Says which graph serves which key of the planner's plan, by index. */
  useGraphs(graphs: readonly DeviceGraph[]): void {
    this.#graphs = graphs;
  }

  /** Frees the staging set of the next step, waiting for its upload where it is not over. Call before `vote()`. */
  settle(options?: WaitOptions): void {
    const set = this.#planner.step & 1;
    if (!this.#busy[set]) return;
    this.#uploaded[set].synchronizeSync(options);
    this.#release(set);
  }

  /** `settle` without blocking the event loop. */
  async settled(options?: WaitOptions): Promise<void> {
    const set = this.#planner.step & 1;
    if (!this.#busy[set]) return;
    await this.#uploaded[set].synchronize(options);
    this.#release(set);
  }

  /** Enqueues a built step: uploads, then the graph or the eager kernels. Returns before they have run. */
  launch(decision: DecisionView, local: LocalPlan): void {
    const key = decision.captureKey;
    if (decision.step !== local.step || local.step !== this.#planner.step - 1) {
      throw new LockstepError(
        'ERR_STALE_VIEW',
        `The executor runs the step that was built last (${this.#planner.step - 1}), not decision ${decision.step} with local plan ${local.step}`,
        { decision: decision.step, local: local.step, built: this.#planner.step - 1 },
      );
    }
    try {
      this.metadata.upload(this.#commands, local);
      this.#commands.record(this.#uploaded[local.staging]);
      if (key >= 0) this.#commands.graph(this.#graphs[key]);
      this.#commands.submit();
    } catch (error) {
      // The build counted on this upload: without it, what the device's block table holds is unknown.
      this.#commands.clear();
      this.#planner.invalidateDeviceTable();
      throw error;
    }
    this.#busy[local.staging] = true;
    this.#planner.holdStaging(local.staging);
    if (key >= 0) return;
    if (local.partCount === 1) {
      this.#forward.part(this.stream, this.#part(this.metadata.whole, 0, local.paddedTokens, local.attentionRequests));
      return;
    }
    for (let index = 0; index < local.partCount; index++) {
      const { tableRow, paddedTokens, attentionRequests } = local.part(index);
      this.#forward.part(
        this.stream,
        this.#part(this.metadata.parts[index], tableRow, paddedTokens, attentionRequests),
      );
    }
  }

  [Symbol.dispose](): void {
    for (const graph of this.#graphs) graph.dispose();
    this.metadata[Symbol.dispose]();
    for (const event of this.#uploaded) event.dispose();
    this.stream.dispose();
    this.kernels.dispose();
    for (const set of [0, 1]) if (this.#busy[set]) this.#release(set);
  }

  #launchKey(key: CaptureKey): void {
    if (key.parts === 1) {
      this.#forward.part(this.stream, this.#part(this.metadata.whole, 0, key.tokens, key.decodeRequests));
      return;
    }
    let row = 0;
    for (let index = 0; index < key.parts; index++) {
      const end = index + 1 === key.parts ? key.decodeRequests : this.#planner.partCut(key, index + 1);
      this.#forward.part(
        this.stream,
        this.#part(this.metadata.parts[index], row, (end - row) * key.queryLen, end - row),
      );
      row = end;
    }
  }

  #part(tensors: DeviceTensors, tableRow: number, tokens: number, requests: number): ForwardPart {
    return { tensors, blockTable: this.metadata.blockTable, tableRow, tableWidth: this.tableWidth, tokens, requests };
  }

  /** Ends a capture that failed, whose own error matters more than that of its end. */
  #dropCapture(): void {
    try {
      this.stream.endCapture().dispose();
    } catch {
      // The stream has left the capture all the same.
    }
  }

  #release(set: number): void {
    this.#busy[set] = false;
    this.#planner.releaseStaging(set);
  }
}
