export { FAMILIES, type FamilyRunner } from './families.js';
export {
  type ConformanceOptions,
  type ConformanceResult,
  type FailedCase,
  type FamilyResult,
  runConformance,
  runFamily,
} from './run-conformance.js';
export { builtInVectors, parseVectors, readVectors, type VectorCase, type VectorFamily } from './vector-files.js';
