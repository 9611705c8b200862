import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTokenizer, type TextTokenizer } from '../../dist/entry/checkpoint.js';
import { LockstepError } from '../../dist/errors.js';
import { EncoderThread } from '../../dist/service/encoder-thread.js';
import { textIds } from '../../dist/service/prompt-ids.js';
import { byteModel, LONGEST_TOKEN } from '../support/byte-model.js';
import { runs } from '../support/property-runs.js';

const model = byteModel();
const vocabSize = 300;
let tokenizer: TextTokenizer;
let thread: EncoderThread;

beforeAll(async () => {
  tokenizer = (await openTokenizer(model.folder)) as TextTokenizer;
  thread = new EncoderThread({ directory: model.folder, vocabSize }, 1000);
});
afterAll(async () => {
  await thread.close(new LockstepError('ERR_DISPOSED', 'The test is over.'));
  model.remove();
});

/** Words, special tokens, characters of one to four bytes, halves of characters, and what is no word. */
const piece = fc.oneof(
  fc.constantFrom(
    'the ',
    'another',
    ' in there',
    '<s>',
    '</s>',
    LONGEST_TOKEN,
    '\uFEFF',
    '\n\n',
    '   ',
    '\uD83D',
    '\uDE00',
  ),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: 'grapheme', maxLength: 20 }),
);

test('a thread gives a text the ids that the tokenizer gives it', { timeout: 120_000 }, async () => {
  const texts = fc.array(fc.tuple(fc.array(piece, { maxLength: 300 }), fc.boolean()), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(texts, async (given) => {
      const asked = given.map(([pieces, special]) => ({ text: pieces.join(''), special }));
      const all = await Promise.all(asked.map(({ text, special }) => thread.encode(text, { special, client: '' })));
      for (const [at, { text, special }] of asked.entries()) {
        expect(all[at]).toEqual(textIds(text, tokenizer, vocabSize, special));
      }
    }),
    runs(100),
  );
});
