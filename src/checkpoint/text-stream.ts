/** What a text may end with while the rest of its last character is on its way: the decoders' mark for bytes that are no character. */
const UNFINISHED = '\uFFFD';

/** Decodes tokens one after the other. */
export interface TextStream {
  /** The text that a token adds: whole characters alone, often none. */
  push(id: number): string;
  /** What is left: of bytes that never became a character, U+FFFD. The stream begins anew then. */
  end(): string;
}

/**
 * A stream over `decode`, whose pieces together are `decode` of all ids. Few tokens are decoded at a time: those of the piece before, which
 * keep a decoder from stripping the blank that begins a text, and those whose piece is not complete. Source: tokenizers' DecodeStream.
 *
 * An unfinished character is at most the last U+FFFD of a text, as a decoder of UTF-8 makes one of the longest beginning of a character;
 * what stands before does not change any more. A text may be cut where it is finished.
 */
export function textStream(decode: (ids: readonly number[]) => string): TextStream {
  /** Tokens of the piece before, whose text is finished. */
  let context: readonly number[] = [];
  let contextLength = 0;
  /** Tokens since. */
  let fresh: number[] = [];
  /** Characters that were given out, of the text of both. */
  let given = 0;
  const begin = (ids: readonly number[]): void => {
    context = ids;
    fresh = [];
    given = contextLength = decode(ids).length;
  };
  const take = (last: boolean): string => {
    const text = decode([...context, ...fresh]);
    const unfinished = !last && text.endsWith(UNFINISHED);
    const piece = text.slice(given, unfinished ? text.length - 1 : text.length);
    given += piece.length;
    // Tokens without text would not keep the next one's blank from being stripped.
    if (!unfinished && text.length > contextLength) begin(fresh);
    return piece;
  };
  return {
    push(id) {
      fresh.push(id);
      return take(false);
    },
    end() {
      const piece = take(true);
      begin([]);
      return piece;
    },
  };
}
