import { readFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { openTokenizer, type TextTokenizer } from '../../../dist/checkpoint/index.js';
import { type Stories, stories, storiesAbsent } from '../../support/models.js';
import { runs } from '../../support/property-runs.js';

/** All that a stream gives. */
function streamed(tokenizer: TextTokenizer, ids: readonly number[]): string {
  const stream = tokenizer.stream();
  return ids.map((id) => stream.push(id)).join('') + stream.end();
}

// Needs ../shared/models, which the repository does not carry.
describe.skipIf(storiesAbsent)('the tokenizer of stories260k', () => {
  let tokenizer: TextTokenizer;
  let expected: Stories;

  beforeAll(async () => {
    tokenizer = (await openTokenizer(stories)) as TextTokenizer;
    expected = JSON.parse(readFileSync(path.join(stories, 'expected.json'), 'utf8')) as Stories;
  });

  test('says the bytes of each token, which together are those of the text', () => {
    const bytesOf = (id: number): number[] => [...(tokenizer.tokenBytes?.(id) ?? [])];
    for (const text of ['Once upon a time', ' two  blanks', 'é, 時 and 🙂', 'a\nb', '\ufeffmark']) {
      const ids = tokenizer.encode(text, { special: false });
      const said = Buffer.from(ids.flatMap(bytesOf)).toString();
      expect([text, ` ${text}`]).toContain(said);
    }
    expect([203, 229, 257].map(bytesOf)).toEqual([[0xc8], [0xe2], [0xfe]]);
    expect([0, 1, 2, 9999].map(bytesOf)).toEqual([bytesOf(0), [], [], []]);
    expect(() => tokenizer.tokenBytes?.(-1)).toThrow(/token/);
  });

  test('gives the ids of every prompt, and the text of every answer', () => {
    expect(expected.cases).toHaveLength(12);
    for (const { prompt, promptIds, outputIds, text } of expected.cases) {
      const ids = [...promptIds, ...outputIds];
      expect(tokenizer.encode(prompt)).toEqual(promptIds);
      expect(tokenizer.encode(prompt, { special: false })).toEqual(promptIds.slice(1));
      expect(tokenizer.decode(ids)).toBe(text);
      expect(tokenizer.decode(Int32Array.from(ids))).toBe(text);
      expect(streamed(tokenizer, ids)).toBe(text);
    }
  });

  test.each([
    '',
    ' ',
    '  two  blanks ',
    '\n',
    'line\n\nline\r\n\ttab',
    'naïve café — “quotes”',
    '日本語のテキスト',
    '🙂👩‍👩‍👧‍👦🏳️‍🌈',
    '\uFEFFmark \uFEFF',
    '\u0000\u0001\u007f',
    '<0x41> is no byte',
    'a\u0301e\u0301 combined',
  ])('%j comes back from its tokens, whole or streamed', (text) => {
    const ids = tokenizer.encode(text);
    expect(ids[0]).toBe(1);
    expect(tokenizer.decode(ids)).toBe(text);
    expect(streamed(tokenizer, ids)).toBe(text);
  });

  test('a long text comes back from its tokens', () => {
    for (const text of ['x'.repeat(5000), 'Once upon a time '.repeat(1000), '🙂'.repeat(1000)]) {
      const ids = tokenizer.encode(text);
      expect(tokenizer.decode(ids)).toBe(text);
      expect(streamed(tokenizer, ids)).toBe(text);
    }
  });

  test('any text comes back from its tokens, but for the sign that stands for a blank', () => {
    expect(tokenizer.decode(tokenizer.encode('a▁b'))).toBe('a b');
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (drawn) => {
        const text = drawn.replaceAll('▁', '_');
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
      }),
      runs(2000),
    );
  });

  test('the pieces of a stream together are the text of any ids, and hold no half of a character', () => {
    const bytes = fc.integer({ min: 3, max: 258 });
    const words = fc.integer({ min: 259, max: 511 });
    const blanks = fc.constantFrom(...tokenizer.encode('  ', { special: false }), 0, 1, 2, 511, 512, 9999);
    // The bytes of one character, or a part of them.
    const cut = fc
      .tuple(fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }), fc.nat(4), fc.nat(4))
      .map(([text, from, to]) => tokenizer.encode(text, { special: false }).slice(from, to + 1));
    const piece = fc.oneof(
      bytes.map((id) => [id]),
      words.map((id) => [id]),
      blanks.map((id) => [id]),
      cut,
    );
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.flat()),
        (ids) => {
          const whole = tokenizer.decode(ids);
          const stream = tokenizer.stream();
          let text = '';
          for (const id of ids) {
            text += stream.push(id);
            expect(whole.startsWith(text)).toBe(true);
            expect(text).not.toMatch(/\p{Surrogate}/u);
          }
          expect(text + stream.end()).toBe(whole);
        },
      ),
      runs(5000),
    );
  });

  test('the bytes of a character arrive as one piece, with the last of them', () => {
    const stream = tokenizer.stream();
    const bytes = [...new TextEncoder().encode('🙂')].map((byte) => byte + 3);
    expect(bytes.map((id) => stream.push(id))).toEqual(['', '', '', '🙂']);
    expect(stream.end()).toBe('');
    expect(bytes.slice(0, 3).map((id) => stream.push(id))).toEqual(['', '', '']);
    expect(stream.end()).toBe('\uFFFD');
  });

  test('a text that spells a special token has that token; it is left out of decoded text', () => {
    expect(tokenizer.encode('a</s>', { special: false }).at(-1)).toBe(2);
    expect(tokenizer.decode([1, ...tokenizer.encode('a', { special: false }), 2])).toBe('a');
  });

  test('no ids have no text', () => {
    expect(tokenizer.decode([])).toBe('');
    expect(tokenizer.stream().end()).toBe('');
  });

  test('what is no text or no id is refused', () => {
    const refused = expect.objectContaining({ code: 'ERR_INPUT_INVALID' });
    expect(() => tokenizer.encode(7 as unknown as string)).toThrow(refused);
    expect(() => tokenizer.decode([1.5])).toThrow(refused);
    expect(() => tokenizer.stream().push(-1)).toThrow(refused);
  });

  test('without a template no chat is rendered', () => {
    expect(tokenizer.chatTemplate).toBe(null);
    expect(() => tokenizer.renderChat([{ role: 'user', content: 'Hello' }])).toThrow(
      expect.objectContaining({ code: 'ERR_MODEL_INVALID' }),
    );
  });
});
