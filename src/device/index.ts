export { DeviceBuffer } from './buffer.js';
export { Communicator, type Exchange } from './communicator.js';
export {
  Device,
  type DeviceCapacity,
  type DeviceKind,
  type DeviceName,
  type GivenUp,
  type MemoryUse,
} from './device.js';
export { DeviceEvent } from './event.js';
export { DeviceGraph } from './graph.js';
export type { ModuleSource } from './load-module.js';
export { DeviceModule, Kernel, type KernelParameter } from './module.js';
export { nativeMetadata } from './native-metadata.js';
export { type NcclCall, NcclCommunicator, ncclId } from './nccl-communicator.js';
export { type OpenDeviceOptions, openDevice } from './open-device.js';
export { DevicePool } from './pool.js';
export {
  attemptText,
  type CpuKernels,
  type DeviceAttempt,
  type DeviceCard,
  type DeviceDriver,
  type DeviceProbe,
  type LibraryProbe,
  type PinnedArena,
  probeCollectives,
  probeCpuKernels,
  probeDevices,
  probePinnedArena,
} from './probe-devices.js';
export type { LaunchDimensions, LaunchOptions, TypedScalar } from './raw-launch.js';
export { type CapturedOrder, DeviceRecording } from './recording.js';
export { type DevicePlace, DeviceStream, type KernelArgument } from './stream.js';
export { VALIDATION, type Validation, type ValidationState } from './validation.js';
