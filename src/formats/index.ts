export { LogWriter } from './log-writer.js';
export {
  type FileOptions,
  type PlanFile,
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
