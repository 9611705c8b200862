// `lockstep/service`: a live service over ranks, forwards that sample, and its OpenAI-compatible HTTP server.

export type { SamplingControls, SamplingForward, SamplingRow } from '../decoder/index.js';
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
  type TokenStream,
} from '../service/index.js';
