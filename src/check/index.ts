export { type CheckReport, checkPolicy, type Violation } from './check-policy.js';
export { HISTORICAL, historicalPolicy } from './historical.js';
export { PROPERTY_MEANINGS } from './properties.js';
export { type CheckedPair, planDomain, standardDomain } from './standard-domain.js';
export { traceText } from './trace.js';
