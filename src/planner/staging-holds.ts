import { LockstepError, shown } from '../errors.js';
import { stagingOf } from '../layout/index.js';

/** Which of the two staging sets are being copied, and must not be written until the copy is done. */
export class StagingHolds {
  readonly #held = [false, false];

  /** Throws ERR_INPUT_INVALID for an unknown set: otherwise the intended one could be written while it is copied. */
  hold(set: number): void {
    if (set !== 0 && set !== 1) {
      throw new LockstepError('ERR_INPUT_INVALID', `The staging set is ${shown(set)}; it must be 0 or 1`, { set });
    }
    this.#held[set] = true;
  }

  release(set: number): void {
    this.#held[set] = false;
  }

  /** Throws ERR_STAGING_BUSY while the set that `step` would write is held. */
  check(step: number): void {
    const staging = stagingOf(step);
    if (!this.#held[staging]) return;
    throw new LockstepError(
      'ERR_STAGING_BUSY',
      `Staging set ${staging} is still being copied: release it when its upload has completed`,
      { step, staging },
    );
  }
}
