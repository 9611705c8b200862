import { modelRefusal } from './refusal.js';

/** What is used of a tokenizer of @huggingface/tokenizers. */
export interface LibraryTokenizer {
  encode(text: string, options: { add_special_tokens: boolean }): { readonly ids: readonly (number | undefined)[] };
  decode(ids: number[], options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean }): string;
  id_to_token(id: number): string | undefined;
  get_added_tokens_decoder(): ReadonlyMap<number, { readonly special: boolean }>;
  /** Ids by tokens; an id without a token has the key undefined. */
  get_vocab(withAdded: boolean): ReadonlyMap<string | undefined, number>;
  readonly decoder: unknown;
}

/** Loads the library, and builds the tokenizer of these documents. Errors: ERR_MODEL_INVALID for what it does not take. */
export async function loadTokenizer(
  file: string,
  document: ReadonlyMap<string, unknown>,
  config: ReadonlyMap<string, unknown>,
): Promise<LibraryTokenizer> {
  const { Tokenizer } = await import('@huggingface/tokenizers');
  try {
    const tokenizer = new Tokenizer(Object.fromEntries(document), Object.fromEntries(config));
    keepMarks(tokenizer.decoder);
    return tokenizer as LibraryTokenizer;
  } catch (cause) {
    const found = (cause as Error).message;
    throw modelRefusal({ file, field: 'the file', expected: 'a tokenizer that can be built', found, cause });
  }
}

/**
 * Lets the decoder of byte tokens keep U+FEFF, as every other decoder does: a text would lose it at the beginning of a run of
 * such tokens, so that what a token says would depend on where a stream was cut.
 */
function keepMarks(decoder: unknown): void {
  // The library's decoders are functions that have fields.
  if (typeof decoder !== 'function') return;
  if ('text_decoder' in decoder) decoder.text_decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  if ('decoders' in decoder && Array.isArray(decoder.decoders)) decoder.decoders.forEach(keepMarks);
}
