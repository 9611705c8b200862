import type { ForwardBatch, TableUpload, TensorUpload } from '../batch/index.js';
import type { TensorName } from '../layout/index.js';
import type { DevicePort } from '../planner/index.js';

/** Words of a range, which reads as an edit of a block table does: row, first column, column after the last, unused. */
const RANGE_WORDS = 4;
/** Counts that say how much of a view a step uses. */
const COUNTS = 3;

/**
 * The tensors of a staging set as a list of ranges in the planner's memory, each of columns of 4 bytes in the one row that the set is.
 * Steps of a shape use the same ranges, so the list is written where the shape changes, and not in each step.
 */
export class StagedTensors {
  /** Where the set begins in the planner's memory, and where its list does, in bytes. */
  readonly source: number;
  readonly offset: number;
  readonly tables: readonly TableUpload[];
  readonly #words: Int32Array;
  readonly #tensors: readonly TensorUpload[];
  readonly #deviceSupplied: ReadonlySet<TensorName>;
  /** Whether a tensor's length is not of the shape: it says how many blocks the step's requests have. */
  readonly #varies: boolean;
  /** The counts of the step for which the list was written: of the whole batch, then of each part. */
  readonly #shape: Int32Array;
  #parts = -1;
  #supplied = false;
  #count = 0;

  constructor(port: DevicePort, set: 0 | 1) {
    const { source, ranges, tensors, tables } = port.uploads[set];
    const { sizes, deviceSupplied } = port.regions;
    this.source = source;
    this.offset = ranges.offset;
    this.tables = tables;
    this.#words = ranges.words;
    this.#tensors = tensors;
    this.#deviceSupplied = deviceSupplied;
    this.#varies = tensors.some(({ name }) => name === 'kvIndices');
    this.#shape = new Int32Array(COUNTS * (1 + sizes.maxParts));
  }

  /** Ranges of a step's tensors, in the list; `supplied`: those that the device supplies were written in the set. */
  list(local: ForwardBatch, supplied: boolean): number {
    if (this.#takesShape(local, supplied) || this.#varies) this.#write(local, supplied);
    return this.#count;
  }

  /** Takes the step's shape for that of the list. Returns whether it was another. */
  #takesShape(local: ForwardBatch, supplied: boolean): boolean {
    const parts = local.partCount;
    let changed = parts !== this.#parts || supplied !== this.#supplied;
    this.#parts = parts;
    this.#supplied = supplied;
    changed = this.#takes(0, local.paddedTokens, local.attentionRequests, local.numLogits) || changed;
    for (let index = 0; parts > 1 && index < parts; index++) {
      const part = local.part(index);
      changed = this.#takes(1 + index, part.paddedTokens, part.attentionRequests, part.numLogits) || changed;
    }
    return changed;
  }

  #takes(view: number, tokens: number, requests: number, logits: number): boolean {
    const shape = this.#shape;
    const at = COUNTS * view;
    if (shape[at] === tokens && shape[at + 1] === requests && shape[at + 2] === logits) return false;
    shape[at] = tokens;
    shape[at + 1] = requests;
    shape[at + 2] = logits;
    return true;
  }

  #write(local: ForwardBatch, supplied: boolean): void {
    let at = 0;
    for (const tensor of this.#tensors) {
      const bytes = tensor.bytes(local);
      if (bytes === 0 || (!supplied && this.#deviceSupplied.has(tensor.name))) continue;
      this.#words[at] = 0;
      this.#words[at + 1] = tensor.offset / 4;
      this.#words[at + 2] = (tensor.offset + bytes) / 4;
      this.#words[at + 3] = 0;
      at += RANGE_WORDS;
    }
    this.#count = at / RANGE_WORDS;
  }
}
