export {
  type CheckOptions,
  type CheckProgress,
  type CheckReport,
  checkPolicy,
  type Violation,
} from './check-policy.js';
export { HISTORICAL, type HistoricalPolicy, historicalPolicy } from './historical.js';
export { PROPERTIES, PROPERTY_MEANINGS, type Property } from './properties.js';
export {
  type CheckedPair,
  planDomain,
  STANDARD_LADDER,
  STANDARD_THRESHOLD,
  STANDARD_UBATCHES,
  type StandardDomainOptions,
  standardDomain,
} from './standard-domain.js';
export { type PlayedStory, playStory, type Story } from './story.js';
export { type TraceLine, traceText } from './trace.js';
