export { type ConformanceOptions, type ConformanceResult, runConformance } from './conformance/index.js';
export type { CaptureRecord, CaptureReport } from './device/capture-session.js';
export type { DeviceGroupTensors, DeviceKvGroup, DeviceTensors } from './device/device-metadata.js';
export type { Executor } from './device/executor.js';
export type { Forward, ForwardKvGroup, ForwardPart, PiecewiseForward } from './device/forward.js';
export {
  type Device,
  type DeviceAttempt,
  type DeviceBuffer,
  type DeviceEvent,
  type DeviceGraph,
  type DeviceKind,
  type DeviceModule,
  type DeviceProbe,
  type DeviceStream,
  type Kernel,
  type KernelArgument,
  type KernelParameter,
  type MemoryUse,
  nativeMetadata,
  type OpenDeviceOptions,
  openDevice,
  probeDevices,
} from './device/index.js';
export type { KeyGraphs, PieceGraphs } from './device/key-graphs.js';
export * from './engines/index.js';
export {
  BATCH_SHAPE,
  type BatchDocument,
  type BatchExplanation,
  type ExplainOptions,
  explainBatch,
  explanationText,
} from './explain/index.js';
export * from './plan/index.js';
export * from './planner/index.js';
export type { RawPart } from './planner/raw-batch.js';
export type { RegionTable } from './planner/regions.js';
export * from './ranks/index.js';
export * from './runtime/index.js';
export type { Mismatch } from './runtime/kv-verifier.js';
export type { WaitOptions } from './wait.js';
export * from './workload/index.js';
