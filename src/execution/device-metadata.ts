import type { ForwardBatch } from '../batch/index.js';
import type { Device, DeviceBuffer, DeviceModule, DeviceStream } from '../device/index.js';
import {
  KV_GROUP_TENSORS,
  type KvGroupTensorName,
  TENSOR_BYTES,
  type TensorName,
  tensorPadding,
  VIEW_TENSORS,
} from '../layout/index.js';
import { type KvGroupSizes, tensorLength } from '../memory/index.js';
import type { DevicePort } from '../planner/index.js';
import type { CommandBlock } from './command-block.js';
import { disposeAll } from './dispose-all.js';
import { StagedTensors } from './staged-tensors.js';

/** Device buffers of one view: the whole batch, or one part. Their addresses are what graphs bake. */
export type DeviceTensors = Readonly<Record<TensorName, DeviceBuffer>>;

/** Device buffers of what one KV cache group has of its own. */
export interface DeviceKvGroup {
  /** The group's tensors of the whole batch. */
  readonly whole: DeviceGroupTensors;
  /** The same of each part; empty where steps have one part. */
  readonly parts: readonly DeviceGroupTensors[];
  /** i32[maxPaddedRequests, tableWidth of the group]. */
  readonly blockTable: DeviceBuffer;
}

/** The buffers that one KV cache group has of its own in a view. */
export type DeviceGroupTensors = Pick<DeviceTensors, KvGroupTensorName>;

/**
 * A device's copy of a planner's metadata: one buffer that mirrors a staging set, used for steps from either set. What a step needs
 * of it is copied from the planner's memory as a list of ranges.
 */
export class DeviceMetadata implements Disposable {
  readonly whole: DeviceTensors;
  readonly parts: readonly DeviceTensors[];
  /** i32[maxPaddedRequests, tableWidth]. */
  readonly blockTable: DeviceBuffer;
  /** Each KV cache group's own buffers; those of the first are in the views above too. */
  readonly groups: readonly DeviceKvGroup[];
  /** Laid out as a staging set is; all buffers above are ranges of it. */
  readonly #mirror: DeviceBuffer;
  readonly #buffers: DeviceBuffer[] = [];
  readonly #sets: readonly [StagedTensors, StagedTensors];

  /**
   * Allocates the buffer and enqueues an all-padding batch into it, by the planner's padding record, so that a warm-up reads
   * only padding.
   */
  constructor(device: Device, stream: DeviceStream, kernels: DeviceModule, port: DevicePort) {
    const { sizes, mirror, tensor, groups } = port.regions;
    const [begin] = mirror.sets;
    this.#mirror = device.allocate(mirror.bytes);
    this.#sets = [new StagedTensors(port, 0), new StagedTensors(port, 1)];
    const buffer = (offset: number, bytes: number): DeviceBuffer => {
      const made = this.#mirror.range(offset - begin, bytes);
      this.#buffers.push(made);
      return made;
    };
    const tensors = <N extends TensorName>(
      names: readonly N[],
      group: KvGroupSizes,
      offsetOf: (name: N) => number,
    ): Pick<DeviceTensors, N> => {
      // A tensor that this planner lacks is one entry of the slack where it would be.
      const bytes = (name: N): number => Math.max(1, tensorLength(name, sizes, group)) * TENSOR_BYTES[name];
      return Object.fromEntries(names.map((name) => [name, buffer(offsetOf(name), bytes(name))])) as Pick<
        DeviceTensors,
        N
      >;
    };
    const parts = sizes.maxParts > 1 ? sizes.maxParts : 0;
    try {
      this.groups = groups.map((group) => {
        const of = (view: number): DeviceGroupTensors =>
          tensors(KV_GROUP_TENSORS, group.sizes, (name) => group.tensor(0, view, name));
        const table = group.region('blockTable0');
        return {
          whole: of(0),
          parts: Array.from({ length: parts }, (_, part) => of(1 + part)),
          blockTable: buffer(table.offset, table.bytes),
        };
      });
      const [first] = this.groups;
      const of = (view: number, ofGroup: DeviceGroupTensors): DeviceTensors => ({
        ...tensors(VIEW_TENSORS, sizes.groups[0], (name) => tensor(0, view, name)),
        ...ofGroup,
      });
      this.whole = of(0, first.whole);
      this.parts = first.parts.map((part, index) => of(1 + index, part));
      this.blockTable = first.blockTable;
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
    const fill = kernels.kernel('fill');
    const pad = <N extends TensorName>(tensors: Pick<DeviceTensors, N>, names: readonly N[]): void => {
      for (const name of names) {
        stream.launch(fill, [tensors[name], tensorPadding(name, sizes.paddedSeqLen), tensors[name].bytes / 4]);
      }
    };
    // A padded request that has a token has one block, the null block.
    const padPages = ({ kvIndptr }: DeviceGroupTensors, { maxKvIndices }: KvGroupSizes): void => {
      if (maxKvIndices === 0 || sizes.paddedSeqLen === 0) return;
      stream.upload(
        kvIndptr,
        0,
        Int32Array.from({ length: kvIndptr.bytes / 4 }, (_, request) => request),
      );
    };
    for (const tensors of [this.whole, ...this.parts]) pad(tensors, VIEW_TENSORS);
    for (const [index, { whole, parts, blockTable }] of this.groups.entries()) {
      for (const tensors of [whole, ...parts]) {
        pad(tensors, KV_GROUP_TENSORS);
        padPages(tensors, sizes.groups[index]);
      }
      stream.launch(fill, [blockTable, 0, blockTable.bytes / 4]);
    }
  }

  /**
   * Adds to `commands` what brings the device's copy up to a step: the tensors of its staging set, those that the device supplies
   * only if they were written there (`supplied`), and the block tables' changes. One launch of a GPU does all of them.
   */
  upload(commands: CommandBlock, local: ForwardBatch, supplied: boolean): void {
    const staged = this.#sets[local.staging];
    const ranges = staged.list(local, supplied);
    commands.uploadRows(this.#mirror, staged.offset, ranges, this.#mirror.bytes / 4, staged.source);
    for (let index = 0; index < staged.tables.length; index++) {
      const { group, source, edits } = staged.tables[index];
      const { tableEdits, tableWidth } = local.groups[group];
      if (tableEdits > 0) commands.uploadRows(this.groups[group].blockTable, edits, tableEdits, tableWidth, source);
    }
  }

  [Symbol.dispose](): void {
    disposeAll([...this.#buffers, this.#mirror]);
  }
}
