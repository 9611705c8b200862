import type { ModelConfig } from '../checkpoint/index.js';
import type { Limits } from '../config.js';
import type { DeviceBuffer, DevicePlace, DeviceStream } from '../device/index.js';
import type { Executor, ForwardPart, Lane } from '../execution/index.js';
import { ColumnJoin, type OwnColumns } from './column-join.js';
import { type DecoderKernels, floatBits } from './decoder-kernels.js';
import type { DecoderOptions } from './decoder-options.js';
import { ExpertLayer } from './expert-layer.js';
import { type Scratch, scratchBytes } from './scratch.js';
import type { Shard } from './shard.js';
import type { DecoderWeights } from './weights.js';

/** What one part of a step holds between its kernels, all float32. */
export interface LayerState {
  /** [tokens, hiddenSize]: the residual stream. */
  readonly hidden: DevicePlace;
  /** [tokens, (heads + 2 * kvHeads) * headDim] of this rank's heads. */
  readonly qkv: DevicePlace;
  /** [tokens, heads * headDim] of this rank's heads. */
  readonly attended: DevicePlace;
  /** [tokens, hiddenSize]: what tokens are drawn from. */
  readonly last: DeviceBuffer;
  /** What the kernels of one layer leave to each other. */
  readonly scratch: Scratch;
}

/** What a decoder's layers are made of. */
export interface LayerParts {
  readonly executor: Executor;
  readonly config: ModelConfig;
  readonly kernels: DecoderKernels;
  readonly weights: DecoderWeights;
  readonly shard: Shard;
  readonly limits: Limits;
  readonly options: DecoderOptions;
}

/** Where a layer's cache is, and how its blocks are found. */
interface LayerCache {
  readonly buffer: DeviceBuffer;
  readonly group: number;
  readonly bytesOfBlock: number;
  readonly blockSize: number;
  readonly window: number;
}

/** Enqueues the kernels of a decoder, layer by layer. */
export class DecoderLayers implements Disposable {
  /** Columns of a state's rows, in elements. */
  readonly widths: { readonly hidden: number; readonly qkv: number; readonly attended: number };
  /** Layers of the model. */
  readonly count: number;
  /** Bytes that a block takes in the caches of all layers; of several KV cache groups, one block of each layer's. */
  readonly blockBytes: number;
  readonly #executor: Executor;
  readonly #config: ModelConfig;
  readonly #kernels: DecoderKernels;
  readonly #weights: DecoderWeights;
  readonly #positions: number;
  /** This rank's heads. */
  readonly #heads: number;
  readonly #kvHeads: number;
  readonly #caches: readonly LayerCache[];
  readonly #join: ColumnJoin;
  readonly #experts: ExpertLayer | null;
  readonly #eps: number;
  readonly #scale: number;

