export { leastTokensOn, permille } from './padding-limit.js';
export {
  completePolicy,
  LOCKSTEP_POLICY,
  NO_PADDING_LIMIT,
  type Policy,
  policyWords,
  refuseHooks,
  ubatchMinRequests,
} from './policy.js';
