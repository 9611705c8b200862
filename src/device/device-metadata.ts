import { TENSOR_BYTES, TENSORS, type TensorName, tensorPadding } from '../planner/layout.js';
import type { LocalPlan } from '../planner/local-plan.js';
import type { MetadataCounts, MetadataView } from '../planner/metadata.js';
import { stepLength } from '../planner/metadata.js';
import { tensorLength } from '../planner/regions.js';
import type { StepPlanner } from '../planner/step-planner.js';
import type { CommandBlock } from './command-block.js';
import type { Device, DeviceBuffer, DeviceModule, DeviceStream } from './device.js';

/** Device buffers of one view: the whole batch, or one part. Their addresses are what graphs bake. */
export type DeviceTensors = Readonly<Record<TensorName, DeviceBuffer>>;

/** Device copies of a planner's metadata: one set, whatever staging set a step comes from. */
export class DeviceMetadata implements Disposable {
  readonly whole: DeviceTensors;
  readonly parts: readonly DeviceTensors[];
  /** i32[maxPaddedRequests, tableWidth]. */
  readonly blockTable: DeviceBuffer;
  readonly #planner: StepPlanner;
  readonly #buffers: DeviceBuffer[] = [];

  /**
   * Allocates every buffer and enqueues an all-padding batch into it, by the planner's padding record, so that a warm-up reads
   * nothing but padding.
   */
  constructor(device: Device, stream: DeviceStream, kernels: DeviceModule, planner: StepPlanner) {
    this.#planner = planner;
    const { sizes } = planner.regions;
    const allocate = (bytes: number): DeviceBuffer => {
      const buffer = device.allocate(bytes);
      this.#buffers.push(buffer);
      return buffer;
    };
    const view = (): DeviceTensors =>
      Object.fromEntries(
        TENSORS.map((name) => [name, allocate(Math.max(1, tensorLength(name, sizes)) * TENSOR_BYTES[name])]),
      ) as DeviceTensors;
    try {
      this.whole = view();
      this.parts = sizes.maxParts > 1 ? Array.from({ length: sizes.maxParts }, view) : [];
      this.blockTable = allocate(sizes.maxPaddedRequests * sizes.tableWidth * 4);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
    const fill = kernels.kernel('fill');
    for (const tensors of [this.whole, ...this.parts]) {
      for (const name of TENSORS) {
        stream.launch(fill, [tensors[name], tensorPadding(name, sizes.paddedSeqLen), tensors[name].bytes / 4]);
      }
      // A padded request that has a token has one block, the null block.
      if (sizes.maxKvIndices > 0 && sizes.paddedSeqLen > 0) {
        stream.upload(
          tensors.kvIndptr,
          0,
          Int32Array.from({ length: tensors.kvIndptr.bytes / 4 }, (_, request) => request),
        );
      }
    }
    stream.launch(fill, [this.blockTable, 0, this.blockTable.bytes / 4]);
  }

  /**
   * Adds to `commands` the uploads of a step's tensors from its staging set, those that the device supplies only where they were
   * written there (`supplied`), and of the block table's changes.
   */
  upload(commands: CommandBlock, local: LocalPlan, supplied: boolean): void {
    const { regions } = this.#planner;
    const view = (index: number, tensors: DeviceTensors, counts: MetadataCounts, staged: MetadataView): void => {
      for (const name of TENSORS) {
        if (tensorLength(name, regions.sizes) === 0 || (regions.deviceSupplied.has(name) && !supplied)) continue;
        const bytes = stepLength(name, counts, staged) * TENSOR_BYTES[name];
        if (bytes > 0) commands.upload(tensors[name], 0, regions.tensor(local.staging, index, name), bytes);
      }
    };
    view(0, this.whole, local, local.tensors);
    if (local.partCount > 1) {
      for (let part = 0; part < local.partCount; part++) {
        view(1 + part, this.parts[part], local.part(part), local.partTensors[part]);
      }
    }
    if (local.tableEdits > 0) {
      const edits = regions.region('tableEdits');
      const table = regions.region(local.staging === 0 ? 'blockTable0' : 'blockTable1');
      commands.uploadRows(this.blockTable, edits.offset, local.tableEdits, local.tableWidth, table.offset);
    }
  }

  [Symbol.dispose](): void {
    for (const buffer of this.#buffers) buffer.dispose();
  }
}
