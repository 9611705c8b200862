export {
  type Drafter,
  type EngineArrival,
  type EngineEnd,
  EngineRequest,
  mostTokens,
  refusalOf,
} from './engine-request.js';
export { leastLoaded, type RankLoad } from './least-loaded.js';
export { PrefixKeys } from './prefix-keys.js';
export { PromptLookup } from './prompt-lookup.js';
export {
  type EngineEvent,
  type EngineStats,
  type EngineToken,
  RankEngine,
  type RankEngineOptions,
} from './rank-engine.js';
