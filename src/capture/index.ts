export {
  type AuditedPolicy,
  auditKeys,
  auditSteps,
  auditTraffic,
  countDecodes,
  type DecodeRange,
  type KeysAudit,
  type TrafficAudit,
} from './audit-keys.js';
export type { PlanBudget } from './budget.js';
export { decodeCounts } from './choices.js';
export { type DecodeLimits, decodesWithin, type WholeDecode } from './decodes-within.js';
export { auditLadder, type LadderAudit, type LadderAuditOptions, type PaddedDecode } from './ladder/ladder-audit.js';
export { type SharedBudget, shareGraphs } from './ladder/ladder-budget.js';
export { LadderCurve, type OptimalLadder } from './ladder/ladder-curve.js';
export { type OptimiseLadderOptions, optimiseLadder } from './ladder/ladder-optimiser.js';
export { type LadderScore, scoreLadder } from './ladder/ladder-score.js';
export { type LogFinding, type LogRun, type LogStep, logRun, type RanSteps } from './log-run.js';
export { makePlan, planKeys } from './make-plan.js';
export { auditMixed, type EagerTokens, type MixedAudit, type MixedAuditOptions } from './mixed/mixed-audit.js';
export {
  type MixedGrid,
  type MixedGridOptions,
  type MixedShape,
  optimiseMixedGrid,
  prefillSlots,
} from './mixed/mixed-grid.js';
export { costsOfLog, LOG_TIMES, largestDecode, type PlanCosts, planCosts } from './plan-costs.js';
export { captureCostOfLog, costsOfSteps, planDefaults, runsInPieces } from './plan-defaults.js';
export type {
  AsRanScore,
  CapturedScore,
  EmittedLadder,
  EngineScore,
  EqualGraphs,
  MixedGridScore,
  PlanAlternative,
  PlanAudit,
  PlanDocument,
  PlanLog,
  PlanScore,
  PlanTwin,
  UnseenScore,
} from './plan-document.js';
export { checkPlanOptions, type MakePlanOptions, PLAN_PHASES, type PlanPhase } from './plan-options.js';
export {
  type CountedSteps,
  type CountOptions,
  detectSource,
  engineSteps,
  loggedSteps,
  type ScheduleProgress,
  type StepSource,
  scheduledSteps,
} from './read-steps.js';
export { expectedSteps, OBJECTIVES, type Objective } from './robust.js';
export { type UncapturedMaximum, uncapturedMaxima } from './uncaptured-maxima.js';
export type { CountedTables, TableRules, VoteTables } from './vote-tables.js';
