export { LineFile } from './line-file.js';
export { type PlanFile, readCheckedPlanFile, readPlanFile, readPolicy, writePlanFile } from './plan-file.js';
export { StagedFile } from './staged-file.js';
export {
  type SimulatedSpan,
  StepLogFile,
  type StepLogLine,
  spanLines,
  stepLogLine,
  stepRecord,
  type VoteWordName,
} from './step-log.js';
