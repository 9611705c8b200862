export { queryLenWords } from './config-words.js';
export type { KvGroupSizes } from './kv-group-regions.js';
export {
  allocate,
  instantiate,
  loadModules,
  type MetadataBuild,
  type MetadataExports,
  type PlannerModules,
  type RulesExports,
  type SimdChoice,
  type WasmSource,
  type WasmSources,
} from './modules.js';
export type { RegionTable } from './region-table.js';
export { planRegions, type RegionOptions } from './regions.js';
export { type Sizes, type TensorChoices, tensorLength } from './sizes.js';
export { hasSimd, type WasmMemory, wasmApi } from './wasm-api.js';
