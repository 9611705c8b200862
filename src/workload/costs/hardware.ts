import type { GpuName, ModelName } from '../../names.js';

export type { GpuName, ModelName } from '../../names.js';

/** What bounds a GPU, from its maker's datasheet: dense figures, without sparsity. */
export interface GpuSpec {
  /** bf16 matrix operations, in TFLOP/s. */
  readonly teraFlops: number;
  /** Memory bandwidth, in TB/s. */
  readonly teraBytesPerSecond: number;
  /** Streaming multiprocessors or compute units: tiles that are computed at once. */
  readonly multiprocessors: number;
}

/**
 * GPUs by name. Sources: NVIDIA's datasheets of A100 80 GB SXM, H100 SXM, H200 SXM, HGX B200 and L40S; AMD's of MI300X and
 * MI355X. Figures that the makers give with sparsity are halved.
 */
export const GPUS: Readonly<Record<GpuName, GpuSpec>> = {
  a100: { teraFlops: 312, teraBytesPerSecond: 2.039, multiprocessors: 108 },
  h100: { teraFlops: 989, teraBytesPerSecond: 3.35, multiprocessors: 132 },
  h200: { teraFlops: 989, teraBytesPerSecond: 4.8, multiprocessors: 132 },
  b200: { teraFlops: 2250, teraBytesPerSecond: 8, multiprocessors: 148 },
  l40s: { teraFlops: 362, teraBytesPerSecond: 0.864, multiprocessors: 142 },
  mi300x: { teraFlops: 1307, teraBytesPerSecond: 5.3, multiprocessors: 304 },
  mi355x: { teraFlops: 2517, teraBytesPerSecond: 8, multiprocessors: 256 },
};

/** The parameters of a dense decoder that determine the cost of a layer. */
export interface ModelShape {
  readonly layers: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly attentionHeads: number;
  readonly keyValueHeads: number;
  readonly headDim: number;
  /** Gate and up projection (SwiGLU), or the up projection alone. */
  readonly gated: boolean;
}

/** Models by name. Source: the config.json each is published with. */
export const MODELS: Readonly<Record<ModelName, ModelShape>> = {
  'llama-2-7b': dense(32, 4096, 11008, 32, 32),
  'llama-2-70b': dense(80, 8192, 28672, 64, 8),
  'llama-3-8b': dense(32, 4096, 14336, 32, 8),
  'llama-3-70b': dense(80, 8192, 28672, 64, 8),
  'llama-3-405b': dense(126, 16384, 53248, 128, 8),
  'codellama-34b': dense(48, 8192, 22016, 64, 8),
  'phi-2': { ...dense(32, 2560, 10240, 32, 32), gated: false },
};

function dense(
  layers: number,
  hiddenSize: number,
  intermediateSize: number,
  attentionHeads: number,
  keyValueHeads: number,
): ModelShape {
  const headDim = hiddenSize / attentionHeads;
  return { layers, hiddenSize, intermediateSize, attentionHeads, keyValueHeads, headDim, gated: true };
}
