export { createDeviceCollectives, type DeviceCollectivesOptions } from './create-collectives.js';
export {
  COLLECTIVE_KINDS,
  type CollectiveCall,
  type CollectiveKind,
  type CollectivesImplementation,
  type DeviceCollectives,
  offsetsOf,
  type PreparedCollective,
} from './device-collectives.js';
export { SoloCollectives } from './solo-collectives.js';
