import { LockstepError } from '../errors.js';

/** The state of a planner within a step: `open` to edits, then `voted` and `resolved` with a frozen batch. */
export type StepState = 'open' | 'voted' | 'resolved' | 'disposed';

/** Throws unless a planner whose step `step` is in `state` may take a call that needs `expected`: ERR_DISPOSED, ERR_STATE_FROZEN, ERR_STEP_ORDER. */
export function checkOrder(state: StepState, expected: Exclude<StepState, 'disposed'>, step: number): void {
  if (state === expected) return;
  if (state === 'disposed') throw new LockstepError('ERR_DISPOSED', 'This planner has been disposed');
  if (expected === 'open') {
    throw new LockstepError(
      'ERR_STATE_FROZEN',
      `The batch is frozen between vote() and build() (step ${step}): call ${REST[state]} first, or abandon() to give the step up`,
      { step },
    );
  }
  throw new LockstepError(
    'ERR_STEP_ORDER',
    `Call ${expected === 'voted' ? 'vote(), then resolve()' : 'resolve(), then build()'} once in each step (step ${step} is ${state})`,
    { step, state },
  );
}

/** The calls that remain in a step. */
const REST: Record<StepState, string> = {
  open: 'vote(), resolve() and build()',
  voted: 'resolve() and build()',
  resolved: 'build()',
  disposed: '',
};
