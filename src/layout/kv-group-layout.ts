/** What a KV cache group has of its own in linear memory: part of the layout, which exports it. */

/** Tensors that each KV cache group has of its own, in every view. */
export const KV_GROUP_TENSORS = ['slotMapping', 'kvIndptr', 'kvIndices', 'kvLastPageLen'] as const;
export type KvGroupTensorName = (typeof KV_GROUP_TENSORS)[number];

/** What a KV cache group's slots and block table are computed from. The offsets of its regions follow, then those of its tensors. */
export const KV_GROUP_SIZES = [
  'index',
  'blockSize',
  'kernelBlockSize',
  'numBlocks',
  'window',
  'maxBlocks',
  'tableWidth',
  'blockListStride',
  'maxKvIndices',
] as const;

/** Regions that each KV cache group has of its own. */
export const KV_GROUP_REGIONS = [
  'groupState',
  'blockLists',
  'blockCounts',
  'laneBounds',
  'laneBases',
  'laneNextBases',
  'eventLanes',
  'eventPlaces',
  'eventStarts',
  'eventCounts',
  'blockHolders',
  'highWater',
  'appendLog',
  'mirrorGenerations',
  'mirrorCounts',
  'mirrorCursors',
  'tableEdits',
  'blockTable0',
  'blockTable1',
] as const;
export type KvGroupRegionName = (typeof KV_GROUP_REGIONS)[number];

/** Counters of one KV cache group. */
export const KV_GROUP_STATE_WORDS = ['eventBuckets', 'appends', 'tableEdits'] as const;
