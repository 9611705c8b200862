export type { CaptureProgress, CaptureRecord, CaptureReport, LostTwin, SkippedKey } from './capture-report.js';
export { type CaptureAgreement, type CaptureOptions, capturingKeys } from './capture-session.js';
export type { BetweenGraphs, CapturedPiece, PieceCollective } from './captured-piece.js';
export {
  type CollectiveCall,
  type CollectiveKind,
  type CollectivesImplementation,
  createDeviceCollectives,
  type DeviceCollectives,
  type DeviceCollectivesOptions,
  offsetsOf,
  type PreparedCollective,
} from './collectives/index.js';
export type { DeviceGroupTensors, DeviceKvGroup, DeviceTensors } from './device-metadata.js';
export { Executor } from './executor.js';
export type { Forward, ForwardKvGroup, ForwardPart, PiecewiseForward } from './forward.js';
export { KeyGraphs, type PieceGraphs } from './key-graphs.js';
export type { Lane, Lanes, PartSteps, YieldPoint } from './lanes.js';
