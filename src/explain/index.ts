export { BATCH_SHAPE, type BatchDocument } from './batch-document.js';
export { type BatchExplanation, type ExplainOptions, explainBatch, type VoteRecord } from './explain-batch.js';
export { explanationText } from './explanation-text.js';
export { gatherText, REASON_MEANINGS, reasonText, runText } from './reason-text.js';
