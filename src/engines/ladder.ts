import { LockstepError } from '../errors.js';
import { vllmCaptureSizes } from './vllm.js';

/** What a named ladder depends on; the planner's limits have all of it. */
export interface LadderOptions {
  readonly maxNumSeqs: number;
  readonly maxNumBatchedTokens: number;
  /** Tokens of one decode request: 1 + speculative tokens. */
  readonly queryLen: number;
}

const LADDERS = {
  vllm: (options: LadderOptions): number[] => vllmCaptureSizes(options),
};

/** A ladder that has a name: an engine's default capture sizes. */
export type LadderName = keyof typeof LADDERS;

/** Names `namedLadder` knows. */
export const LADDER_NAMES: readonly LadderName[] = Object.freeze(Object.keys(LADDERS) as LadderName[]);

/** The default capture sizes of an engine, in tokens, ascending. Errors: ERR_CONFIG_INVALID. */
export function namedLadder(name: LadderName, options: LadderOptions): number[] {
  if (!Object.hasOwn(LADDERS, name)) throw unknownLadder(name);
  return LADDERS[name](options);
}

/**
 * A ladder as a person writes it: sizes in tokens with commas between them, or a ladder's name. Ascending, without
 * repeats. Errors: ERR_CONFIG_INVALID.
 */
export function parseLadder(text: string, options: LadderOptions): number[] {
  const trimmed = text.trim();
  if (Object.hasOwn(LADDERS, trimmed)) return namedLadder(trimmed as LadderName, options);
  const sizes = trimmed.split(',').map((part) => part.trim());
  if (!sizes.every((size) => /^[1-9][0-9]{0,6}$/.test(size))) throw unknownLadder(text);
  return [...new Set(sizes.map(Number))].sort((a, b) => a - b);
}

function unknownLadder(given: string): LockstepError {
  return new LockstepError(
    'ERR_CONFIG_INVALID',
    `${JSON.stringify(given)} is no ladder: give sizes in tokens, like 1,2,4,8, or a name (${LADDER_NAMES.join(', ')})`,
    { ladder: given, names: LADDER_NAMES },
  );
}
