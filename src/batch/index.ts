export { ForwardBatch, type ForwardBatchValue, type LocalPart, LocalPartView } from './forward-batch.js';
export { KvGroupMetadata, type KvGroupMetadataValue } from './kv-group-metadata.js';
export {
  copyTensors,
  type KvGroupStaging,
  type KvGroupTensors,
  type MetadataCounts,
  type MetadataView,
  type StagingSet,
} from './metadata.js';
export { PlannerMemory } from './planner-memory.js';
export { createRawBatch, RawBatch, type RawBatchOptions, type RawPart } from './raw-batch.js';
export { type NewRequest, Requests, type Row, type Rows, type ScheduledChunk } from './requests.js';
export type { TableUpload, TensorUpload, Uploads } from './uploads.js';
