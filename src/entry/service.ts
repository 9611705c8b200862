// `lockstep/service`: a live service over ranks, and its OpenAI-compatible HTTP server.

export { mpiRank } from '../ranks/index.js';
export { type Server, type ServerOptions, startServer } from '../server/index.js';
export {
  type CustomModel,
  createService,
  type GeneratedToken,
  type GenerateOptions,
  type MakeForward,
  type RequestOutcome,
  type Service,
  type ServiceEvent,
  type ServiceOptions,
  type ServiceState,
  type ServiceStats,
  serveMpiRank,
  type TokenStream,
} from '../service/index.js';
