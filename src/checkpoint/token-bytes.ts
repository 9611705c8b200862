/** How a tokenizer's vocabulary spells bytes that are no characters by themselves. */
export interface ByteSpelling {
  /** Each character of a token stands for a byte. Source: GPT-2's `bytes_to_unicode`. */
  readonly letters: boolean;
  /** Tokens `<0x00>` to `<0xFF>` are bytes, as SentencePiece has them. */
  readonly numbers: boolean;
}

/** How the decoder of tokenizer.json spells bytes. */
export function byteSpelling(decoder: unknown): ByteSpelling {
  const types = typesOf(decoder);
  return { letters: types.includes('ByteLevel'), numbers: types.includes('ByteFallback') };
}

/** The types of a decoder and of those in it; what is of no form has none. */
function typesOf(decoder: unknown): string[] {
  const of = (name: string): unknown => {
    if (decoder instanceof Map) return decoder.get(name);
    return typeof decoder === 'object' && decoder !== null ? (decoder as Record<string, unknown>)[name] : undefined;
  };
  const [type, inner] = [of('type'), of('decoders')];
  return [...(typeof type === 'string' ? [type] : []), ...(Array.isArray(inner) ? inner.flatMap(typesOf) : [])];
}

/** Bytes that a token of the vocabulary spells; null where what it says is its text. */
export function spelledBytes(token: string, { letters, numbers }: ByteSpelling): Uint8Array | null {
  const number = numbers ? /^<0x([0-9A-Fa-f]{2})>$/.exec(token) : null;
  if (number !== null) return Uint8Array.of(Number.parseInt(number[1] as string, 16));
  if (!letters) return null;
  const bytes = Array.from(token, (letter) => BYTES.get(letter));
  return bytes.includes(undefined) ? null : Uint8Array.from(bytes as number[]);
}

/** The byte of each letter: printable ones of Latin-1 stand for themselves, the others for U+0100 on, in order. */
const BYTES: ReadonlyMap<string, number> = (() => {
  const isPrintable = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  const letters = new Map<string, number>();
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++) letters.set(String.fromCodePoint(isPrintable(byte) ? byte : next++), byte);
  return letters;
})();
