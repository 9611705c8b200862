import type { ForwardBatch } from '../batch/index.js';
import type { DeviceBuffer, DevicePlace } from '../device/index.js';
import { LockstepError } from '../errors.js';
import type { DeviceTensors, Executor } from '../execution/index.js';
import type { WaitOptions } from '../wait.js';
import { type DecoderKernels, floatBits } from './decoder-kernels.js';
import type { SamplingRow } from './sampling-forward.js';

/** Rows of logits that one launch makes: bounds the memory of large vocabularies. */
const CHUNK_ROWS = 64;
const CONTROL_WORDS = 8;

/** What logits are made of: the last hidden states of each view, the whole batch and then each part, and the head. */
export interface SamplerParts {
  readonly executor: Executor;
  readonly kernels: DecoderKernels;
  /** f32[maxTokens, hiddenSize] of each view. */
  readonly states: readonly DeviceBuffer[];
  readonly maxTokens: number;
  readonly head: DeviceBuffer;
  readonly hiddenSize: number;
  readonly vocabSize: number;
  /** Most rows of logits of a step. */
  readonly maxRows: number;
}

/** Makes logits of a launched step's last hidden states, and draws its tokens. */
export class Sampler implements Disposable {
  /** i32[maxRows]: the tokens that were drawn last. */
  readonly sampled: DeviceBuffer;
  readonly #parts: SamplerParts;
  readonly #selected: DeviceBuffer;
  readonly #logits: DeviceBuffer;
  readonly #controls: DeviceBuffer;
  readonly #words: Int32Array;
  readonly #ids: Int32Array;

  constructor(parts: SamplerParts) {
    const { executor, maxRows, hiddenSize, vocabSize } = parts;
    const { device } = executor;
    this.#parts = parts;
    const rows = Math.min(CHUNK_ROWS, maxRows);
    const made: DeviceBuffer[] = [];
    const allocate = (elements: number): DeviceBuffer => {
      made.push(device.allocate(elements * 4));
      return made[made.length - 1];
    };
    try {
      this.#selected = allocate(rows * hiddenSize);
      this.#logits = allocate(rows * vocabSize);
      this.#controls = allocate(maxRows * CONTROL_WORDS);
      this.sampled = allocate(maxRows);
    } catch (error) {
      for (const buffer of made) buffer.dispose();
      throw error;
    }
    this.#words = new Int32Array(maxRows * CONTROL_WORDS);
    this.#ids = new Int32Array(maxRows);
  }

  sampleSync(local: ForwardBatch, rows: readonly SamplingRow[], options?: WaitOptions): Int32Array {
    this.enqueue(local, rows);
    const ids = this.#ids.subarray(0, rows.length);
    if (ids.length > 0) this.#parts.executor.stream.downloadSync(this.sampled, 0, ids, options);
    return ids;
  }

  async sample(local: ForwardBatch, rows: readonly SamplingRow[], options?: WaitOptions): Promise<Int32Array> {
    this.enqueue(local, rows);
    const ids = this.#ids.subarray(0, rows.length);
    if (ids.length > 0) await this.#parts.executor.stream.download(this.sampled, 0, ids, options);
    return ids;
  }

  /** The logits that the step's tokens are drawn from: f32[numLogits, vocabSize]. */
  logitsSync(local: ForwardBatch, options?: WaitOptions): Float32Array {
    const { vocabSize, executor } = this.#parts;
    const all = new Float32Array(local.numLogits * vocabSize);
    this.#chunks(local, (first, count) => {
      const into = all.subarray(first * vocabSize, (first + count) * vocabSize);
      executor.stream.downloadSync(this.#logits, 0, into, options);
    });
    return all;
  }

  /**
   * Enqueues the drawing of a launched step's tokens into `sampled`, and waits for nothing. `prepare` may enqueue work on the rows' controls,
   * i32[rows, 8]; `use` on the logits of so many rows from `first` on, f32[count, vocabSize], which the next rows overwrite.
   */
  enqueue(
    local: ForwardBatch,
    rows: readonly SamplingRow[],
    {
      prepare = () => {},
      use = () => {},
    }: {
      readonly prepare?: (controls: DeviceBuffer) => void;
      readonly use?: (logits: DeviceBuffer, first: number, count: number) => void;
    } = {},
  ): void {
    if (rows.length !== local.numLogits) {
      throw new LockstepError(
        'ERR_INPUT_INVALID',
        `${rows.length} rows are to be sampled, and the step has ${local.numLogits} rows of logits; give one for each`,
        { rows: rows.length, numLogits: local.numLogits },
      );
    }
    const { executor, kernels, vocabSize } = this.#parts;
    const { stream } = executor;
    for (const [index, row] of rows.entries()) this.#writeControls(index * CONTROL_WORDS, row);
    if (rows.length > 0) {
      stream.upload(this.#controls, 0, this.#words.subarray(0, rows.length * CONTROL_WORDS));
      prepare(this.#controls);
    }
    this.#chunks(local, (first, count) => {
      const controls = { buffer: this.#controls, offset: first * CONTROL_WORDS * 4 };
      const sampled = { buffer: this.sampled, offset: first * 4 };
      stream.launch(kernels.sample, [this.#logits, controls, sampled, count, vocabSize]);
      use(this.#logits, first, count);
    });
  }

  [Symbol.dispose](): void {
    for (const buffer of [this.#selected, this.#logits, this.#controls, this.sampled]) buffer.dispose();
  }

  /** Makes the logits of a few rows at a time, `first` and so many, and gives them to `use`. */
  #chunks(local: ForwardBatch, use: (first: number, count: number) => void): void {
    const { whole, parts } = this.#parts.executor.metadata;
    if (local.partCount <= 1) {
      this.#view(0, whole, 0, local.numLogits, use);
      return;
    }
    let first = 0;
    for (let index = 0; index < local.partCount; index++) {
      const { numLogits } = local.part(index);
      this.#view(1 + index, parts[index], first, numLogits, use);
      first += numLogits;
    }
  }

  #view(
    view: number,
    { logitsIndices }: DeviceTensors,
    first: number,
    rows: number,
    use: (first: number, count: number) => void,
  ): void {
    const { executor, kernels, states, maxTokens, head, hiddenSize, vocabSize } = this.#parts;
    const { stream } = executor;
    for (let done = 0; done < rows; done += CHUNK_ROWS) {
      const count = Math.min(CHUNK_ROWS, rows - done);
      const indices: DevicePlace = { buffer: logitsIndices, offset: done * 4 };
      stream.launch(kernels.take_rows, [states[view], indices, this.#selected, maxTokens, count, hiddenSize]);
      stream.launch(kernels.matmul, [this.#selected, head, this.#logits, count, hiddenSize, vocabSize]);
      use(first + done, count);
    }
  }

  #writeControls(at: number, { controls, position }: SamplingRow): void {
    const words = this.#words;
    words[at] = floatBits(controls.temperature);
    words[at + 1] = controls.topK;
    words[at + 2] = floatBits(controls.topP);
    words[at + 3] = Number(BigInt.asIntN(32, controls.seed));
    words[at + 4] = Number(BigInt.asIntN(32, controls.seed >> 32n));
    words[at + 5] = position;
  }
}
