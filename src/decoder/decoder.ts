import type { ForwardBatch } from '../batch/index.js';
import type { Checkpoint } from '../checkpoint/index.js';
import { checkArguments, Faults } from '../checks.js';
import type { Limits } from '../config.js';
import type { DeviceBuffer, DevicePlace, DeviceStream } from '../device/index.js';
import type { Executor, Forward, ForwardPart, Lane, PiecewiseForward } from '../execution/index.js';
import type { WaitOptions } from '../wait.js';
import { AheadSampler } from './ahead-sampler.js';
import { decoderKernels } from './decoder-kernels.js';
import { DecoderLayers, type LayerState } from './decoder-layers.js';
import type { DecoderOptions } from './decoder-options.js';
import { checkModelLimits } from './model-limits.js';
import { Sampler } from './sampler.js';
import type { AheadSampling, SamplingForward, SamplingRow } from './sampling-forward.js';
import { Scratch } from './scratch.js';
import { shardOf } from './shard.js';
import { DecoderWeights } from './weights.js';

/**
 * A transformer of the Llama family, dense or a mixture of experts, as a forward: plain, all float32, and batch-invariant. A token's
 * logits have the same bits whatever runs beside it, however it is cut, padded, captured or spread over ranks.
 *
 * Experts are spread over all ranks of the group: each layer gathers all rows, computes those of its own experts, and gives them back.
 * Ranks of a replica gather what the others computed of a row; nothing is summed over ranks.
 */
export class Decoder implements SamplingForward {
  readonly piecewise: PiecewiseForward;
  readonly supply?: (local: ForwardBatch) => void;
  readonly fill?: NonNullable<Forward['fill']>;
  /** Bytes that one KV block takes in this rank's caches, keys and values of all layers. */
  readonly blockBytes: number;
  /** Where `ahead` is asked for. */
  readonly ahead?: AheadSampling;
  readonly #executor: Executor;
  readonly #layers: DecoderLayers;
  readonly #sampler: Sampler;
  readonly #made: Disposable[] = [];
  /** The states of a view between pieces: f32[maxTokens, …]. Graphs of pieces and the attention between them share them. */
  readonly #states: readonly Omit<LayerState, 'scratch'>[];
  /** Scratch memory of the pieces of each view's key that is recorded or warmed up now. */
  readonly #scratch: Scratch[] = [];

