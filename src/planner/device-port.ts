import type { PlannerMemory, Uploads } from '../batch/index.js';
import { checkHas } from '../checks.js';
import { LockstepError, shown } from '../errors.js';
import type { CaptureKey } from '../keys/index.js';
import type { RegionTable } from '../memory/index.js';
import type { StagingHolds } from './staging-holds.js';

/**
 * What a device needs of a planner, for `execution/`: its memory, what is copied from it, and how graphs are cut before any step has
 * a decision. Embedders have `Rank` and `Executor` for it.
 */
export class DevicePort {
  /** The whole memory as bytes: what the addon binds, and what `regions` locates. */
  readonly arena: Uint8Array;
  readonly regions: RegionTable;
  /** The parts of a step that a device copies, by the staging set that the step was built into. */
  readonly uploads: readonly [Uploads, Uploads];
  /** The command block that the addon reads: its offset in the memory, and its words. */
  readonly commands: { readonly offset: number; readonly words: Int32Array };
  readonly #memory: PlannerMemory;
  readonly #holds: StagingHolds;
  readonly #guard: (disposedOnly: boolean) => void;

  /** `guard` throws unless a step is open, or only where the planner is disposed of. */
  constructor(memory: PlannerMemory, holds: StagingHolds, guard: (disposedOnly: boolean) => void) {
    this.#memory = memory;
    this.#holds = holds;
    this.#guard = guard;
    this.arena = memory.arena;
    this.regions = memory.regions;
    this.uploads = memory.uploads();
    this.commands = Object.freeze({ offset: memory.offset('commands'), words: memory.words('commands') });
  }

  /** Requests before part `part` of an ubatched key; every decision with that key cuts it so. Errors: ERR_INPUT_INVALID. */
  partCut(key: CaptureKey, part: number): number {
    checkHas('a capture key', key, ['parts', 'decodeRequests', 'queryLen']);
    checkPart(key.parts, part);
    return this.#memory.rules.partCut(key.decodeRequests, key.queryLen, key.parts, part);
  }

  /**
   * Tokens of part `part` where a piecewise key is cut at run time into `parts`, as every decision cuts it. Errors:
   * ERR_INPUT_INVALID.
   */
  partShare(key: CaptureKey, parts: number, part: number): number {
    checkHas('a capture key', key, ['tokens']);
    checkPart(parts, part);
    return this.#memory.rules.partShare(key.tokens, parts, part);
  }

  /** Whether the parts of a step of `parts` parts overlap, as every decision has it. */
  partsOverlap(parts: number): boolean {
    return this.#memory.rules.partsOverlap(parts) !== 0;
  }

  /** Protects staging set `set` from being written while it is copied, until `releaseStaging`. Errors: ERR_INPUT_INVALID, ERR_DISPOSED. */
  holdStaging(set: number): void {
    this.#guard(true);
    this.#holds.hold(set);
  }

  releaseStaging(set: number): void {
    this.#holds.release(set);
  }

  /** Says that the device's block table missed a step's edits: the next steps upload whole rows. Errors: ERR_STATE_FROZEN, ERR_DISPOSED. */
  invalidateDeviceTable(): void {
    this.#guard(false);
    this.#memory.metadata.invalidate_device_table();
  }
}

/** Errors: ERR_INPUT_INVALID for a part that a step of so many parts does not have; the last part ends where part `parts` would begin. */
function checkPart(parts: number, part: number): void {
  if (Number.isInteger(parts) && parts >= 1 && Number.isInteger(part) && part >= 0 && part <= parts) return;
  throw new LockstepError(
    'ERR_INPUT_INVALID',
    `part is ${shown(part)} of ${shown(parts)}; parts are counted from 0, and there is at least one`,
    { part, parts },
  );
}
