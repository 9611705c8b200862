export { queryLenWords, voteRangeWords } from './config-words.js';
export type { MetadataExports, RulesExports } from './exports.js';
export type { KvGroupSizes } from './kv-group-regions.js';
export {
  allocate,
  instantiate,
  instantiateRules,
  loadModules,
  type MetadataBuild,
  type PlannerModules,
  type SimdChoice,
  type WasmSource,
  type WasmSources,
} from './modules.js';
export type { RegionTable } from './region-table.js';
export { layoutRegions, type RegionOptions } from './regions.js';
export { type Sizes, type TensorChoices, tensorLength } from './sizes.js';
export { hasSimd } from './wasm-api.js';
