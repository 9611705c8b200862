// Entry of the rules module: pure functions of rows, plan and policy; every argument is an int32 or an address.
export { explainCandidates } from './explain';
export { installPlan } from './plan';
export { resolve } from './resolve';
export { partCut, partShare, partsOverlap } from './run';
export { brokenLimit } from './table';
export { writeVote } from './vote';
