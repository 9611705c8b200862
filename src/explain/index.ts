export { BATCH_SHAPE } from '../names.js';
export type { BatchDocument } from './batch-document.js';
export { candidateLines } from './candidate-text.js';
export { type BatchExplanation, type ExplainOptions, explainBatch, type VoteRecord } from './explain-batch.js';
export { explanationText } from './explanation-text.js';
export { gatherText, REASON_MEANINGS, reasonText, runText } from './reason-text.js';
