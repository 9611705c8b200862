import type { TextTokenizer } from '../checkpoint/index.js';
import { LockstepError, shown } from '../errors.js';

/** What a prompt is read with. */
export interface PromptReader {
  readonly tokenizer: TextTokenizer | null;
  /** Ids are below it. */
  readonly vocabSize: number;
  /** Tokens that a request can have. */
  readonly most: number;
}

/**
 * The token ids of a prompt, i32[length]. `special`: whether a text is given the special tokens around it. Errors:
 * `ERR_INPUT_INVALID` for a text without a tokenizer or without tokens for a part of it, and for what is no id; `ERR_BATCH_LIMIT` for a
 * text that is too long however it is cut, which is not encoded; `ERR_MODEL_INVALID` for a tokenizer of another model.
 */
export function promptIds(
  prompt: string | ArrayLike<number>,
  { tokenizer, vocabSize, most }: PromptReader,
  special = true,
): Int32Array {
  if (typeof prompt === 'string') {
    return textIds(prompt, readerOf(prompt, { tokenizer, most }), vocabSize, special);
  }
  if (typeof prompt !== 'object' || prompt === null || !Number.isSafeInteger(prompt.length)) {
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      `The prompt is ${shown(prompt)}; give a text, or an array of token ids.`,
    );
  }
  const at = outside(prompt, vocabSize);
  if (at < 0) return Int32Array.from(prompt);
  throw new LockstepError(
    'ERR_INPUT_INVALID',
    `Token ${at} of the prompt is ${shown(prompt[at])}; ids are whole numbers from 0 to ${vocabSize - 1}.`,
    { at, vocabSize },
  );
}

/** The token ids of a text, i32[length], however long it is. Errors: as of `promptIds`. */
export function textIds(text: string, tokenizer: TextTokenizer, vocabSize: number, special: boolean): Int32Array {
  let ids: readonly number[];
  try {
    ids = tokenizer.encode(text, { special });
  } catch (cause) {
    if (!(cause instanceof LockstepError) || cause.code !== 'ERR_MODEL_INVALID') throw cause;
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      'The tokenizer has no token for a part of the prompt, and no unk_token; leave that part out, or give token ids.',
      {},
      { cause },
    );
  }
  const at = outside(ids, vocabSize);
  if (at < 0) return Int32Array.from(ids);
  throw new LockstepError(
    'ERR_MODEL_INVALID',
    `The tokenizer gives a part of the prompt the id ${shown(ids[at])}, and the model's ids are below ${vocabSize}: tokenizer.json has tokens above vocab_size of config.json; use the two files of one model.`,
    { id: ids[at], vocabSize },
  );
}

/**
 * The tokenizer that a text is encoded with. Encoding takes long where a text is long, so that what cannot fit is refused by its length. Errors:
 * `ERR_INPUT_INVALID` without a tokenizer, `ERR_BATCH_LIMIT`.
 */
export function readerOf({ length }: string, { tokenizer, most }: Omit<PromptReader, 'vocabSize'>): TextTokenizer {
  if (tokenizer === null) throw noTokenizer('prompt');
  const { longestToken = Infinity } = tokenizer;
  if (length <= most * longestToken) return tokenizer;
  throw new LockstepError(
    'ERR_BATCH_LIMIT',
    `The prompt has ${length} characters; a request has ${most} tokens, of at most ${longestToken} characters each: shorten the prompt.`,
    { characters: length, most, longestToken },
  );
}

/** Where the first id is that is none: it would fail a kernel, and with it every request of the rank. -1 where all are ids. */
function outside(ids: ArrayLike<number>, vocabSize: number): number {
  for (let at = 0; at < ids.length; at++) {
    const id = ids[at];
    if (!Number.isInteger(id) || id < 0 || id >= vocabSize) return at;
  }
  return -1;
}

export function noTokenizer(option: string): LockstepError {
  const instead = option === 'stop' ? 'token ids as stopTokenIds' : 'token ids';
  return new LockstepError(
    'ERR_INPUT_INVALID',
    `${option} is a text, and this service has no tokenizer: give ${instead}, or a tokenizer to createService.`,
    { option },
  );
}
