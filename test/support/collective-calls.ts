import fc from 'fast-check';
import type { CollectiveKind } from '../../dist/execution/index.js';
import { sentBy } from '../oracles/collectives-oracle.js';

export const KINDS: readonly CollectiveKind[] = ['all-gather', 'reduce-scatter', 'all-reduce', 'all-to-all'];

/** A collective of a group, and what each rank sends in it. */
export interface Call {
  readonly kind: CollectiveKind;
  readonly counts: readonly number[];
  readonly sent: readonly (readonly number[])[];
}

/** A call in which no two of a rank's first elements are alike, of as many counts as its kind has. */
export function callOf(kind: CollectiveKind, drawn: readonly number[], size: number, index: number): Call {
  const counts = kind === 'all-gather' || kind === 'reduce-scatter' ? drawn : drawn.slice(0, 1);
  const sent = Array.from({ length: size }, (_, rank) =>
    Array.from(
      { length: sentBy(kind, counts, rank, size) },
      (_, i) => Math.imul(1 + i, 0x9e3779b1) ^ (rank << 8) ^ index,
    ),
  );
  return { kind, counts, sent };
}

/** A kind, and a count of each rank. */
export const drawnCall = (size: number) =>
  fc.tuple(fc.constantFrom(...KINDS), fc.array(fc.integer({ min: 0, max: 40 }), { minLength: size, maxLength: size }));
