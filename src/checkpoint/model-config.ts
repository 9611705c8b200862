/** How Llama 3 stretches the rotary frequencies for long contexts. Source: transformers `_compute_llama3_parameters`. */
export interface Llama3Scaling {
  /** Always `llama3`. */
  readonly kind: 'llama3';
  /** By what the lowest frequencies are divided. */
  readonly factor: number;
  /** Frequencies of wavelengths above `originalMaxPositions / lowFreqFactor`, in positions, are divided by `factor`. */
  readonly lowFreqFactor: number;
  /** Those of wavelengths below `originalMaxPositions / highFreqFactor` stay as they are; between the two bounds they are divided in part. */
  readonly highFreqFactor: number;
  /** Positions that the model was first trained for. */
  readonly originalMaxPositions: number;
}

/** The numbers of a decoder-only model of the Llama family, dense or with experts. */
export interface ModelConfig {
  /** `llama`, `mistral` or `mixtral`. */
  readonly modelType: string;
  /** Width of the residual stream. */
  readonly hiddenSize: number;
  /** Width inside the MLP, of each expert where there are experts. */
  readonly intermediateSize: number;
  /** Decoder layers. */
  readonly layers: number;
  /** Query heads of a layer. */
  readonly heads: number;
  /** Key and value heads of a layer; divides `heads`. */
  readonly kvHeads: number;
  /** Width of a head: even, as rotary halves it. `heads * headDim` need not be `hiddenSize`. */
  readonly headDim: number;
  /** Tokens of the vocabulary: rows of the embedding and of the head. */
  readonly vocabSize: number;
  /** Most positions of a text. */
  readonly maxPositions: number;
  /** Added to the mean square in RMSNorm. */
  readonly rmsNormEps: number;
  /** Base of the rotary frequencies. */
  readonly ropeTheta: number;
  /** How the rotary frequencies are stretched; null where they are not. */
  readonly ropeScaling: Llama3Scaling | null;
  /** Whether the embedding's table is the head's too: there is no `lm_head.weight` then. */
  readonly tiedEmbeddings: boolean;
  /** Tokens that begin a text. */
  readonly bosTokenIds: readonly number[];
  /** Tokens that end one. */
  readonly eosTokenIds: readonly number[];
  /** Experts of a layer; 0 in a dense model. */
  readonly experts: number;
  /** Experts that a token goes to; 0 in a dense model. */
  readonly expertsPerToken: number;
  /** Tokens that a query attends to, itself included, in layers with a window; null where no layer has one. */
  readonly slidingWindow: number | null;
  /** The window of each layer, 0 for none. */
  readonly layerWindows: readonly number[];
}
