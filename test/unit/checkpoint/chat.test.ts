import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { type ChatMessage, openTokenizer, type TextTokenizer } from '../../../dist/checkpoint/index.js';

const work = mkdtempSync(path.join(tmpdir(), 'lockstep-chat-'));
afterAll(() => rmSync(work, { recursive: true }));

/** A byte-level tokenizer of the letters a and b, é in two tokens, and two special tokens. */
const TOKENIZER = {
  version: '1.0',
  added_tokens: [
    { id: 0, content: '<s>', special: true },
    { id: 1, content: '<end>', special: true },
  ],
  normalizer: null,
  pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
  post_processor: null,
  decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
  model: { type: 'BPE', vocab: { '<s>': 0, '<end>': 1, a: 2, b: 3, Ã: 4, '©': 5, ab: 6 }, merges: ['a b'] },
};

const TEMPLATE =
  "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}[{{ m.role }}]{{ m.content }}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}";

let folders = 0;
/** A folder of these files. */
function folder(files: Readonly<Record<string, unknown>>): string {
  const directory = path.join(work, String(folders++));
  mkdirSync(directory);
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(path.join(directory, name), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return directory;
}

const opened = async (files: Readonly<Record<string, unknown>>): Promise<TextTokenizer> =>
  (await openTokenizer(folder({ 'tokenizer.json': TOKENIZER, ...files }))) as TextTokenizer;

const CONFIG = { bos_token: { content: '<s>' }, eos_token: '<end>', clean_up_tokenization_spaces: true };
const HELLO: readonly ChatMessage[] = [{ role: 'user', content: 'ab' }];

test('a folder without tokenizer.json has no tokenizer', async () => {
  expect(await openTokenizer(folder({}))).toBe(null);
});

test('a byte-level tokenizer streams whole characters', async () => {
  const tokenizer = await opened({});
  expect(tokenizer.encode('abé<end>')).toEqual([6, 4, 5, 1]);
  const stream = tokenizer.stream();
  expect([6, 4, 5, 1, 2].map((id) => stream.push(id))).toEqual(['ab', '', 'é', '', 'a']);
  expect(tokenizer.decode([4, 2])).toBe('\uFFFDa');
});

test('a character that no token stands for is left out, where there is no token for what is unknown', async () => {
  const tokenizer = await opened({});
  expect(tokenizer.encode('')).toEqual([]);
  expect(tokenizer.encode('abz')).toEqual([6]);
});

test.each([
  ['tokenizer_config.json', { 'tokenizer_config.json': { ...CONFIG, chat_template: TEMPLATE } }],
  [
    'chat_template.jinja, whatever else there is',
    { 'tokenizer_config.json': { ...CONFIG, chat_template: 'x' }, 'chat_template.jinja': TEMPLATE },
  ],
  [
    'a list',
    {
      'tokenizer_config.json': {
        ...CONFIG,
        chat_template: [
          { name: 'tools', template: 'x' },
          { name: 'default', template: TEMPLATE },
        ],
      },
    },
  ],
])('a chat is rendered by the template of %s', async (_where, files) => {
  const tokenizer = await opened(files);
  expect(tokenizer.chatTemplate).toBe(TEMPLATE);
  const text = tokenizer.renderChat(HELLO);
  expect(text).toBe('<s>[user]ab<end>[assistant]');
});

test('what a template does not take is the fault of the messages', async () => {
  const tokenizer = await opened({ 'chat_template.jinja': TEMPLATE });
  const refused = (message: string) =>
    expect.objectContaining({ code: 'ERR_INPUT_INVALID', message: expect.stringContaining(message) });
  expect(() => tokenizer.renderChat([{ role: 'system', content: 'a' }])).toThrow(refused('no system'));
  expect(() => tokenizer.renderChat('hello' as unknown as ChatMessage[])).toThrow(refused('a list of'));
  expect(() => tokenizer.renderChat([{ role: 'user' } as ChatMessage])).toThrow(refused('a list of'));
});

test('a template that is not well-formed is refused when it is used, and no sooner', async () => {
  const tokenizer = await opened({ 'chat_template.jinja': '{% for %}' });
  expect(tokenizer.encode('ab')).toEqual([6]);
  expect(() => tokenizer.renderChat(HELLO)).toThrow(
    expect.objectContaining({ code: 'ERR_MODEL_INVALID', message: expect.stringContaining('chat_template.jinja') }),
  );
});

test.each([
  ['no JSON', { 'tokenizer.json': '{' }],
  ['another document', { 'tokenizer.json': {} }],
  ['an unknown model', { 'tokenizer.json': { ...TOKENIZER, model: { type: 'Runes' } } }],
  ['no added tokens', { 'tokenizer.json': { ...TOKENIZER, added_tokens: 7 } }],
  ['a list for a config', { 'tokenizer_config.json': [] }],
  ['a template that is a number', { 'tokenizer_config.json': { chat_template: 7 } }],
])('a tokenizer of %s is refused', async (_what, files) => {
  await expect(opened(files)).rejects.toMatchObject({ code: 'ERR_MODEL_INVALID' });
});

test('a template writes the names of messages, which are texts', async () => {
  const chat_template = '{% for m in messages %}{{ m.name }}:{{ m.content }} {% endfor %}';
  const tokenizer = await opened({ 'tokenizer_config.json': { ...CONFIG, chat_template } });
  const messages = [{ role: 'user', name: 'b', content: 'ab' }];
  expect(tokenizer.renderChat(messages)).toBe('b:ab ');
  expect(() => tokenizer.renderChat([{ ...HELLO[0], name: 3 } as never])).toThrow(/and, where there is one, name/);
});
