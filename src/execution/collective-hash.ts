import { fnv1a } from '../numbers.js';
import type { PieceCollective } from './captured-piece.js';
import { COLLECTIVE_KINDS } from './collectives/index.js';

/** How many collectives there are, and a hash of what each is, in their order: kind, counts, and whether a graph holds it. */
export function hashCollectives(collectives: readonly PieceCollective[]): {
  readonly count: number;
  readonly hash: number;
} {
  const words = collectives.flatMap(({ call, inGraph }) => [
    COLLECTIVE_KINDS.indexOf(call.kind),
    inGraph ? 1 : 0,
    call.counts.length,
    ...call.counts,
  ]);
  return { count: collectives.length, hash: fnv1a(words) };
}
