export type {
  Device,
  DeviceBuffer,
  DeviceEvent,
  DeviceGraph,
  DeviceKind,
  DeviceModule,
  DeviceStream,
  Kernel,
  KernelArgument,
  KernelParameter,
  MemoryUse,
  WaitOptions,
} from './device.js';
export { nativeMetadata } from './native-metadata.js';
export {
  type DeviceAttempt,
  type DeviceProbe,
  type OpenDeviceOptions,
  openDevice,
  probeDevices,
} from './open-device.js';
export { DevicePool } from './pool.js';
export { DeviceRecording } from './recording.js';
