export {
  BATCH_SHAPE,
  type BatchDocument,
  checkBatchDocument,
  type DocumentRank,
  type DocumentRequest,
} from './batch-document.js';
export {
  type BatchExplanation,
  type ExplainOptions,
  explainBatch,
  type InventedBlocks,
  type LocalRecord,
  type VoteRecord,
} from './explain-batch.js';
export { explanationText } from './explanation-text.js';
export type { PlainInteger, PlainTensors, PlainView } from './plain-tensors.js';
export { gatherText, REASON_MEANINGS, reasonText, runText } from './reason-text.js';
