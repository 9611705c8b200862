import type { LocalPlan } from '../batch/index.js';
import type { Limits } from '../config.js';
import type { DeviceBuffer, DeviceStream, Kernel, KernelArgument } from '../device/index.js';
import type { Executor, Forward, ForwardPart, PiecewiseForward } from '../execution/index.js';
import type { WaitOptions } from '../wait.js';

/** Least tokens of one read-back launch; longer batches are read in several. */
const READ_TOKENS = 1 << 15;

/** The value of hidden states between two forwards: not a token's id. */
const NO_TOKEN = -1;

/**
 * A KV cache whose entries are token ids, and the forward that fills it, in two pieces around one attention: the first makes
 * hidden states of the token ids, attention writes each token's to its slot, and the last clears them, so that attention
 * without the first piece before it, or after the last, leaves wrong entries. `read` gathers histories back through block table and
 * sequence lengths.
 */
export class TokenKvCache implements Forward, Disposable {
  readonly piecewise: PiecewiseForward;
  readonly supply: (local: LocalPlan) => void;
  readonly #executor: Executor;
  readonly #kernels: Record<'copy' | 'kv_write' | 'fill', Kernel>;
  readonly #cache: DeviceBuffer;
  readonly #hidden: DeviceBuffer;
  readonly #out: DeviceBuffer;
  readonly #read: Kernel;
  readonly #rows: DeviceBuffer;
  readonly #blockSize: number;
  readonly #host: Int32Array;

  /** `supply` writes the token ids of each step. */
  constructor(executor: Executor, limits: Limits, supply: (local: LocalPlan) => void) {
    const { device, kernels, metadata } = executor;
    this.#executor = executor;
    this.supply = supply;
    this.#cache = device.allocate(limits.numBlocks * limits.blockSize * 4);
    this.#hidden = device.allocate(metadata.whole.inputIds.bytes);
    this.#host = new Int32Array(Math.max(READ_TOKENS, limits.maxModelLen));
    this.#out = device.allocate(this.#host.byteLength);
    this.#read = kernels.kernel('kv_read_rows');
    this.#rows = device.allocate(metadata.whole.seqLens.bytes);
    this.#blockSize = limits.blockSize;
    this.#kernels = {
      copy: kernels.kernel('copy'),
      kv_write: kernels.kernel('kv_write'),
      fill: kernels.kernel('fill'),
    };
    this.piecewise = {
      pieces: 2,
      piece: (stream, index, part) => this.#piece(stream, index, part, this.#hidden),
      attention: (stream, _index, part) => this.#attention(stream, part, this.#hidden),
    };
    // Reserves what the largest step takes, so that no step allocates.
    executor.pool.take(this.#hidden.bytes);
  }

  /** Hidden states that nothing outside the forward reads are scratch memory. Those between pieces need their own buffer. */
  part(stream: DeviceStream, part: ForwardPart): void {
    const hidden = this.#executor.pool.take(Math.max(1, part.tokens) * 4);
    this.#piece(stream, 0, part, hidden);
    this.#attention(stream, part, hidden);
    this.#piece(stream, 1, part, hidden);
  }

  #piece(stream: DeviceStream, index: number, { tensors, tokens }: ForwardPart, hidden: KernelArgument): void {
    const { copy, fill } = this.#kernels;
    if (index === 0) stream.launch(copy, [tensors.inputIds, hidden, tokens * 4]);
    else stream.launch(fill, [hidden, NO_TOKEN, tokens]);
  }

  #attention(stream: DeviceStream, { tensors, tokens }: ForwardPart, hidden: KernelArgument): void {
    stream.launch(this.#kernels.kv_write, [hidden, tensors.slotMapping, this.#cache, tokens]);
  }

  /**
   * Reads the cache entries of these rows of the batch that ran last, one row after the other: `tokens` in all, at most
   * `capacity`. It waits for one launch and one download. The result is valid until the next read.
   */
  read(rows: Int32Array, tokens: number, options?: WaitOptions): Int32Array {
    const { metadata, stream, tableWidth } = this.#executor;
    const { blockTable, whole } = metadata;
    stream.upload(this.#rows, 0, rows);
    const where = [this.#cache, blockTable, whole.seqLens, this.#out, this.#rows];
    stream.launch(this.#read, [...where, rows.length, tableWidth, this.#blockSize]);
    const into = this.#host.subarray(0, tokens);
    stream.downloadSync(this.#out, 0, into, options);
    return into;
  }

  /** Tokens one `read` can hold. */
  get capacity(): number {
    return READ_TOKENS;
  }

  [Symbol.dispose](): void {
    this.#cache.dispose();
    this.#hidden.dispose();
    this.#out.dispose();
    this.#rows.dispose();
  }
}
