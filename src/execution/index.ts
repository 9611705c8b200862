export { type CaptureGuard, type CaptureRecord, type CaptureReport, captureKeys } from './capture-session.js';
export type { DeviceGroupTensors, DeviceKvGroup, DeviceTensors } from './device-metadata.js';
export { Executor } from './executor.js';
export type { Forward, ForwardKvGroup, ForwardPart, PiecewiseForward } from './forward.js';
export { KeyGraphs, type PieceGraphs } from './key-graphs.js';
