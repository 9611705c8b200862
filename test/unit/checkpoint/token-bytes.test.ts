import { describe, expect, it } from 'vitest';
import { byteSpelling, spelledBytes } from '../../../dist/checkpoint/token-bytes.js';

describe('bytes that a vocabulary spells', () => {
  it('are letters of a byte-level one, each byte one of its own', () => {
    const spelling = byteSpelling({ type: 'ByteLevel' });
    expect(spelling).toEqual({ letters: true, numbers: false });
    expect([...(spelledBytes('Ġtime', spelling) ?? [])]).toEqual([...Buffer.from(' time')]);
    expect([...(spelledBytes('ĊÃ', spelling) ?? [])]).toEqual([0x0a, 0xc3]);
    const letters = Array.from({ length: 0x144 }, (_, point) => String.fromCodePoint(point));
    const bytes = letters.flatMap((letter) => [...(spelledBytes(letter, spelling) ?? [])]);
    expect(new Set(bytes).size).toBe(256);
    expect(bytes).toHaveLength(256);
    expect(spelledBytes('時', spelling)).toBeNull();
  });

  it('are numbers where a decoder falls back to them, in a sequence too', () => {
    const sequence = new Map<string, unknown>([
      ['type', 'Sequence'],
      ['decoders', [new Map([['type', 'Replace']]), new Map([['type', 'ByteFallback']])]],
    ]);
    const spelling = byteSpelling(sequence);
    expect(spelling).toEqual({ letters: false, numbers: true });
    expect([...(spelledBytes('<0xE2>', spelling) ?? [])]).toEqual([0xe2]);
    expect(spelledBytes('▁Once', spelling)).toBeNull();
    expect(spelledBytes('<0xE2>', byteSpelling(undefined))).toBeNull();
  });
});
