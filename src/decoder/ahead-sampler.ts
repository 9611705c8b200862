import type { ForwardBatch, Row } from '../batch/index.js';
import type { DeviceBuffer, DeviceEvent, DevicePlace, DeviceStream } from '../device/index.js';
import type { Executor, ForwardPart } from '../execution/index.js';
import type { WaitOptions } from '../wait.js';
import type { DecoderKernels } from './decoder-kernels.js';
import type { Sampler } from './sampler.js';
import type {
  AheadSampling,
  ContinuedRow,
  DrawnStep,
  SampledStep,
  SampledWindow,
  SamplingRow,
} from './sampling-forward.js';

/** What tokens are kept on the device with. */
export interface AheadSamplerParts {
  readonly executor: Executor;
  readonly kernels: DecoderKernels;
  readonly sampler: Sampler;
  /** Most drafts of a decode. */
  readonly maxDrafts: number;
  /** Most rows of logits of a step. */
  readonly maxRows: number;
  readonly vocabSize: number;
  /** Tokens of a block of each KV cache group, as kernels see it. */
  readonly blockSizes: readonly number[];
}

/** Where a step's results wait until the host reads them. */
interface ReadSet {
  /** i32[2 * maxRows]: tokens, then accepted drafts. */
  readonly words: DeviceBuffer;
  /** f32[maxRows, vocabSize], of steps whose logits are asked for. */
  readonly logits: DeviceBuffer;
  readonly done: DeviceEvent;
}

/** Reads on one stream what another one computes: the host waits for a step without waiting for the next. */
export class AheadSampler implements AheadSampling, Disposable {
  readonly #parts: AheadSamplerParts;
  readonly #reads: DeviceStream;
  readonly #sets: readonly [ReadSet, ReadSet];
  /** Of the step drawn last, a row a window: i32[maxRows], i32[maxRows, 1 + maxDrafts]. */
  readonly #accepted: DeviceBuffer;
  readonly #outputs: DeviceBuffer;
  /** Of the step to be launched: i32[rows of its tensors], twice, and i32[maxRows, maxDrafts] by window. */
  readonly #source: DeviceBuffer;
  readonly #base: DeviceBuffer;
  readonly #drafts: DeviceBuffer;
  /** Of the step that is drawn: i32[maxRows] each. */
  readonly #next: DeviceBuffer;
  readonly #first: DeviceBuffer;
  readonly #after: DeviceBuffer;
  readonly #words: Readonly<Record<'source' | 'base' | 'drafts' | 'next' | 'first' | 'after', Int32Array>>;
  readonly #made: Disposable[] = [];
  #continued: readonly ContinuedRow[] = [];
  /** Whether requests of the step launched last go on: `#words.source` says which. */
  #goesOn = false;
  #drawn = 0;

  constructor(parts: AheadSamplerParts) {
    const { executor, maxDrafts, maxRows, vocabSize } = parts;
    const { device, metadata, tableWidth } = executor;
    this.#parts = parts;
    const keep = <T extends Disposable>(part: T): T => {
      this.#made.unshift(part);
      return part;
    };
    const allocate = (words: number): DeviceBuffer => keep(device.allocate(Math.max(1, words) * 4));
    const tensorRows = metadata.blockTable.bytes / 4 / tableWidth;
    try {
      this.#reads = keep(device.createStream());
      // A step that allocated could fail on a rank whose card is full, and end the group.
      const set = (): ReadSet => ({
        words: allocate(2 * maxRows),
        logits: allocate(maxRows * vocabSize),
        done: keep(device.createEvent()),
      });
      this.#sets = [set(), set()];
      this.#accepted = allocate(maxRows);
      this.#outputs = allocate(maxRows * (1 + maxDrafts));
      this.#source = allocate(tensorRows);
      this.#base = allocate(tensorRows);
      this.#drafts = allocate(maxRows * maxDrafts);
      this.#next = allocate(maxRows);
      this.#first = allocate(maxRows);
      this.#after = allocate(maxRows);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
    this.#words = {
      source: new Int32Array(tensorRows),
      base: new Int32Array(tensorRows),
      drafts: new Int32Array(maxRows * maxDrafts),
      next: new Int32Array(maxRows),
      first: new Int32Array(maxRows),
      after: new Int32Array(maxRows),
    };
  }

