export type { PlannerOptions } from './planner-options.js';
export { assertShapeContract } from './shape-contract.js';
export { createPlanner, StepPlanner } from './step-planner.js';
