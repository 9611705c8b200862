import { checkArguments } from '../checks.js';
import { LockstepError, shown } from '../errors.js';
import { LADDER_NAMES, type LadderName } from '../names.js';
import { ascending } from '../numbers.js';
import { engineLadder } from './engine-ladder.js';
import { checkLimits, type EngineLimits } from './engine-limits.js';
import { vllmCaptureSizes } from './vllm/ladder.js';

/** What a named ladder depends on; the planner's limits have all of it. */
export type LadderOptions = EngineLimits;

/** The sizes of a named ladder, in tokens, ascending. Errors: ERR_CONFIG_INVALID. */
export function namedLadder(name: LadderName, options: LadderOptions): number[] {
  if (!LADDER_NAMES.includes(name)) throw unknownLadder(name);
  if (name === 'vllm-interactive') return vllmCaptureSizes({ ...checkLimits(options), interactive: true });
  return engineLadder(name, options).sizes;
}

/**
 * A ladder as a person writes it: sizes in tokens with commas between them, or a ladder's name. Ascending, without
 * repeats. Errors: ERR_CONFIG_INVALID.
 */
export function parseLadder(text: string, options: LadderOptions): number[] {
  checkArguments('parseLadder', { text: [text, 'text'] });
  const trimmed = text.trim();
  if ((LADDER_NAMES as readonly string[]).includes(trimmed)) return namedLadder(trimmed as LadderName, options);
  const sizes = trimmed.split(',').map((part) => part.trim());
  if (!sizes.every((size) => /^[1-9][0-9]{0,6}$/.test(size))) throw unknownLadder(text);
  return ascending(sizes.map(Number));
}

function unknownLadder(given: string): LockstepError {
  return new LockstepError(
    'ERR_CONFIG_INVALID',
    `${shown(given)} is not a ladder: give sizes in tokens, like 1,2,4,8, or a name (${LADDER_NAMES.join(', ')})`,
    { ladder: given, names: LADDER_NAMES },
  );
}
