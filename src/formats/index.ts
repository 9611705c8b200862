export { LogWriter } from './log-writer.js';
export {
  type FileOptions,
  type PlanFile,
  type PlanFileOptions,
  planFileText,
  readCheckedPlanFile,
  readPlanFile,
  readPolicy,
  writePlanFile,
} from './plan-file.js';
export {
  type SimulatedSpan,
  type StepLogLine,
  spanLines,
  stepLogLine,
  stepRecord,
  type VoteWordName,
} from './step-log.js';