  /**
   * Loads the weights. `limits` are the planner's. Errors: ERR_CONFIG_INVALID where model, limits and group do not fit,
   * ERR_MODEL_INVALID, ERR_DEVICE_MEMORY.
   */
  constructor(executor: Executor, checkpoint: Checkpoint, limits: Limits, options: DecoderOptions = {}) {
    checkArguments('Decoder', {
      executor: [executor, 'object', 'device', 'stream', 'collectives', 'metadata', 'pool'],
      checkpoint: [checkpoint, 'object', 'config'],
      limits: [limits, 'object'],
      options: [options, 'object'],
    });
    const { config } = checkpoint;
    const { device, stream, collectives, metadata, pool } = executor;
    const { tensorParallelSize = 1 } = options;
    checkModelLimits(config, limits, tensorParallelSize);
    checkGroups(checkpoint, limits, options);
    const shard = shardOf(config, {
      rank: collectives.rank,
      ranks: collectives.size,
      tensorParallelSize,
      exchange: collectives.implementation !== 'none',
    });
    this.#executor = executor;
    if (options.supply !== undefined) this.supply = options.supply;
    const keep = <T extends Disposable>(part: T): T => {
      this.#made.unshift(part);
      return part;
    };
    const maxTokens = metadata.whole.inputIds.bytes / 4;
    const allocate = (elements: number): DeviceBuffer => keep(device.allocate(Math.max(1, elements) * 4));
    try {
      const weights = keep(new DecoderWeights(device, stream, checkpoint, shard, limits.maxModelLen));
      const kernels = decoderKernels(executor.kernels);
      this.#layers = keep(new DecoderLayers({ executor, config, kernels, weights, shard, limits, options }));
      this.blockBytes = this.#layers.blockBytes;
      const views = [metadata.whole, ...metadata.parts];
      const widths = this.#layers.widths;
      this.#states = views.map(() => ({
        hidden: allocate(maxTokens * widths.hidden),
        qkv: allocate(maxTokens * widths.qkv),
        attended: allocate(maxTokens * widths.attended),
        last: allocate(maxTokens * widths.hidden),
      }));
      const maxRows = Math.max(1, metadata.whole.logitsIndices.bytes / 4);
      const { hiddenSize, vocabSize } = config;
      const states = this.#states.map(({ last }) => last);
      const parts = { executor, kernels, states, maxTokens, head: weights.head, hiddenSize, vocabSize, maxRows };
      const sampler = keep(new Sampler(parts));
      this.#sampler = sampler;
      if (options.ahead === true) {
        const maxDrafts = limits.queryLen - 1;
        const blockSizes = kernelBlockSizes(limits);
        const ahead = keep(new AheadSampler({ executor, kernels, sampler, maxDrafts, maxRows, vocabSize, blockSizes }));
        this.ahead = ahead;
        this.fill = (...given) => ahead.fill(...given);
      }
      // Reserves what the largest step takes, so that no step allocates.
      pool.take(this.#layers.scratchBytes(maxTokens, views.length));
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
    const { layers } = config;
    this.piecewise = {
      pieces: layers + 1,
      piece: (_stream, index, part) => void executor.lanes.run([part], (...given) => this.#piece(index, ...given)),
      attention: (on, index, part) => this.#layers.attention(on, index, part, this.#states[this.#viewOf(part)]),
    };
  }

  part(stream: DeviceStream, part: ForwardPart): void {
    this.overlap(stream, [part]);
  }

  overlap(_stream: DeviceStream, parts: readonly ForwardPart[]): void {
    this.#executor.lanes.run(parts, (part, lane) => this.#steps(part, lane));
  }

  sampleSync(local: ForwardBatch, rows: readonly SamplingRow[], options?: WaitOptions): Int32Array {
    return this.#sampler.sampleSync(local, rows, options);
  }

  sample(local: ForwardBatch, rows: readonly SamplingRow[], options?: WaitOptions): Promise<Int32Array> {
    return this.#sampler.sample(local, rows, options);
  }

  /** Enqueues what `sample` draws, and waits for nothing. */
  enqueue(local: ForwardBatch, rows: readonly SamplingRow[]): void {
    this.#sampler.enqueue(local, rows);
  }

  /** The logits of a launched step, in the order of `local.tensors.logitsIndices`: f32[numLogits, vocabSize]. Waits for them. */
  logitsSync(local: ForwardBatch, options?: WaitOptions): Float32Array {
    return this.#sampler.logitsSync(local, options);
  }

  /** Frees its buffers on the device. */
  [Symbol.dispose](): void {
    for (const part of this.#made) part[Symbol.dispose]();
    this.#made.length = 0;
  }

  /** States that nothing outside the forward reads are scratch memory, but for the last, which tokens are drawn from. */
  *#steps(part: ForwardPart, lane: Lane): Generator<string, void, void> {
    const { widths, count } = this.#layers;
    const take = (width: number): DevicePlace => this.#executor.pool.take(Math.max(1, part.tokens) * width * 4);
    const { last } = this.#states[this.#viewOf(part)];
    const state: LayerState = {
      hidden: take(widths.hidden),
      qkv: take(widths.qkv),
      attended: take(widths.attended),
      last,
      scratch: new Scratch(this.#executor.pool),
    };
    this.#layers.embed(lane.stream, part, state);
    for (let layer = 0; layer < count; layer++) {
      this.#layers.project(lane.stream, layer, part, state);
      this.#layers.attention(lane.stream, layer, part, state);
      yield* this.#layers.mix(lane, layer, part, state);
    }
    this.#layers.end(lane.stream, part, state);
  }

  *#piece(index: number, part: ForwardPart, lane: Lane): Generator<string, void, void> {
    const view = this.#viewOf(part);
    // The pool is reset before the first piece of a key, and not again before its last.
    if (index === 0) this.#scratch[view] = new Scratch(this.#executor.pool);
    const state: LayerState = { ...this.#states[view], scratch: this.#scratch[view] };
    if (index === 0) this.#layers.embed(lane.stream, part, state);
    else yield* this.#layers.mix(lane, index - 1, part, state);
    if (index < this.#layers.count) this.#layers.project(lane.stream, index, part, state);
    else this.#layers.end(lane.stream, part, state);
  }

  #viewOf({ tensors }: ForwardPart): number {
    const { whole, parts } = this.#executor.metadata;
    return tensors === whole ? 0 : 1 + parts.indexOf(tensors);
  }
}

/** Tokens of a block of each KV cache group, as kernels see it. */
function kernelBlockSizes({ kvGroups, kernelBlockSize }: Limits): number[] {
  return kvGroups?.map((group) => group.kernelBlockSize ?? group.blockSize) ?? [kernelBlockSize];
}

function checkGroups({ config }: Checkpoint, { kvGroups }: Limits, { layerGroups }: DecoderOptions): void {
  const groups = kvGroups?.length ?? 1;
  const faults = new Faults();
  faults.check(
    layerGroups === undefined ||
      (layerGroups.length === config.layers && layerGroups.every((group) => group >= 0 && group < groups)),
    `layerGroups must name one of ${groups} KV cache groups for each of ${config.layers} layers`,
    'layerGroups',
  );
  faults.throwIfAny('This model');
}
