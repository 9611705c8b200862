import { LockstepError } from '../errors.js';
import { withFlags } from './flag-names.js';
import { meantFile, meantWord } from './suggest.js';

/** What messages begin with: the program, and in a job of several processes which of them it is. */
let speaker = 'lockstep';

/** Lets the messages of this process name its rank. */
export function speakAsRank(rank: number): void {
  speaker = `lockstep (rank ${rank})`;
}

/** What a person reads: the message with its code, its options as flags. Any other error is a defect, and shows its stack. */
export function describe(error: unknown): string {
  if (error instanceof LockstepError) {
    const message = withFlags(error);
    const hint = meantFile(error) || meantWord(message);
    return `${speaker}: ${message} [${error.code}]${hint === '' ? '' : `\n(${hint.trim()})`}`;
  }
  return `${speaker}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
}
