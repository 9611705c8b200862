export {
  type ConformanceOptions,
  type ConformanceResult,
  type FamilyResult,
  runConformance,
} from './run-conformance.js';
