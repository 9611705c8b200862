// Entry of the rules module: pure functions of rows, plan and policy. Every argument is an int32 or an address.
export { fillBoundedLayers, listBoundedSizes } from './bounded-ladder';
export { act } from './check/actions';
export { exploreTables, judge } from './check/explore';
export { explainCandidates } from './explain';
export { installPlan } from './install-plan';
export { fillLayers, listSizes, readLadder } from './ladder';
export { sizeLocal } from './local';
export { partCut, partShare, partsOverlap } from './parts';
export { resolve } from './resolve';
export { admit, hashDecision, sealOf, sealVote, wordOutOfRange } from './seal';
export { castVote, resolveSealed, sizeHashed } from './step';
export { brokenLimit, replicaOutlier } from './table';
export { writeVote } from './vote';
