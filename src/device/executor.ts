import type { CaptureKey } from '../planner/capture-plan.js';
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

  /** `makeForward` gets what a model needs to allocate and load its own buffers and kernels. */
  constructor(device: Device, planner: StepPlanner, makeForward: (executor: Executor) => Forward) {
    this.device = device;
    this.#planner = planner;
    device.bindArena(planner.arena);
    this.stream = device.createStream();
    this.kernels = device.loadModule();
    this.metadata = new DeviceMetadata(device, this.stream, this.kernels, planner);
    this.#commands = new CommandBlock(this.stream, planner);
    this.#uploaded = [device.createEvent(), device.createEvent()];
    this.#forward = makeForward(this);
  }

  /** Runs `key`'s forward on an all-padding batch, so that lazily made workspaces exist before the capture. */
  warmUp(key: CaptureKey, options?: WaitOptions): void {
    this.#launchKey(key);
    this.stream.synchronizeSync(options);
  }

  /** Captures `key`'s forward. */
  capture(key: CaptureKey): DeviceGraph {
    this.stream.beginCapture();
    try {
      this.#launchKey(key);
    } catch (error) {
      this.stream.endCapture().dispose();
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
    this.metadata.upload(this.#commands);
    this.#commands.record(this.#uploaded[local.staging]);
    if (key >= 0) this.#commands.graph(this.#graphs[key]);
    this.#commands.submit();
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
    const { tableWidth } = this.#planner.regions.sizes;
    return { tensors, blockTable: this.metadata.blockTable, tableRow, tableWidth, tokens, requests };
  }

  #release(set: number): void {
    this.#busy[set] = false;
    this.#planner.releaseStaging(set);
  }
}
