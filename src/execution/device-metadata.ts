import { type LocalPlan, type MetadataCounts, type MetadataView, stepLength } from '../batch/index.js';
import type { Device, DeviceBuffer, DeviceModule, DeviceStream } from '../device/index.js';
import {
  KV_GROUP_TENSORS,
  type KvGroupTensorName,
  TENSOR_BYTES,
  TENSORS,
  type TensorName,
  tensorPadding,
} from '../layout/index.js';
import { type KvGroupSizes, tensorLength } from '../memory/index.js';
import type { StepPlanner } from '../planner/index.js';
import type { CommandBlock } from './command-block.js';

/** Device buffers of one view: the whole batch, or one part. Their addresses are what graphs bake. */
export type DeviceTensors = Readonly<Record<TensorName, DeviceBuffer>>;

/** Device buffers of what one KV cache group has of its own. */
export interface DeviceKvGroup {
  readonly whole: DeviceGroupTensors;
  readonly parts: readonly DeviceGroupTensors[];
  /** i32[maxPaddedRequests, tableWidth of the group]. */
  readonly blockTable: DeviceBuffer;
}

/** What one KV cache group has of its own in a view. */
export type DeviceGroupTensors = Pick<DeviceTensors, KvGroupTensorName>;

/** Device copies of a planner's metadata: one set, whatever staging set a step comes from. */
export class DeviceMetadata implements Disposable {
  readonly whole: DeviceTensors;
  readonly parts: readonly DeviceTensors[];
  /** i32[maxPaddedRequests, tableWidth]. */
  readonly blockTable: DeviceBuffer;
  /** Each KV cache group's own buffers; the first has those above. */
  readonly groups: readonly DeviceKvGroup[];
  readonly #planner: StepPlanner;
  /** Tensors that the device does not supply. */
  readonly #planned: readonly TensorName[];
  readonly #buffers: DeviceBuffer[] = [];

  /**
   * Allocates every buffer and enqueues an all-padding batch into it, by the planner's padding record, so that a warm-up reads
   * nothing but padding.
   */
  constructor(device: Device, stream: DeviceStream, kernels: DeviceModule, planner: StepPlanner) {
    this.#planner = planner;
    const { sizes, deviceSupplied } = planner.regions;
    this.#planned = TENSORS.filter((name) => !deviceSupplied.has(name));
    const allocate = (bytes: number): DeviceBuffer => {
      const buffer = device.allocate(bytes);
      this.#buffers.push(buffer);
      return buffer;
    };
    const view = <N extends TensorName>(
      names: readonly N[],
      { maxKvIndices }: KvGroupSizes,
    ): Pick<DeviceTensors, N> => {
      const own = { ...sizes, maxKvIndices };
      const bytes = (name: N): number => Math.max(1, tensorLength(name, own)) * TENSOR_BYTES[name];
      return Object.fromEntries(names.map((name) => [name, allocate(bytes(name))])) as Pick<DeviceTensors, N>;
    };
    const parts = sizes.maxParts > 1 ? sizes.maxParts : 0;
    const [first, ...others] = sizes.groups;
    try {
      this.whole = view(TENSORS, first);
      this.parts = Array.from({ length: parts }, () => view(TENSORS, first));
      this.blockTable = allocate(sizes.maxPaddedRequests * sizes.tableWidth * 4);
      this.groups = [
        { whole: this.whole, parts: this.parts, blockTable: this.blockTable },
        ...others.map((group) => ({
          whole: view(KV_GROUP_TENSORS, group),
          parts: Array.from({ length: parts }, () => view(KV_GROUP_TENSORS, group)),
          blockTable: allocate(sizes.maxPaddedRequests * group.tableWidth * 4),
        })),
      ];
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
    const padPages = ({ kvIndptr }: DeviceGroupTensors): void => {
      if (sizes.maxKvIndices === 0 || sizes.paddedSeqLen === 0) return;
      stream.upload(
        kvIndptr,
        0,
        Int32Array.from({ length: kvIndptr.bytes / 4 }, (_, request) => request),
      );
    };
    for (const tensors of [this.whole, ...this.parts]) pad(tensors, TENSORS);
    for (const { whole, parts } of this.groups.slice(1)) {
      for (const tensors of [whole, ...parts]) pad(tensors, KV_GROUP_TENSORS);
    }
    for (const { whole, parts } of this.groups) {
      for (const tensors of [whole, ...parts]) padPages(tensors);
    }
    for (const { blockTable } of this.groups) stream.launch(fill, [blockTable, 0, blockTable.bytes / 4]);
  }

  /**
   * Adds to `commands` the uploads of a step's tensors from its staging set, those that the device supplies only where they were
   * written there (`supplied`), and of the block table's changes.
   */
  upload(commands: CommandBlock, local: LocalPlan, supplied: boolean): void {
    const { regions } = this.#planner;
    uploadViews(commands, local, supplied ? TENSORS : this.#planned, this, local, regions.tensor);
    for (let index = 1; index < this.groups.length; index++) {
      const { tensor } = regions.groups[index];
      uploadViews(commands, local, KV_GROUP_TENSORS, this.groups[index], local.groups[index], tensor);
    }
    for (let index = 0; index < this.groups.length; index++) {
      const { tableEdits, tableWidth } = local.groups[index];
      if (tableEdits === 0) continue;
      const group = regions.groups[index];
      const table = group.region(local.staging === 0 ? 'blockTable0' : 'blockTable1');
      commands.uploadRows(this.groups[index].blockTable, group.region('tableEdits'), tableEdits, tableWidth, table);
    }
  }

  [Symbol.dispose](): void {
    for (const buffer of this.#buffers) buffer.dispose();
  }
}

/** Uploads `names` of the whole batch and of each part that the step is cut into; `offsetOf` says where they are staged. */
function uploadViews<N extends TensorName>(
  commands: CommandBlock,
  local: LocalPlan,
  names: readonly N[],
  buffers: { readonly whole: Pick<DeviceTensors, N>; readonly parts: readonly Pick<DeviceTensors, N>[] },
  staged: { readonly tensors: Pick<MetadataView, N>; readonly partTensors: readonly Pick<MetadataView, N>[] },
  offsetOf: (set: number, view: number, name: N) => number,
): void {
  const parts = local.partCount > 1 ? local.partCount : 0;
  for (let view = 0; view <= parts; view++) {
    const to = view === 0 ? buffers.whole : buffers.parts[view - 1];
    const from = view === 0 ? staged.tensors : staged.partTensors[view - 1];
    const counts: MetadataCounts = view === 0 ? local : local.part(view - 1);
    for (const name of names) {
      if (from[name].length === 0) continue;
      const bytes = stepLength(name, counts, from) * TENSOR_BYTES[name];
      if (bytes > 0) commands.upload(to[name], 0, offsetOf(local.staging, view, name), bytes);
    }
  }
}
