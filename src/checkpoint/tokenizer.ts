import path from 'node:path';
import { checkArguments } from '../checks.js';
import { LockstepError, shown } from '../errors.js';
import { type ChatMessage, type ChatRenderer, chatRenderer, chatTemplateOf } from './chat-template.js';
import { isFile, jsonObject, readDocument } from './files.js';
import { modelRefusal } from './refusal.js';
import { type TextStream, textStream } from './text-stream.js';
import { type ByteSpelling, byteSpelling, spelledBytes } from './token-bytes.js';
import { type LibraryTokenizer, loadTokenizer } from './tokenizer-library.js';

/** Turns text into tokens and back. */
export interface TextTokenizer {
  /**
   * Ids of a text. `special`: whether tokens that the model wants around a text, such as its first, are added; default true. Text that spells a
   * special token becomes that token. Errors: ERR_INPUT_INVALID for what is no text.
   */
  encode(text: string, options?: { readonly special?: boolean }): number[];
  /** The text of ids, without special tokens and ids that no token has. Errors: ERR_INPUT_INVALID for what is no id. */
  decode(ids: ArrayLike<number>): string;
  /**
   * What one token says within a text, in UTF-8: with its leading blank, and where it is a part of a character that part alone. The bytes of
   * all tokens of a text are the text's, but for a blank that some models put before a text. Empty for special tokens and ids that no token has.
   * Absent: not known. Errors: ERR_INPUT_INVALID for what is no id.
   */
  readonly tokenBytes?: (id: number) => Uint8Array;
  /** Decodes ids one by one; all pieces together are `decode` of all ids. */
  stream(): TextStream;
  /** Characters (UTF-16 units) of the longest token, at least 1: what a text's length says of its tokens. Absent: not known. */
  readonly longestToken?: number;
  /** The model's chat template; null where it has none. */
  readonly chatTemplate: string | null;
  /**
   * A chat as the text of a prompt, up to where the answer begins. It spells its special tokens: encode it with `special: false`.
   * Errors: ERR_MODEL_INVALID without a template or for one that is not well-formed, ERR_INPUT_INVALID for messages that it does not take.
   */
  renderChat(messages: readonly ChatMessage[]): string;
}

/**
 * The tokenizer of a model's folder: tokenizer.json, with tokenizer_config.json where there is one; null without tokenizer.json. The
 * libraries that read it are loaded here, and not before. Errors: ERR_MODEL_INVALID.
 */
export async function openTokenizer(directory: string): Promise<TextTokenizer | null> {
  checkArguments('openTokenizer', { directory: [directory, 'text'] });
  const file = path.join(directory, 'tokenizer.json');
  if (!isFile(file)) return null;
  const document = jsonObject(file, 'the file', readDocument(file));
  const configFile = path.join(directory, 'tokenizer_config.json');
  const config = isFile(configFile) ? jsonObject(configFile, 'the file', readDocument(configFile)) : new Map();
  const template = chatTemplateOf(directory, configFile, config);
  const library = await loadTokenizer(file, document, config);
  const renderer = template === null ? null : await chatRenderer(template, tokenNames(config));
  return tokenizerOf(file, library, byteSpelling(document.get('decoder')), template?.text ?? null, renderer);
}

/** Texts of special tokens by the names that templates use, such as `bos_token`. */
function tokenNames(config: ReadonlyMap<string, unknown>): Record<string, string> {
  const names = [...config].flatMap(([name, value]): [string, string][] => {
    const text: unknown = typeof value === 'object' && value !== null && 'content' in value ? value.content : value;
    return name.endsWith('_token') && typeof text === 'string' ? [[name, text]] : [];
  });
  return Object.fromEntries(names);
}

function tokenizerOf(
  file: string,
  library: LibraryTokenizer,
  spelling: ByteSpelling,
  chatTemplate: string | null,
  renderer: ChatRenderer | null,
): TextTokenizer {
  const added = library.get_added_tokens_decoder();
  const special = new Set([...added].filter(([, token]) => token.special).map(([id]) => id));
  const speaks = (id: number): boolean => !special.has(id) && library.id_to_token(id) !== undefined;
  // Taking blanks away before marks would change text that was given out, and is no part of what the tokens say.
  const options = { skip_special_tokens: false, clean_up_tokenization_spaces: false };
  // The library takes no empty list.
  const textOf = (ids: readonly number[]): string => (ids.length === 0 ? '' : library.decode([...ids], options));
  // After another token, so that it is not taken as the beginning of a text.
  const before = library.get_vocab(false).get('a') ?? 0;
  const beginning = textOf([before]).length;
  const tokenBytes = (id: number): Uint8Array => {
    if (!speaks(checkId(id))) return new Uint8Array(0);
    const spelled = added.has(id) ? null : spelledBytes(library.id_to_token(id) as string, spelling);
    return spelled ?? new TextEncoder().encode(textOf([before, id]).slice(beginning));
  };
  return Object.freeze({
    tokenBytes,
    chatTemplate,
    longestToken: longestOf(library.get_vocab(true).keys()),
    encode: (text: string, { special: around = true }: { readonly special?: boolean } = {}): number[] => {
      if (typeof text !== 'string')
        throw invalid(`a text is ${shown(text)}; it must be a string`, { found: shown(text) });
      const { ids } = library.encode(text, { add_special_tokens: around });
      if (ids.every((id) => id !== undefined)) return [...ids] as number[];
      const expected = 'a vocabulary with an id for each token of a text, or an unk_token';
      throw modelRefusal({ file, field: 'model.vocab', expected, found: text });
    },
    decode: (ids: ArrayLike<number>): string => textOf(Array.from(ids, checkId).filter(speaks)),
    stream: (): TextStream => {
      const stream = textStream(textOf);
      return { push: (id) => (speaks(checkId(id)) ? stream.push(id) : ''), end: () => stream.end() };
    },
    renderChat: (messages: readonly ChatMessage[]): string => {
      if (renderer !== null) return renderer(messages);
      const expected = 'there, as chats are rendered by it; give the prompt as text instead';
      throw modelRefusal({ file, field: 'the chat template beside it', expected, found: undefined });
    },
  });
}

/** A byte's token has a letter or more for its byte, and a blank's mark is one letter: no token says more than it is long. */
function longestOf(tokens: Iterable<string | undefined>): number {
  let longest = 1;
  for (const token of tokens) longest = Math.max(longest, token?.length ?? 0);
  return longest;
}

function checkId(id: number): number {
  if (Number.isInteger(id) && id >= 0) return id;
  throw invalid(`the id of a token is ${shown(id)}; it must be an integer from 0`, { found: shown(id) });
}

const invalid = (message: string, details: Record<string, unknown>): LockstepError =>
  new LockstepError('ERR_INPUT_INVALID', message, details);
