// `lockstep/native`: the addon itself, and its build of the metadata sources.

export { nativeMetadata } from '../device/index.js';
export {
  loadNative,
  type NativeAddon,
  type NativeArgument,
  type NativeAttempt,
  type NativeBuffer,
  type NativeCapturedOrder,
  type NativeCard,
  type NativeCommunicator,
  type NativeDevice,
  type NativeDeviceFacts,
  type NativeDriverAttempt,
  type NativeDriverProbe,
  type NativeEvent,
  type NativeGraph,
  type NativeKernelInfo,
  type NativeKernelParameter,
  type NativeMemoryUse,
  type NativeMetadata,
  type NativeModule,
  type NativePool,
  type NativeReadback,
  type NativeRecording,
  type NativeStream,
} from '../native/index.js';
