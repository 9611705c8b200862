export { DeviceBuffer } from './buffer.js';
export { type Exchange, LocalCommunicator } from './communicator.js';
export { Device, type DeviceKind, type MemoryUse } from './device.js';
export { DeviceEvent } from './event.js';
export { DeviceGraph } from './graph.js';
export { DeviceModule, Kernel, type KernelParameter } from './module.js';
export { nativeMetadata } from './native-metadata.js';
export {
  type DeviceAttempt,
  type DeviceProbe,
  type OpenDeviceOptions,
  openDevice,
  probeDevices,
} from './open-device.js';
export { DevicePool } from './pool.js';
export { type CapturedOrder, DeviceRecording } from './recording.js';
export { type DevicePlace, DeviceStream, type KernelArgument } from './stream.js';
