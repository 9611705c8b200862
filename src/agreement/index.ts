export {
  type DecisionPart,
  type DecisionValue,
  DecisionView,
  EAGER_REASONS,
  type GatherKind,
  PARK_REASONS,
  type Phase,
  type ReasonCode,
  type RunKind,
} from './decision.js';
export { type KeyCandidate, keyCandidates, type Verdict } from './key-candidates.js';
export { createRawRules, type FactWord, type RawIntent, RawRules, type VoteWord } from './raw-rules.js';
export { type AgreedShape, VoteGroup } from './vote-group.js';
export { checkIntent, controlOf, countOf, NO_INTENT, type VoteIntent, vetoOf } from './vote-intent.js';
export { checkTable, ownRowRefusal, tableRefusal } from './vote-table.js';
