// Entry of the rules module: pure functions of rows, plan and policy; every argument is an int32 or an address.
export { dispatch, installPlan, queryLenIndex } from './plan';
export { resolve } from './resolve';
export { partCut } from './run';
export { withinLimits } from './table';
export { writeVote } from './vote';
