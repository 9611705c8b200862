// Entry of the rules module: pure functions of rows, plan and policy; every argument is an int32 or an address.
export { boundedCandidates, boundedLayers } from './bounded-ladder';
export { act } from './check/actions';
export { exploreTables, judge } from './check/explore';
export { explainCandidates } from './explain';
export { ladderCandidates, ladderLayers, ladderSizes } from './ladder';
export { sizeLocal, sizeOwn } from './local';
export { installPlan } from './plan';
export { resolve } from './resolve';
export { partCut, partShare, partsOverlap } from './run';
export { brokenLimit, replicaOutlier } from './table';
export { writeVote } from './vote';
