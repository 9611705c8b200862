// Entry of the rules module: pure functions of rows, plan and policy; every argument is an int32 or an address.
export { dispatch, installPlan, queryLenIndex } from './plan';
export { partCut, resolve, withinLimits } from './resolve';
export { writeVote } from './vote';
