export { checkCache, completeSimulateOptions, completeSteps } from './complete-options.js';
export { type SimulateControl, Simulation, simulate } from './simulate.js';
export {
  type CompleteSimulateOptions,
  DEFAULT_SIMULATE_OPTIONS,
  type SimulateOptions,
} from './simulate-options.js';
export type { SimulateSummary, StepSummary } from './summary.js';
