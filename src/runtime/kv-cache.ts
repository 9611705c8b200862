import type { Limits } from '../config.js';
import type { DeviceBuffer, DeviceStream, Kernel, WaitOptions } from '../device/device.js';
import type { Executor, Forward, ForwardPart } from '../device/executor.js';

/** Tokens one read-back launch holds at least; longer batches are read in several. */
const READ_TOKENS = 1 << 15;

/**
 * A KV cache whose entries are token ids, and the forward that fills it: each token's id is written to its slot, as an
 * attention layer writes keys and values. `read` gathers histories back through block table and sequence lengths.
 */
export class TokenKvCache implements Forward, Disposable {
  readonly #executor: Executor;
  readonly #cache: DeviceBuffer;
  readonly #out: DeviceBuffer;
  readonly #write: Kernel;
  readonly #read: Kernel;
  readonly #blockSize: number;
  readonly #host: Int32Array;

  constructor(executor: Executor, limits: Limits) {
    this.#executor = executor;
    this.#cache = executor.device.allocate(limits.numBlocks * limits.blockSize * 4);
    this.#host = new Int32Array(Math.max(READ_TOKENS, limits.maxModelLen));
    this.#out = executor.device.allocate(this.#host.byteLength);
    this.#write = executor.kernels.kernel('kv_write');
    this.#read = executor.kernels.kernel('kv_read');
    this.#blockSize = limits.blockSize;
  }

  part(stream: DeviceStream, part: ForwardPart): void {
    stream.launch(this.#write, [part.tensors.inputIds, part.tensors.slotMapping, this.#cache, part.tokens]);
  }

  /**
   * Reads what the cache holds of rows [begin, end) of the batch that ran last, one row after the other; they must fit
   * `capacity` tokens. The result is valid until the next read.
   */
  read(begin: number, end: number, tokens: number, options?: WaitOptions): Int32Array {
    const { metadata, stream } = this.#executor;
    const width = this.#executor.tableWidth;
    stream.launch(this.#read, [
      this.#cache,
      metadata.blockTable,
      metadata.whole.seqLens,
      this.#out,
      begin,
      end,
      width,
      this.#blockSize,
    ]);
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
    this.#out.dispose();
  }
}
