import type { CaptureKey } from '../planner/capture-key.js';
import type { Policy } from '../planner/policy.js';
import { DEFAULT_ROW_WORDS } from '../ranks/collective.js';
import { guardRow, type OnAsymmetric } from '../ranks/guard-row.js';
import { resolveGuard } from '../ranks/resolve-guard.js';
import type { TraceLine } from './trace.js';

/** What exploring the capture of all keys came to. */
export interface CaptureExploration {
  readonly states: number;
  /** The first state in which the ranks part, if there is one. */
  readonly trace: readonly TraceLine[] | undefined;
}

/** What a rank does about a key after the guard. */
type Move = 'enter' | 'skip' | 'throw';

/**
 * Explores the capture of every key: each rank has room for it or not, told apart by how many have none, and then enters the
 * forward's collectives or goes on to the next key. With the guard the real rule decides about the real rows; without it each
 * rank by itself. Whoever enters alone waits there for ever (P2).
 */
export function exploreCapture(keys: readonly CaptureKey[], policy: Policy, ranks: number): CaptureExploration {
  const order = keys.map((key, index) => ({ key, index })).sort((a, b) => b.key.tokens - a.key.tokens);
  let states = 0;
  for (const { key, index } of order) {
    for (let lacking = 0; lacking <= ranks; lacking++) {
      for (const onAsymmetric of ['throw', 'drop'] as const) {
        states += 1;
        const room = Array.from({ length: ranks }, (_, rank) => rank >= lacking);
        const moves = movesOf(room, index, policy, onAsymmetric);
        if (new Set(moves).size > 1) return { states, trace: describe(key, index, room, moves) };
      }
    }
  }
  return { states, trace: undefined };
}

function movesOf(room: readonly boolean[], key: number, policy: Policy, onAsymmetric: OnAsymmetric): Move[] {
  if (policy.captureGuard === 'none') return room.map((ready) => (ready ? 'enter' : 'skip'));
  const table = new Int32Array(room.length * DEFAULT_ROW_WORDS);
  for (const [rank, ready] of room.entries()) {
    table.set(guardRow(DEFAULT_ROW_WORDS, { key, ready }, onAsymmetric), rank * DEFAULT_ROW_WORDS);
  }
  // Every rank derives its move from the same table.
  return room.map(() => {
    const outcome = resolveGuard(table, DEFAULT_ROW_WORDS);
    if (outcome.kind === 'run') return 'enter';
    return outcome.kind === 'skip' || (outcome.kind === 'asymmetric' && outcome.onAsymmetric === 'drop')
      ? 'skip'
      : 'throw';
  });
}

function describe(key: CaptureKey, index: number, room: readonly boolean[], moves: readonly Move[]): TraceLine[] {
  const ranks = [...room.keys()];
  const forward = `the forward of key ${index} (${key.tokens} tokens)`;
  return [
    ...ranks.map((rank) => ({
      phase: 'capture' as const,
      rank,
      text: room[rank] ? `has KV space for key ${index} (${key.tokens} tokens)` : `has no KV space for key ${index}`,
    })),
    ...ranks.map((rank) => ({
      phase: 'capture' as const,
      rank,
      text:
        moves[rank] === 'enter'
          ? `enters the collectives of ${forward}`
          : 'skips the key and goes on to the next collective',
    })),
    ...ranks
      .filter((rank) => moves[rank] === 'enter')
      .map((rank) => ({ phase: 'end' as const, rank, text: `waits for ever in ${forward}: not every rank enters it` })),
  ];
}
