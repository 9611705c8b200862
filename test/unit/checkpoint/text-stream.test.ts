import fc from 'fast-check';
import { expect, test } from 'vitest';
import { textStream } from '../../../dist/checkpoint/text-stream.js';
import { runs } from '../../support/property-runs.js';

/** Tokens of a few bytes each, some of none, some of parts of characters. */
const TOKENS: readonly Uint8Array[] = ['', ' ', '  ', ' a', 'b', 'é', '🙂', '\uFEFF']
  .map((text) => new TextEncoder().encode(text))
  .concat([[0xc3], [0xa9], [0xf0, 0x9f], [0x98], [0x80], [0xff], [0x61, 0xe2]].map((bytes) => Uint8Array.from(bytes)));

/** What tokens say together: one blank that begins the text is stripped, as the decoders of Llama 2 do. */
function decode(ids: readonly number[]): string {
  const bytes = Uint8Array.from(ids.flatMap((id) => [...TOKENS[id]]));
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes).replace(/^ /, '');
}

const ids = fc.array(fc.nat(TOKENS.length - 1), { maxLength: 12 });

test('pieces together are the text of all tokens, and each is given as soon as it cannot change', () => {
  fc.assert(
    fc.property(ids, (all) => {
      const stream = textStream(decode);
      let text = '';
      for (const [index, id] of all.entries()) {
        text += stream.push(id);
        const known = decode(all.slice(0, index + 1));
        expect(text).toBe(known.endsWith('\uFFFD') ? known.slice(0, -1) : known);
      }
      expect(text + stream.end()).toBe(decode(all));
    }),
    runs(10_000),
  );
});

test('a stream that was ended begins anew', () => {
  fc.assert(
    fc.property(ids, ids, (first, second) => {
      const stream = textStream(decode);
      for (const id of first) stream.push(id);
      stream.end();
      expect(second.map((id) => stream.push(id)).join('') + stream.end()).toBe(decode(second));
    }),
    runs(2000),
  );
});

test('a long text costs each token a few tokens more, not all those before it', () => {
  let decoded = 0;
  const stream = textStream((some) => {
    decoded += some.length;
    return decode(some);
  });
  for (let i = 0; i < 1000; i++) stream.push(4);
  expect(decoded).toBeLessThan(4000);
});
