import type { ForwardBatch, TensorUpload } from '../batch/index.js';
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

/** Device buffers of one view: the whole batch, or one part. Their addresses are what graphs bake. */
export type DeviceTensors = Readonly<Record<TensorName, DeviceBuffer>>;

/** Device buffers of what one KV cache group has of its own. */
export interface DeviceKvGroup {
  readonly whole: DeviceGroupTensors;
  readonly parts: readonly DeviceGroupTensors[];
  /** i32[maxPaddedRequests, tableWidth of the group]. */
  readonly blockTable: DeviceBuffer;
}

interface DeviceViews {
  readonly whole: Partial<DeviceTensors>;
  readonly parts: readonly Partial<DeviceTensors>[];
}

/** The buffers that one KV cache group has of its own in a view. */
export type DeviceGroupTensors = Pick<DeviceTensors, KvGroupTensorName>;

/** Device copies of a planner's metadata: one set, used for steps from either staging set. */
export class DeviceMetadata implements Disposable {
  readonly whole: DeviceTensors;
  readonly parts: readonly DeviceTensors[];
  /** i32[maxPaddedRequests, tableWidth]. */
  readonly blockTable: DeviceBuffer;
  /** Each KV cache group's own buffers; those of the first are in the views above too. */
  readonly groups: readonly DeviceKvGroup[];
  readonly #port: DevicePort;
  readonly #buffers: DeviceBuffer[] = [];

  /**
   * Allocates every buffer and enqueues an all-padding batch into it, by the planner's padding record, so that a warm-up reads
   * only padding.
   */
  constructor(device: Device, stream: DeviceStream, kernels: DeviceModule, port: DevicePort) {
    this.#port = port;
    const { sizes } = port.regions;
    const allocate = (bytes: number): DeviceBuffer => {
      const buffer = device.allocate(bytes);
      this.#buffers.push(buffer);
      return buffer;
    };
    const tensors = <N extends TensorName>(names: readonly N[], group: KvGroupSizes): Pick<DeviceTensors, N> => {
      const bytes = (name: N): number => Math.max(1, tensorLength(name, sizes, group)) * TENSOR_BYTES[name];
      return Object.fromEntries(names.map((name) => [name, allocate(bytes(name))])) as Pick<DeviceTensors, N>;
    };
    const parts = sizes.maxParts > 1 ? sizes.maxParts : 0;
    try {
      this.groups = sizes.groups.map((group) => ({
        whole: tensors(KV_GROUP_TENSORS, group),
        parts: Array.from({ length: parts }, () => tensors(KV_GROUP_TENSORS, group)),
        blockTable: allocate(sizes.maxPaddedRequests * group.tableWidth * 4),
      }));
      const [first] = this.groups;
      const view = (ofGroup: DeviceGroupTensors): DeviceTensors => ({
        ...tensors(VIEW_TENSORS, sizes.groups[0]),
        ...ofGroup,
      });
      this.whole = view(first.whole);
      this.parts = first.parts.map(view);
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
   * Adds to `commands` the uploads of a step's tensors from its staging set, those that the device supplies only if they were
   * written there (`supplied`), and the block table's changes.
   */
  upload(commands: CommandBlock, local: ForwardBatch, supplied: boolean): void {
    const { deviceSupplied } = this.#port.regions;
    const { tensors, tables } = this.#port.uploads[local.staging];
    for (const tensor of tensors) {
      const bytes = tensor.bytes(local);
      if (bytes === 0 || (!supplied && deviceSupplied.has(tensor.name))) continue;
      commands.upload(this.#bufferOf(tensor), 0, tensor.source, bytes);
    }
    for (const { group, source, edits } of tables) {
      const { tableEdits, tableWidth } = local.groups[group];
      if (tableEdits > 0) commands.uploadRows(this.groups[group].blockTable, edits, tableEdits, tableWidth, source);
    }
  }

  #bufferOf({ name, group, view }: TensorUpload): DeviceBuffer {
    const { whole, parts }: DeviceViews = group === null ? this : this.groups[group];
    const buffer = (view === 0 ? whole : parts[view - 1])[name];
    if (buffer === undefined) throw new RangeError(`no buffer of ${name}`);
    return buffer;
  }

  [Symbol.dispose](): void {
    disposeAll(this.#buffers);
  }
}
