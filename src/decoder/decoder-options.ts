import type { ForwardBatch } from '../batch/index.js';

/** How a decoder stands in its group. */
export interface DecoderOptions {
  /** Ranks of each replica, which share out heads and columns. Default 1. */
  readonly tensorParallelSize?: number;
  /** KV cache group of each layer. Default: the first for all. */
  readonly layerGroups?: readonly number[];
  /** Whether tokens may stay on the device and fill the next step's inputs (`Decoder.ahead`). Default false. */
  readonly ahead?: boolean;
  /** Writes the tensors that the device supplies, as `Forward.supply`. */
  readonly supply?: (local: ForwardBatch) => void;
}
