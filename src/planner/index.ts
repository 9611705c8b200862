export type { DevicePort } from './device-port.js';
export type { PlannerOptions } from './planner-options.js';
export { assertShapeContract } from './shape-contract.js';
export { createPlanner, devicePort, StepPlanner } from './step-planner.js';
