import { LockstepError, shown } from '../errors.js';
import { ENUMS } from '../layout/index.js';

/** What a rank says besides its batch. */
export interface VoteIntent {
  /** This rank wants to leave: agreed once every rank says so and none has work. */
  readonly leave?: boolean;
  /** This rank cannot run: every rank throws ERR_RANK_FAULT in this same step. */
  readonly fault?: number;
  /** Why this step must not run as a graph on any rank. */
  readonly graphVeto?: keyof typeof ENUMS.VETO;
  /** Why this step must not be cut into micro-batches on any rank. */
  readonly ubatchVeto?: keyof typeof ENUMS.VETO;
  /** Kernel variant (LoRA case …) of this rank's batch. */
  readonly variant?: number;
}

/** The intent of a vote that says nothing beside its batch. */
export const NO_INTENT: VoteIntent = Object.freeze({});

/** The control word of an intent. */
export function controlOf(intent: VoteIntent): number {
  if (intent.fault !== undefined) return ENUMS.CONTROL.fault;
  return intent.leave === true ? ENUMS.CONTROL.leave : ENUMS.CONTROL.run;
}

/** A veto as a number. The modules check nothing, and a misspelled veto would be ignored, so it throws ERR_INPUT_INVALID. */
export function vetoOf(intent: VoteIntent, name: 'graphVeto' | 'ubatchVeto'): number {
  const given = intent[name] ?? 'none';
  if (Object.hasOwn(ENUMS.VETO, given)) return ENUMS.VETO[given];
  throw new LockstepError(
    'ERR_INPUT_INVALID',
    `${name} is ${shown(given)}; it must be one of ${Object.keys(ENUMS.VETO).join(', ')}`,
    { [name]: given },
  );
}

/** A fault code or variant: an int32 of at least 0, by default 0. Errors: ERR_INPUT_INVALID. */
export function countOf(intent: VoteIntent, name: 'fault' | 'variant'): number {
  const value = intent[name] ?? 0;
  if ((value | 0) === value && value >= 0) return value;
  throw new LockstepError(
    'ERR_INPUT_INVALID',
    `${name} is ${String(value)}; it must be an integer from 0 to ${2 ** 31 - 1}`,
    { [name]: value },
  );
}

const NAMES: readonly (keyof VoteIntent)[] = ['leave', 'fault', 'graphVeto', 'ubatchVeto', 'variant'];

/** Refuses what is not an intent: a misspelled veto would be ignored in silence. Throws ERR_INPUT_INVALID. */
export function checkIntent(intent: VoteIntent): void {
  const wrong =
    typeof intent !== 'object' || intent === null
      ? shown(intent)
      : Object.keys(intent).find((name) => !(NAMES as readonly string[]).includes(name));
  if (wrong === undefined) return;
  throw new LockstepError('ERR_INPUT_INVALID', `A vote takes ${NAMES.join(', ')}, not ${wrong}`, { found: wrong });
}
