export { AheadSteps } from './ahead-steps.js';
export { createService, serveMpiRank } from './create-service.js';
export type { EngineEvent, EngineStats, EngineToken } from './engine-events.js';
export {
  type Drafter,
  type EngineArrival,
  type EngineEnd,
  EngineRequest,
  mostTokens,
  refusalOf,
} from './engine-request.js';
export { FairQueue } from './fair-queue.js';
export type { GenerateOptions } from './generate-options.js';
export { leastLoaded, type RankLoad } from './least-loaded.js';
export type { CustomModel, MakeForward } from './model-source.js';
export { PrefixKeys } from './prefix-keys.js';
export { PromptLookup } from './prompt-lookup.js';
export { RankEngine, type RankEngineOptions } from './rank-engine.js';
export { Service } from './service.js';
export { type CompleteServiceOptions, completeServiceOptions, type ServiceOptions } from './service-options.js';
export type { RequestOutcome, ServiceEvent, ServiceState, ServiceStats } from './service-stats.js';
export { StopStrings } from './stop-strings.js';
export { MAX_LOGPROBS, type TokenLogprobs } from './token-logprobs.js';
export { type GeneratedToken, TokenStream } from './token-stream.js';
