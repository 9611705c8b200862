export { leastTokensOn, permille } from './padding-limit.js';
export {
  type CheckedPolicy,
  completeCheckedPolicy,
  completePolicy,
  LOCKSTEP_POLICY,
  NO_PADDING_LIMIT,
  type Policy,
  padsDecodes,
  policyWords,
  todaysPolicy,
  ubatchMinRequests,
  withPaddedDecodes,
} from './policy.js';
