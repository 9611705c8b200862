import type { Checkpoint } from '../checkpoint/index.js';
import type { Device, DeviceBuffer, DeviceStream } from '../device/index.js';
import { rotaryTables } from './rotary.js';
import type { Shard } from './shard.js';

/** Weights of one layer on a device; matrices are f32[outputs, inputs], as checkpoints have them, of this rank's outputs. */
export interface LayerWeights {
  readonly inputNorm: DeviceBuffer;
  /** Queries, keys and values of this rank's heads, one after the other: f32[(heads + 2 * kvHeads) * headDim, hiddenSize]. */
  readonly qkv: DeviceBuffer;
  readonly output: DeviceBuffer;
  readonly postNorm: DeviceBuffer;
  /** Gate and up, one after the other; of a mixture of experts, f32[experts, 2 * intermediateSize, hiddenSize] of this rank's. */
  readonly gateUp: DeviceBuffer;
  readonly down: DeviceBuffer;
  /** f32[experts, hiddenSize] of all experts; null in a dense model. */
  readonly router: DeviceBuffer | null;
}

/** A checkpoint's weights on a device: all float32, cut to this rank's shard. */
export class DecoderWeights implements Disposable {
  readonly embeddings: DeviceBuffer;
  readonly layers: readonly LayerWeights[];
  readonly norm: DeviceBuffer;
  /** f32[vocabSize, hiddenSize]: the embeddings where the model ties them. */
  readonly head: DeviceBuffer;
  readonly cosines: DeviceBuffer;
  readonly sines: DeviceBuffer;
  readonly #buffers: DeviceBuffer[] = [];

  /** Reads every tensor and copies it; what was allocated is freed if one cannot be read. */
  constructor(device: Device, stream: DeviceStream, checkpoint: Checkpoint, shard: Shard, positions: number) {
    const { config } = checkpoint;
    const { hiddenSize: hidden, vocabSize, headDim, heads, kvHeads, intermediateSize: inner } = config;
    const place = (...values: readonly Float32Array[]): DeviceBuffer => {
      const elements = values.reduce((sum, { length }) => sum + length, 0);
      const buffer = device.allocate(Math.max(1, elements) * 4);
      this.#buffers.push(buffer);
      let at = 0;
      for (const value of values) {
        if (value.length > 0) stream.upload(buffer, at, value);
        at += value.byteLength;
      }
      return buffer;
    };
    /** This rank's rows of a matrix of so many. */
    const rows = (name: string, outputs: number, inputs: number): Float32Array => {
      const share = (outputs / shard.size) * inputs;
      return checkpoint.tensor(name, [outputs, inputs]).subarray(shard.rank * share, (shard.rank + 1) * share);
    };
    const vector = (name: string): DeviceBuffer => place(checkpoint.tensor(name, [hidden]));
    const dense = (layer: string): Pick<LayerWeights, 'gateUp' | 'down' | 'router'> => ({
      gateUp: place(
        rows(`${layer}.mlp.gate_proj.weight`, inner, hidden),
        rows(`${layer}.mlp.up_proj.weight`, inner, hidden),
      ),
      down: place(rows(`${layer}.mlp.down_proj.weight`, hidden, inner)),
      router: null,
    });
    const experts = (layer: string): Pick<LayerWeights, 'gateUp' | 'down' | 'router'> => {
      const own = Array.from({ length: shard.experts }, (_, index) => {
        const expert = `${layer}.block_sparse_moe.experts.${shard.firstExpert + index}`;
        const matrix = (name: string, outputs: number, inputs: number): Float32Array =>
          checkpoint.tensor(`${expert}.${name}.weight`, [outputs, inputs]);
        return {
          gate: matrix('w1', inner, hidden),
          up: matrix('w3', inner, hidden),
          down: matrix('w2', hidden, inner),
        };
      });
      return {
        gateUp: place(...own.flatMap(({ gate, up }) => [gate, up])),
        down: place(...own.map(({ down }) => down)),
        router: place(checkpoint.tensor(`${layer}.block_sparse_moe.gate.weight`, [config.experts, hidden])),
      };
    };
    try {
      this.embeddings = place(checkpoint.tensor('model.embed_tokens.weight', [vocabSize, hidden]));
      this.layers = Array.from({ length: config.layers }, (_, index) => {
        const layer = `model.layers.${index}`;
        const attention = `${layer}.self_attn`;
        return {
          inputNorm: vector(`${layer}.input_layernorm.weight`),
          qkv: place(
            rows(`${attention}.q_proj.weight`, heads * headDim, hidden),
            rows(`${attention}.k_proj.weight`, kvHeads * headDim, hidden),
            rows(`${attention}.v_proj.weight`, kvHeads * headDim, hidden),
          ),
          output: place(rows(`${attention}.o_proj.weight`, hidden, heads * headDim)),
          postNorm: vector(`${layer}.post_attention_layernorm.weight`),
          ...(config.experts === 0 ? dense(layer) : experts(layer)),
        };
      });
      this.norm = vector('model.norm.weight');
      this.head = config.tiedEmbeddings
        ? this.embeddings
        : place(checkpoint.tensor('lm_head.weight', [vocabSize, hidden]));
      const { cosines, sines } = rotaryTables(config, positions);
      this.cosines = place(cosines);
      this.sines = place(sines);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    for (const buffer of this.#buffers) buffer.dispose();
  }
}
