/** Tensors of a step, their entries, and what padding holds: part of the layout, which exports them. */

import { KV_GROUP_TENSORS, type KvGroupTensorName } from './kv-group-layout.js';

/** Tensors of a step, in the order in which they are shown. */
export const TENSORS = [
  'inputIds',
  'positions',
  'slotMapping',
  'queryStartLoc',
  'seqLens',
  'tokenToRequest',
  'isPadding',
  'logitsIndices',
  'tokensPerRank',
  'localSeqLens',
  'tokensPerRankReal',
  'kvIndptr',
  'kvIndices',
  'kvLastPageLen',
] as const;
export type TensorName = (typeof TENSORS)[number];

/** Tensors every view (the whole batch, then each part) has in each staging set; the others are each KV cache group's own. */
export const VIEW_TENSORS: readonly ViewTensorName[] = TENSORS.filter((name) => isViewTensor(name));
export type ViewTensorName = Exclude<TensorName, KvGroupTensorName>;

/** Whether a view has one such tensor, whatever the KV cache groups. */
export function isViewTensor(name: string): name is ViewTensorName {
  return !(KV_GROUP_TENSORS as readonly string[]).includes(name);
}

/** Tensors that the device may fill itself, from sampled tokens that the host does not wait for. */
export const DEVICE_SUPPLIED = ['inputIds', 'positions', 'seqLens'] as const;
/** Name of a tensor that the device may fill itself. */
export type DeviceSupplied = (typeof DEVICE_SUPPLIED)[number];

/** Bytes of one entry: an i64 or an i32. */
export const TENSOR_BYTES: Readonly<Record<TensorName, 4 | 8>> = {
  inputIds: 4,
  positions: 8,
  slotMapping: 8,
  queryStartLoc: 4,
  seqLens: 4,
  tokenToRequest: 4,
  isPadding: 4,
  logitsIndices: 4,
  tokensPerRank: 4,
  localSeqLens: 4,
  tokensPerRankReal: 4,
  kvIndptr: 4,
  kvIndices: 4,
  kvLastPageLen: 4,
};

/**
 * Conventions of what padding holds, by the kernels that read it: all but slots (-1) and blocks (null block 0), which are the
 * same everywhere. `lockstep`: a padded request has no tokens. `sglang`, `flashinfer`, `trtllm`: it has one, in the null block, for
 * kernels that need at least one.
 */
export const PADDING_RECORDS = {
  lockstep: { seqLens: 0 },
  sglang: { seqLens: 1 },
  flashinfer: { seqLens: 1 },
  trtllm: { seqLens: 1 },
} as const;
/** Name of a padding record, by the kernels that read it. */
export type PaddingName = keyof typeof PADDING_RECORDS;

/**
 * What an entry of a tensor holds where the whole batch is padding, and a padded request has `paddedSeqLen` tokens, as its record
 * says. For `kvIndptr` it is the first entry: each later one adds the blocks of a padded request.
 */
export function tensorPadding(name: TensorName, paddedSeqLen: number): number {
  switch (name) {
    case 'seqLens':
      return paddedSeqLen;
    case 'slotMapping':
    case 'tokenToRequest':
      return -1;
    case 'isPadding':
    case 'kvLastPageLen':
      return 1;
    default:
      return 0;
  }
}
