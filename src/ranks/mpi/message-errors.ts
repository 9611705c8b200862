import { LockstepError, thrownText } from '../../errors.js';
import { MESSAGE, MESSAGES_VERSION } from './messages.js';

/** A rank that sent a row twice, or left one out, where its sequence alone does not give it away. */
export function outOfTurnError(rank: number, found: number, expected: number): LockstepError {
  const [sequence, next] = [found >>> 0, expected >>> 0];
  return new LockstepError(
    'ERR_RANKS_DIVERGED',
    `Rank ${rank} sent its row of all-gather ${sequence} where that of ${next} was to come; messages of a rank must arrive once, in the order ` +
      'they were sent, and nothing else may send in its name.',
    { sequence, expected: next, ranks: [rank] },
  );
}

/** A rank whose `isInterrupted` threw while its peers relied on it. */
export function interruptedError(rank: number, thrown: unknown): LockstepError {
  return new LockstepError(
    'ERR_RANK_LOST',
    `isInterrupted of rank ${rank} threw in an all-gather, which ends the group: ${thrownText(thrown)}`,
    { rank },
    { cause: thrown },
  );
}

/** A rank whose word that the group has ended does not say why in a form that this version reads. */
export function damagedEndError(rank: number): LockstepError {
  return new LockstepError(
    'ERR_RANKS_DIVERGED',
    `Rank ${rank} ended the group with a record that cannot be read: its message was damaged, or other than Lockstep sends in its name. ` +
      'See what that rank says itself; nothing else may use the communicator.',
    { ranks: [rank] },
  );
}

/** A message that this version does not know, or a rank whose rows have another size. */
export function strangerError(
  { rowWords }: { readonly rowWords: number },
  rank: number,
  [kind, version, words]: Int32Array,
): LockstepError {
  const found =
    kind === MESSAGE.joined
      ? `joined with messages of version ${version} and rows of ${words} words`
      : `sent a message of unknown kind ${kind}`;
  return new LockstepError(
    'ERR_RANKS_DIVERGED',
    `Rank ${rank} ${found}; this rank has messages of version ${MESSAGES_VERSION} and rows of ${rowWords} words. ` +
      'All ranks must run the same version and make the same groups in the same order.',
    { ranks: [rank], rowWords, version: MESSAGES_VERSION },
  );
}
