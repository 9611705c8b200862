import { KV_GROUP_STATE_WORDS, KV_GROUP_TENSORS, word } from '../layout/index.js';
import type { KvGroupSizes } from '../memory/index.js';
import { copyTensors, type KvGroupStaging, type KvGroupTensors, type MetadataCounts } from './metadata.js';

const TABLE_EDITS = word(KV_GROUP_STATE_WORDS, 'tableEdits');

/** What one KV cache group has of its own in a step, by value. */
export interface KvGroupMetadataValue {
  /** Copies of the group's tensors of the whole batch. */
  readonly tensors: KvGroupTensors;
  /** Copies of the group's tensors of each part; empty unless the step has several. */
  readonly partTensors: readonly KvGroupTensors[];
  /** Kernel blocks of each request: i32[attentionRequests, tableWidth]. */
  readonly blockTable: Int32Array;
  /** Columns of the group's block table. */
  readonly tableWidth: number;
}

/**
 * What one KV cache group has of its own in the current step, read in place: the same object in every step. Counts, positions and
 * lengths are the forward batch's: groups differ only in their blocks.
 */
export class KvGroupMetadata {
  /** The staging set that the group's tensors are read from. */
  readonly sizes: KvGroupSizes;
  readonly #state: Int32Array;
  readonly #staging: () => KvGroupStaging;

  /** Made by a planner over its own memory; `staging` gives the arrays of the staging set of the current step. */
  constructor(sizes: KvGroupSizes, state: Int32Array, staging: () => KvGroupStaging) {
    this.sizes = sizes;
    this.#state = state;
    this.#staging = staging;
  }

  /** `slotMapping`, `kvIndptr`, `kvIndices` and `kvLastPageLen` of the whole batch. */
  get tensors(): KvGroupTensors {
    return this.#staging().whole;
  }
  /** The same for each part. */
  get partTensors(): readonly KvGroupTensors[] {
    return this.#staging().parts;
  }
  /** Kernel blocks of each request: i32[attentionRequests, tableWidth], null block 0 in pad rows and in the tail of rows. */
  get blockTable(): Int32Array {
    return this.#staging().blockTable;
  }
  /** Columns of the group's block table, in kernel blocks. */
  get tableWidth(): number {
    return this.sizes.tableWidth;
  }
  /** Edits that bring the device's copy of this block table up to the step, int32[4] each in the planner's memory. */
  get tableEdits(): number {
    return this.#state[TABLE_EDITS];
  }

  /** A value with detached tensors, each as long as the whole batch and the parts it is cut into need. */
  snapshot(whole: MetadataCounts, parts: readonly MetadataCounts[]): KvGroupMetadataValue {
    return Object.freeze({
      tensors: copyTensors(KV_GROUP_TENSORS, this.tensors, whole),
      partTensors: Object.freeze(
        parts.map((part, index) => copyTensors(KV_GROUP_TENSORS, this.partTensors[index], part)),
      ),
      blockTable: this.blockTable.slice(0, whole.attentionRequests * this.tableWidth),
      tableWidth: this.tableWidth,
    });
  }
}