  continueWith(rows: readonly ContinuedRow[]): void {
    this.#continued = rows;
  }

  /** Enqueues the inputs of the decodes that go on, in each part of a step. */
  fill(stream: DeviceStream, local: ForwardBatch, parts: readonly ForwardPart[]): void {
    this.#goesOn = this.#continued.length > 0;
    if (!this.#goesOn) return;
    this.#uploadContinued(local);
    const { kernels, maxDrafts, blockSizes } = this.#parts;
    const { paddedSeqLen } = local.sizes;
    for (const [index, { tensors, groups, requests, tokens, tableRow }] of parts.entries()) {
      const firstPlace = cutBefore(local, index);
      for (const [group, { tensors: grouped, blockTable, tableWidth }] of groups.entries()) {
        stream.launch(kernels.device_inputs, [
          rowsFrom(this.#source, tableRow),
          rowsFrom(this.#base, tableRow),
          ...[this.#accepted, this.#outputs, this.#drafts],
          ...[tensors.queryStartLoc, tensors.tokenToRequest],
          rowsFrom(blockTable, tableRow * tableWidth),
          ...[tensors.inputIds, tensors.positions, grouped.slotMapping, tensors.seqLens],
          ...[requests, tokens, maxDrafts, tableWidth, blockSizes[group], paddedSeqLen],
          ...NO_CONTEXT_PARALLELISM,
          firstPlace,
        ]);
      }
    }
  }

  draw(
    local: ForwardBatch,
    rows: readonly SamplingRow[],
    windows: readonly SampledWindow[],
    { logits = false }: { readonly logits?: boolean } = {},
  ): DrawnStep {
    const { executor, kernels, sampler, maxDrafts, vocabSize } = this.#parts;
    const { stream } = executor;
    const set = this.#sets[this.#drawn++ % 2];
    sampler.enqueue(local, rows, {
      prepare: (controls) => this.#advancePositions(local, rows, controls),
      use: (made, first, count) => {
        if (!logits) return;
        stream.copy(made, { buffer: set.logits, offset: first * vocabSize * 4 }, count * vocabSize * 4);
      },
    });
    const count = windows.length;
    if (count > 0) {
      this.#uploadWindows(rows.length, windows);
      const found = [sampler.sampled, this.#next, this.#first, this.#accepted, this.#outputs];
      stream.launch(kernels.accept_drafts, [...found, count, rows.length, maxDrafts]);
      stream.copy(sampler.sampled, set.words, rows.length * 4);
      stream.copy(this.#accepted, rowsFrom(set.words, rows.length), count * 4);
    }
    stream.record(set.done);
    return new DrawnSet(this.#reads, set, { rows: rows.length, windows: count, logits: logits ? vocabSize : 0 });
  }

  [Symbol.dispose](): void {
    for (const part of this.#made) part[Symbol.dispose]();
    this.#made.length = 0;
  }

  #uploadContinued({ order, rows }: ForwardBatch): void {
    const { executor, maxDrafts } = this.#parts;
    const { stream } = executor;
    const { source, base, drafts } = this.#words;
    const of = new Map(this.#continued.map((continued) => [continued.row, continued]));
    this.#continued = [];
    source.fill(-1);
    for (let index = 0; index < rows; index++) {
      const continued = of.get(order[index] as Row);
      if (continued === undefined) continue;
      source[index] = continued.window;
      base[index] = continued.position;
      drafts.set(continued.drafts, continued.window * maxDrafts);
    }
    stream.upload(this.#source, 0, source);
    stream.upload(this.#base, 0, base);
    if (maxDrafts > 0) stream.upload(this.#drafts, 0, drafts);
  }

  /** Draws of requests that go on are at the positions of `device_inputs`. What is greedy takes no noise, wherever it is. */
  #advancePositions({ tensors }: ForwardBatch, rows: readonly SamplingRow[], controls: DeviceBuffer): void {
    const { executor, kernels, maxDrafts } = this.#parts;
    const { source, after } = this.#words;
    if (!this.#goesOn || maxDrafts === 0 || rows.every((row) => row.controls.temperature === 0)) return;
    const { logitsIndices, tokenToRequest } = tensors;
    for (const index of rows.keys()) after[index] = source[tokenToRequest[logitsIndices[index]]];
    executor.stream.upload(this.#after, 0, after.subarray(0, rows.length));
    executor.stream.launch(kernels.advance_positions, [this.#after, this.#accepted, controls, rows.length, maxDrafts]);
  }

  #uploadWindows(rows: number, windows: readonly SampledWindow[]): void {
    const { stream } = this.#parts.executor;
    const { next, first } = this.#words;
    next.fill(-1, 0, rows);
    for (const [window, { first: begin, drafts }] of windows.entries()) {
      first[window] = begin;
      next.set(drafts, begin);
    }
    stream.upload(this.#next, 0, next.subarray(0, rows));
    stream.upload(this.#first, 0, first.subarray(0, windows.length));
  }
}

/** Size, rank and interleaving of context-parallel ranks, which a decoder has not. */
const NO_CONTEXT_PARALLELISM: readonly number[] = [1, 0, 1];

/** Tokens of the window in which a part begins that stand in the parts before it. */
function cutBefore(local: ForwardBatch, index: number): number {
  if (local.partCount <= 1) return 0;
  const { requestBegin, requestEnd, tokenBegin } = local.part(index);
  return requestBegin === requestEnd ? 0 : tokenBegin - local.tensors.queryStartLoc[requestBegin];
}

class DrawnSet implements DrawnStep {
  readonly #reads: DeviceStream;
  readonly #set: ReadSet;
  readonly #windows: number;
  readonly #words: Int32Array;
  readonly #rows: number;
  readonly #logits: Float32Array | null;

  constructor(
    reads: DeviceStream,
    set: ReadSet,
    { rows, windows, logits }: { readonly rows: number; readonly windows: number; readonly logits: number },
  ) {
    this.#reads = reads;
    this.#set = set;
    this.#rows = rows;
    this.#windows = windows;
    this.#words = new Int32Array(rows + windows);
    this.#logits = logits === 0 ? null : new Float32Array(rows * logits);
  }

  readSync(options?: WaitOptions): SampledStep {
    if (this.#words.length > 0) {
      this.#reads.wait(this.#set.done);
      this.#reads.downloadSync(this.#set.words, 0, this.#words, options);
      if (this.#logits !== null) this.#reads.downloadSync(this.#set.logits, 0, this.#logits, options);
    }
    return this.#step();
  }

  async read(options?: WaitOptions): Promise<SampledStep> {
    if (this.#words.length > 0) {
      this.#reads.wait(this.#set.done);
      await this.#reads.download(this.#set.words, 0, this.#words, options);
      if (this.#logits !== null) {
        await this.#reads.download(this.#set.logits, 0, this.#logits, options);
      }
    }
    return this.#step();
  }

  #step(): SampledStep {
    const words = this.#words;
    return {
      ids: words.subarray(0, this.#rows),
      accepted: words.subarray(this.#rows, this.#rows + this.#windows),
      logits: this.#logits,
    };
  }
}

/** So many words further on. */
function rowsFrom(buffer: DeviceBuffer, words: number): DevicePlace {
  return { buffer, offset: words * 4 };
}
