import type { PieceCollective } from './captured-piece.js';
import { COLLECTIVE_KINDS } from './collectives/index.js';

/** How many collectives there are, and a hash of what each is, in their order: kind, counts, and whether a graph holds it. */
export function hashCollectives(collectives: readonly PieceCollective[]): {
  readonly count: number;
  readonly hash: number;
} {
  let hash = 2166136261;
  const add = (word: number): void => {
    hash = Math.imul(hash ^ word, 16777619);
  };
  for (const { call, inGraph } of collectives) {
    add(COLLECTIVE_KINDS.indexOf(call.kind));
    add(inGraph ? 1 : 0);
    add(call.counts.length);
    for (const count of call.counts) add(count);
  }
  return { count: collectives.length, hash: hash | 0 };
}
