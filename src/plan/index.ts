export type { PlanBudget } from './budget.js';
export {
  checkPlanOptions,
  type MakePlanOptions,
  makePlan,
  PLAN_PHASES,
  type PlanPhase,
  planKeys,
} from './make-plan.js';
export { largestDecode, type PlanCosts, planCosts } from './plan-costs.js';
export type {
  CapturedScore,
  EmittedLadder,
  EngineScore,
  EqualGraphs,
  MixedGridScore,
  PlanAudit,
  PlanDocument,
  PlanScore,
  PlanTwin,
  UnseenScore,
} from './plan-document.js';
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
export { type UncapturedMaximum, uncapturedMaxima } from './uncaptured-maxima.js';
