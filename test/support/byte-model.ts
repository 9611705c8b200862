import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { randomCheckpoint, writeCheckpoint } from '../../dist/entry/checkpoint.js';

/** A token of as many characters as this; no other has more. */
export const LONGEST_TOKEN: string = 'ab'.repeat(32);

/** The letter that each byte has in a vocabulary. Source: GPT-2's `bytes_to_unicode`. */
function byteLetters(): string[] {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
    return String.fromCodePoint(printable ? byte : next++);
  });
}

/** A folder with a small model of random weights whose tokenizer knows every text. Whoever asks for it removes it. */
export function byteModel(): { readonly folder: string; remove(): void } {
  const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-bytes-'));
  const options = {
    kind: 'dense',
    vocabSize: 300,
    maxPositions: 4096,
    bosTokenIds: [298],
    eosTokenIds: [299],
  } as const;
  writeCheckpoint(folder, randomCheckpoint(options));
  const vocab: Record<string, number> = {};
  const merges: string[] = [];
  const add = (token: string): void => {
    vocab[token] ??= Object.keys(vocab).length;
  };
  byteLetters().forEach(add);
  const merge = (left: string, right: string): void => {
    merges.push(`${left} ${right}`);
    add(left + right);
  };
  for (const pair of ['th', 'he', 'in', 'er', 'an', 'Ġa', 'Ġt']) merge(pair[0] as string, pair[1] as string);
  merge('th', 'e');
  merge('a', 'b');
  for (let pair = 'ab'; pair !== LONGEST_TOKEN; pair += pair) merge(pair, pair);
  const special = [298, 299].map((id) => ({
    ...{ id, content: id === 298 ? '<s>' : '</s>', special: true },
    ...{ single_word: false, lstrip: false, rstrip: false, normalized: false },
  }));
  const bytes = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  const first = { SpecialToken: { id: '<s>', type_id: 0 } };
  const document = {
    ...{ version: '1.0', truncation: null, padding: null, added_tokens: special, normalizer: null },
    ...{ pre_tokenizer: bytes, decoder: bytes },
    post_processor: {
      type: 'TemplateProcessing',
      single: [first, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [],
      special_tokens: { '<s>': { id: '<s>', ids: [298], tokens: ['<s>'] } },
    },
    model: { type: 'BPE', dropout: null, unk_token: null, fuse_unk: false, byte_fallback: false, vocab, merges },
  };
  writeFileSync(path.join(folder, 'tokenizer.json'), JSON.stringify(document));
  return { folder, remove: () => rmSync(folder, { recursive: true }) };
}
