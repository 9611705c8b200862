export {
  type CaptureKey,
  decodeKey,
  holds,
  type KeyKind,
  keyKind,
  keyWords,
  type MixedStep,
  mixedKey,
  piecewiseKey,
  runsDecodes,
} from './capture-key.js';
export {
  type CapturePlan,
  type DecodePlanOptions,
  decodeGraphs,
  decodePlan,
  leastAgreedSize,
  leastUbatchedSize,
  queryLens,
} from './capture-plan.js';
export { checkPlan } from './check-plan.js';