  constructor({ executor, config, kernels, weights, shard, limits, options }: LayerParts) {
    const { hiddenSize, headDim } = config;
    this.#executor = executor;
    this.#config = config;
    this.#kernels = kernels;
    this.#weights = weights;
    this.#positions = limits.maxModelLen;
    this.#heads = config.heads / shard.size;
    this.#kvHeads = config.kvHeads / shard.size;
    this.#eps = floatBits(config.rmsNormEps);
    this.#scale = floatBits(1 / Math.sqrt(headDim));
    this.count = config.layers;
    this.widths = {
      hidden: hiddenSize,
      qkv: (this.#heads + 2 * this.#kvHeads) * headDim,
      attended: this.#heads * headDim,
    };
    this.#join = new ColumnJoin(executor, kernels, shard);
    this.#experts = config.experts === 0 ? null : new ExpertLayer(executor, config, kernels, shard);
    this.#caches = this.#allocateCaches(limits, options.layerGroups);
    this.blockBytes = this.#caches.reduce((sum, { bytesOfBlock }) => sum + bytesOfBlock, 0);
  }

  /** Hidden states of the part's ids. */
  embed(stream: DeviceStream, { tensors, tokens }: ForwardPart, { hidden }: LayerState): void {
    const { vocabSize, hiddenSize } = this.#config;
    const { embeddings } = this.#weights;
    stream.launch(this.#kernels.embed, [tensors.inputIds, embeddings, hidden, tokens, vocabSize, hiddenSize]);
  }

  /** Queries, keys and values of a layer, at their positions. */
  project(stream: DeviceStream, layer: number, { tensors, tokens }: ForwardPart, state: LayerState): void {
    const { hiddenSize, headDim } = this.#config;
    const { cosines, sines } = this.#weights;
    const { inputNorm, qkv: weights } = this.#weights.layers[layer];
    const { hidden, qkv, scratch } = state;
    const normed = scratch.take('attention input', tokens * hiddenSize);
    const pitch = this.widths.qkv;
    stream.launch(this.#kernels.rms_norm, [hidden, inputNorm, normed, tokens, hiddenSize, this.#eps]);
    stream.launch(this.#kernels.matmul, [normed, weights, qkv, tokens, hiddenSize, pitch]);
    const turned = [qkv, tensors.positions, cosines, sines];
    const heads = this.#heads + this.#kvHeads;
    stream.launch(this.#kernels.rotate, [...turned, tokens, heads, headDim, pitch, this.#positions]);
  }

  /** Stores a layer's keys and values, and attends to those of each request. */
  attention(stream: DeviceStream, layer: number, part: ForwardPart, state: Omit<LayerState, 'scratch'>): void {
    const { qkv, attended } = state;
    const { headDim } = this.#config;
    const { tensors, tokens, requests, tableRow } = part;
    const { buffer: cache, group, blockSize, window } = this.#caches[layer];
    const { tensors: grouped, blockTable, tableWidth } = part.groups[group];
    const pitch = this.widths.qkv;
    const kvHeads = this.#kvHeads;
    const keys = this.#heads * headDim;
    stream.launch(this.#kernels.kv_store, [qkv, grouped.slotMapping, cache, tokens, pitch, keys, kvHeads, headDim]);
    const table = { buffer: blockTable, offset: tableRow * tableWidth * 4 };
    const where = [table, tensors.positions, tensors.tokenToRequest];
    const shape = [tokens, requests, tableWidth, blockSize, pitch, this.#heads, kvHeads, headDim, window, this.#scale];
    stream.launch(this.#kernels.attend, [qkv, cache, ...where, attended, ...shape]);
  }

  /** What follows a layer's attention: its output, then the MLP or the experts, each added to the residual stream. */
  *mix(lane: Lane, layer: number, part: ForwardPart, state: LayerState): Generator<string, void, void> {
    const { hidden, attended, scratch } = state;
    const { stream } = lane;
    const { tokens } = part;
    const { hiddenSize } = this.#config;
    const { output, postNorm } = this.#weights.layers[layer];
    const projected = yield* this.#product(
      lane,
      part,
      { own: attended, width: this.widths.attended, name: 'output', scratch },
      output,
    );
    stream.launch(this.#kernels.add, [hidden, projected, tokens * hiddenSize]);
    const normed = scratch.take('mixed input', this.#rows(part) * hiddenSize);
    stream.launch(this.#kernels.rms_norm, [hidden, postNorm, normed, tokens, hiddenSize, this.#eps]);
    const mixed =
      this.#experts === null
        ? yield* this.#mlp(lane, layer, part, normed, scratch)
        : yield* this.#experts.run(lane, this.#weights.layers[layer], part, normed, scratch);
    stream.launch(this.#kernels.add, [hidden, mixed, tokens * hiddenSize]);
  }

  /** The last norm. */
  end(stream: DeviceStream, { tokens }: ForwardPart, { hidden, last }: LayerState): void {
    const { hiddenSize } = this.#config;
    stream.launch(this.#kernels.rms_norm, [hidden, this.#weights.norm, last, tokens, hiddenSize, this.#eps]);
  }

  /** Most scratch bytes that a step takes: for so many tokens in all its parts. */
  scratchBytes(maxTokens: number, parts: number): number {
    const { hiddenSize, intermediateSize, experts, expertsPerToken } = this.#config;
    const { hidden, qkv, attended } = this.widths;
    const { size } = this.#executor.collectives;
    const inner = intermediateSize / this.#join.size;
    const joined =
      this.#join.size === 1
        ? 0
        : (2 + size + this.#join.size) * (attended + inner + (2 * hiddenSize) / this.#join.size);
    const mixture =
      size * (hiddenSize + experts + expertsPerToken * (2 + hiddenSize + 3 * inner)) +
      hiddenSize * (1 + expertsPerToken);
    const mixed = experts === 0 ? 3 * inner : mixture;
    const row = hidden + qkv + attended + 4 * hiddenSize + joined + mixed;
    return scratchBytes(maxTokens * row) + parts * 32 * scratchBytes(1);
  }

  [Symbol.dispose](): void {
    for (const { buffer } of this.#caches) buffer.dispose();
  }

  *#mlp(
    lane: Lane,
    layer: number,
    part: ForwardPart,
    normed: DevicePlace,
    scratch: Scratch,
  ): Generator<string, DevicePlace, void> {
    const { stream } = lane;
    const { hiddenSize, intermediateSize } = this.#config;
    const { gateUp, down } = this.#weights.layers[layer];
    const { tokens } = part;
    const rows = this.#rows(part);
    const inner = intermediateSize / this.#join.size;
    const gated = scratch.take('gated', rows * 2 * inner);
    const active = scratch.take('active', rows * inner);
    stream.launch(this.#kernels.matmul, [normed, gateUp, gated, tokens, hiddenSize, 2 * inner]);
    stream.launch(this.#kernels.swiglu, [gated, active, tokens, inner]);
    return yield* this.#product(lane, part, { own: active, width: inner, name: 'down', scratch }, down);
  }

  /**
   * The product of rows, of which each rank of the replica has some columns, with a matrix, of which each has some rows: every rank gets all
   * columns of the result. What is gathered is rows, twice; nothing is summed over ranks.
   */
  *#product(
    lane: Lane,
    part: ForwardPart,
    columns: OwnColumns,
    weights: DeviceBuffer,
  ): Generator<string, DevicePlace, void> {
    const { size } = this.#join;
    const { width, name, scratch } = columns;
    const outputs = this.#config.hiddenSize / size;
    const inputs = yield* this.#join.run(lane, part, { ...columns, name: `${name} inputs` });
    const own = scratch.take(`${name} product`, this.#rows(part) * outputs);
    lane.stream.launch(this.#kernels.matmul, [inputs, weights, own, part.tokens, width * size, outputs]);
    return yield* this.#join.run(lane, part, { own, width: outputs, name: `${name} outputs`, scratch });
  }

  /** Rows that a collective of the part needs, which may be more than its tokens. */
  #rows({ tokens, tokensPerRank }: ForwardPart): number {
    return Math.max(tokens, tokensPerRank[this.#executor.collectives.rank]);
  }

  #allocateCaches(limits: Limits, layerGroups: readonly number[] | undefined): LayerCache[] {
    const { device } = this.#executor;
    const { layerWindows, headDim } = this.#config;
    const caches: LayerCache[] = [];
    try {
      for (let layer = 0; layer < this.count; layer++) {
        const group = layerGroups?.[layer] ?? 0;
        const of = limits.kvGroups?.[group];
        const { blockSize, numBlocks = limits.numBlocks } = of ?? limits;
        const kernelBlockSize = of === undefined ? limits.kernelBlockSize : (of.kernelBlockSize ?? blockSize);
        const bytesOfBlock = blockSize * 2 * this.#kvHeads * headDim * 4;
        const buffer = device.allocate(numBlocks * bytesOfBlock);
        caches.push({ buffer, group, bytesOfBlock, blockSize: kernelBlockSize, window: layerWindows[layer] });
      }
    } catch (error) {
      for (const { buffer } of caches) buffer.dispose();
      throw error;
    }
    return caches;
  }
}
