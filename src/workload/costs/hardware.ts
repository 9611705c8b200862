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

/** The parameters of a decoder that determine the cost of its layers. */
export interface ModelShape {
  /** Decoder layers. */
  readonly layers: number;
  /** Width of the residual stream. */
  readonly hiddenSize: number;
  /** Width inside the MLP of layers without experts. */
  readonly intermediateSize: number;
  /** Query heads of a layer. */
  readonly attentionHeads: number;
  /** Key and value heads of a layer. */
  readonly keyValueHeads: number;
  /** Width of a head. */
  readonly headDim: number;
  /** Gate and up projection (SwiGLU), or the up projection alone. */
  readonly gated: boolean;
  /** Layers whose MLP is of experts. Default none: every layer has the one above. */
  readonly experts?: ExpertShape;
  /** Attention over latent keys and values (MLA). Default: over those of `keyValueHeads`. */
  readonly latent?: LatentShape;
  /** Bytes of a weight. Default 2, bf16. */
  readonly weightBytes?: number;
}

/** Experts of a layer. */
export interface ExpertShape {
  /** Experts of a layer, shared ones not counted. */
  readonly count: number;
  /** Experts that compute a token, shared ones not counted. */
  readonly perToken: number;
  /** Width inside an expert. */
  readonly intermediateSize: number;
  /** Columns of the experts that every token takes; 0: none. */
  readonly sharedSize: number;
  /** Layers of the model that have no experts. */
  readonly denseLayers: number;
}

/** Ranks and head sizes of latent attention. */
export interface LatentShape {
  /** Width of the latent keys and values. */
  readonly keyValueRank: number;
  /** 0: queries are projected at once. */
  readonly queryRank: number;
  /** Width of a head's part without positions. */
  readonly nopeHeadDim: number;
  /** Width of a head's part with rotary positions. */
  readonly ropeHeadDim: number;
  /** Width of a value head. */
  readonly valueHeadDim: number;
}

/** Fields that every shape has. */
export const SHAPE_FIELDS = [
  'layers',
  'hiddenSize',
  'intermediateSize',
  'attentionHeads',
  'keyValueHeads',
  'headDim',
  'gated',
] as const;

/** Fields of experts, and of latent attention. */
export const EXPERT_FIELDS = ['count', 'perToken', 'intermediateSize', 'sharedSize', 'denseLayers'] as const;
export const LATENT_FIELDS = ['keyValueRank', 'queryRank', 'nopeHeadDim', 'ropeHeadDim', 'valueHeadDim'] as const;

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
