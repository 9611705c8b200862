import type { LocalPlan } from '../batch/index.js';
import type { Limits } from '../config.js';
import type { DeviceBuffer, DeviceStream, Kernel, WaitOptions } from '../device/index.js';
import type { Executor, Forward, ForwardPart, PiecewiseForward } from '../execution/index.js';

/** Tokens one read-back launch holds at least; longer batches are read in several. */
const READ_TOKENS = 1 << 15;

/** What the hidden states hold between two forwards: no token's id. */
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
  readonly #cache: DeviceBuffer;
  readonly #hidden: DeviceBuffer;
  readonly #out: DeviceBuffer;
  readonly #read: Kernel;
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
    this.#read = kernels.kernel('kv_read');
    this.#blockSize = limits.blockSize;
    const [copy, write, fill] = ['copy', 'kv_write', 'fill'].map((name) => kernels.kernel(name));
    const hidden = this.#hidden;
    this.piecewise = {
      pieces: 2,
      piece: (stream, index, { tensors, tokens }) => {
        if (index === 0) stream.launch(copy, [tensors.inputIds, hidden, tokens * 4]);
        else stream.launch(fill, [hidden, NO_TOKEN, tokens]);
      },
      attention: (stream, _index, { tensors, tokens }) => {
        stream.launch(write, [hidden, tensors.slotMapping, this.#cache, tokens]);
      },
    };
  }

  part(stream: DeviceStream, part: ForwardPart): void {
    this.piecewise.piece(stream, 0, part);
    this.piecewise.attention(stream, 0, part);
    this.piecewise.piece(stream, 1, part);
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
    this.#hidden.dispose();
    this.#out.dispose();
  }
}
