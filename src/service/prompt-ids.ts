import type { TextTokenizer } from '../checkpoint/index.js';
import { LockstepError, shown } from '../errors.js';

/** The token ids of a prompt, i32[length]. Errors: `ERR_INPUT_INVALID` for a text without a tokenizer, and for what is no id. */
export function promptIds(
  prompt: string | ArrayLike<number>,
  tokenizer: TextTokenizer | null,
  vocabSize: number,
): Int32Array {
  if (typeof prompt === 'string' && tokenizer === null) throw noTokenizer('prompt');
  const ids = typeof prompt === 'string' ? (tokenizer as TextTokenizer).encode(prompt) : prompt;
  if (typeof ids !== 'object' || ids === null || !Number.isSafeInteger(ids.length)) {
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      `The prompt is ${shown(prompt)}; give a text, or an array of token ids.`,
    );
  }
  // An id outside the vocabulary would fail a kernel, and with it every request of the rank.
  for (let at = 0; at < ids.length; at++) {
    const id = ids[at];
    if (Number.isInteger(id) && id >= 0 && id < vocabSize) continue;
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      `Token ${at} of the prompt is ${shown(id)}; ids are whole numbers from 0 to ${vocabSize - 1}.`,
      { at, vocabSize },
    );
  }
  return Int32Array.from(ids);
}

export function noTokenizer(option: string): LockstepError {
  const instead = option === 'stop' ? 'token ids as stopTokenIds' : 'token ids';
  return new LockstepError(
    'ERR_INPUT_INVALID',
    `${option} is a text, and this service has no tokenizer: give ${instead}, or a tokenizer to createService.`,
    { option },
  );
}
