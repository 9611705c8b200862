// `lockstep/check`: explain one batch, or explore every batch of a policy and its plan.

export {
  type CheckedPair,
  type CheckOptions,
  type CheckProgress,
  type CheckReport,
  checkPolicy,
  HISTORICAL,
  type HistoricalPolicy,
  historicalPolicy,
  type PlayedStory,
  PROPERTIES,
  PROPERTY_MEANINGS,
  type Property,
  planDomain,
  playStory,
  STANDARD_LADDER,
  STANDARD_THRESHOLD,
  STANDARD_UBATCHES,
  type StandardDomainOptions,
  type Story,
  standardDomain,
  type TraceLine,
  traceText,
  type Violation,
} from '../check/index.js';
export {
  BATCH_SHAPE,
  type BatchDocument,
  type BatchExplanation,
  type ExplainOptions,
  explainBatch,
  explanationText,
} from '../explain/index.js';
export type { CheckedPolicy } from '../policy/index.js';
