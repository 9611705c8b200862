import type { ForwardBatch } from '../batch/index.js';
import type { Limits } from '../config.js';
import type { DeviceBuffer, DevicePlace, DeviceStream, Kernel, KernelArgument } from '../device/index.js';
import type { Executor, Forward, ForwardPart, Lane, PiecewiseForward } from '../execution/index.js';
import type { WaitOptions } from '../wait.js';

/** Least tokens of one read-back launch; longer batches are read in several. */
const READ_TOKENS = 1 << 15;

/** The value of hidden states between two forwards: not a token's id. */
const NO_TOKEN = -1;

/**
 * A KV cache whose entries are token ids, and the forward that fills it, in two pieces around one attention: the first makes
 * hidden states of the token ids, which a layer of experts changes and gives back, attention writes each token's to its slot, and
 * the last clears them, so that attention without the first piece before it, or after the last, leaves wrong entries. `read`
 * gathers histories back through block table and sequence lengths.
 *
 * Where the ranks' devices have collectives, the experts are spread over them, as those of a mixture of experts are: all rows are
 * gathered on every rank, each is changed by the rank that its id names, and given back. What comes back is the id again only if
 * every row went to its expert and back, in this step.
 */
export class TokenKvCache implements Forward, Disposable {
  readonly piecewise: PiecewiseForward;
  readonly supply: (local: ForwardBatch) => void;
  readonly #executor: Executor;
  readonly #kernels: Record<'copy' | 'kv_write' | 'fill' | 'expert', Kernel>;
  readonly #cache: DeviceBuffer;
  readonly #hidden: DeviceBuffer;
  readonly #out: DeviceBuffer;
  readonly #read: Kernel;
  readonly #rows: DeviceBuffer;
  readonly #blockSize: number;
  readonly #host: Int32Array;

  /** `supply` writes the token ids of each step. */
  constructor(executor: Executor, limits: Limits, supply: (local: ForwardBatch) => void) {
    const { device, kernels, metadata, collectives } = executor;
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
      expert: kernels.kernel('expert'),
    };
    this.piecewise = {
      pieces: 2,
      piece: (_stream, index, part) => void executor.lanes.run([part], (...given) => this.#piece(index, ...given)),
      attention: (stream, _index, part) => this.#attention(stream, part, this.#hidden),
    };
    // Reserves what the largest step takes, so that no step allocates: the rows of this rank, and twice those of all.
    executor.pool.take(this.#hidden.bytes * (2 + 2 * collectives.size) + 4096);
  }

  part(_stream: DeviceStream, part: ForwardPart): void {
    this.overlap(_stream, [part]);
  }

  overlap(_stream: DeviceStream, parts: readonly ForwardPart[]): void {
    this.#executor.lanes.run(parts, (part, lane) => this.#steps(part, lane));
  }

  /** Hidden states that nothing outside the forward reads are scratch memory. Those between pieces need their own buffer. */
  *#steps(part: ForwardPart, lane: Lane): Generator<string, void, void> {
    const hidden = this.#executor.pool.take(Math.max(1, part.tokens, this.#ownRows(part)) * 4);
    yield* this.#embed(part, lane, hidden);
    this.#attention(lane.stream, part, hidden);
    this.#clear(lane.stream, part, hidden);
  }

  *#piece(index: number, part: ForwardPart, lane: Lane): Generator<string, void, void> {
    if (index === 0) yield* this.#embed(part, lane, this.#hidden);
    else this.#clear(lane.stream, part, this.#hidden);
  }

  *#embed(part: ForwardPart, lane: Lane, hidden: DevicePlace): Generator<string, void, void> {
    const { tensors, tokens } = part;
    const own = this.#ownRows(part);
    if (own > tokens) lane.stream.launch(this.#kernels.fill, [hidden, NO_TOKEN, own]);
    lane.stream.launch(this.#kernels.copy, [tensors.inputIds, hidden, tokens * 4]);
    if (lane.collectives.implementation !== 'none') yield* this.#experts(part, lane, hidden);
  }

  /** Sends the hidden states to their experts and takes them back. */
  *#experts({ tokensPerRank }: ForwardPart, lane: Lane, hidden: DevicePlace): Generator<string, void, void> {
    const { stream, collectives } = lane;
    const { rank, size } = collectives;
    const { pool } = this.#executor;
    const { expert } = this.#kernels;
    const total = tokensPerRank.reduce((sum, tokens) => sum + tokens, 0);
    const own = tokensPerRank[rank];
    const [gathered, changed] = [pool.take(Math.max(1, total) * 4), pool.take(Math.max(1, total) * 4)];
    const returned = pool.take(Math.max(1, own) * 4);
    lane.collective({ kind: 'all-gather', send: hidden, recv: gathered, counts: tokensPerRank });
    yield 'dispatch';
    stream.launch(expert, [gathered, gathered, changed, total, rank, size]);
    lane.collective({ kind: 'reduce-scatter', send: changed, recv: returned, counts: tokensPerRank });
    yield 'combine';
    stream.launch(expert, [returned, hidden, hidden, own, -1, size]);
  }

  #ownRows({ tokensPerRank }: ForwardPart): number {
    return tokensPerRank[this.#executor.collectives.rank];
  }

  #clear(stream: DeviceStream, { tokens }: ForwardPart, hidden: KernelArgument): void {
    stream.launch(this.#kernels.fill, [hidden, NO_TOKEN, tokens]);
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
