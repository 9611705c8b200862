import type { CaptureKey } from '../keys/index.js';
import type { CheckedPolicy } from '../policy/index.js';
import { DEFAULT_ROW_WORDS, guardRow, type OnAsymmetric, resolveGuard } from '../ranks/index.js';
import type { TraceLine } from './trace.js';

/** A property that the capture of a key breaks, and how. */
export interface CaptureViolation {
  readonly property: 'P2' | 'P6';
  readonly trace: readonly TraceLine[];
}

/** The result of exploring the capture of all keys: the first violation of each property. */
export interface CaptureExploration {
  readonly states: number;
  readonly violations: readonly CaptureViolation[];
}

/** What a rank does about a key after the guard. */
export type Move = 'enter' | 'skip' | 'throw';

const ANSWERS: readonly OnAsymmetric[] = ['throw', 'drop'];

/**
 * Explores the capture of every key. Each rank has room for it or not; ranks are interchangeable, so only the number without room
 * matters. It then enters the forward's collectives, goes on to the next key, or throws. With the guard the real rule decides about the real rows; without
 * it each rank by itself. A rank that enters alone waits there for ever, and so do the others if one enters without room (P2).
 * A key that all have room for and is not captured, or that was to be dropped and is not, is a graph missed (P6).
 */
export function exploreCapture(keys: readonly CaptureKey[], policy: CheckedPolicy, ranks: number): CaptureExploration {
  const order = keys.map((key, index) => ({ key, index })).sort((a, b) => b.key.tokens - a.key.tokens);
  const found = new Map<CaptureViolation['property'], CaptureViolation>();
  let states = 0;
  for (const { key, index } of order) {
    for (let lacking = 0; lacking <= ranks; lacking++) {
      for (const onAsymmetric of ANSWERS) {
        states += 1;
        const room = Array.from({ length: ranks }, (_, rank) => rank >= lacking);
        const moves = movesOf(room, index, policy, onAsymmetric);
        const property = brokenBy(room, moves, onAsymmetric);
        if (property === undefined || found.has(property)) continue;
        const trace = [...captureTrace(key, index, room, moves), ...endOf(key, index, room, moves, property)];
        found.set(property, { property, trace });
      }
    }
  }
  return { states, violations: [...found.values()] };
}

/** States that `exploreCapture` explores. */
export function captureStates(keys: number, ranks: number): number {
  return keys * (ranks + 1) * ANSWERS.length;
}

/** The property that the ranks' moves break, if one. `room`: which ranks can run the key. */
export function brokenBy(
  room: readonly boolean[],
  moves: readonly Move[],
  onAsymmetric: OnAsymmetric,
): CaptureViolation['property'] | undefined {
  if (new Set(moves).size > 1 || moves.some((move, rank) => move === 'enter' && !room[rank])) return 'P2';
  const ready = room.filter(Boolean).length;
  const mixed = onAsymmetric === 'drop' ? 'skip' : 'throw';
  const due = ready === room.length ? 'enter' : ready === 0 ? 'skip' : mixed;
  return moves[0] === due ? undefined : 'P6';
}

/** What each rank does about key `key`, having room for it or not. */
export function movesOf(
  room: readonly boolean[],
  key: number,
  policy: CheckedPolicy,
  onAsymmetric: OnAsymmetric,
): Move[] {
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

/** The steps of a trace: which ranks have room for a key, and what each rank then does. */
export function captureTrace(
  key: CaptureKey,
  index: number,
  room: readonly boolean[],
  moves: readonly Move[],
): TraceLine[] {
  const name = nameOf(key, index);
  const does: Record<Move, string> = {
    enter: `enters the collectives of the forward of ${name}`,
    skip: 'skips the key and goes on to the next collective',
    throw: 'throws ERR_CAPTURE_ASYMMETRIC',
  };
  const line = (rank: number, text: string): TraceLine => ({ phase: 'capture', rank, text });
  return [
    ...room.map((ready, rank) => line(rank, ready ? `has KV space for ${name}` : `has no KV space for ${name}`)),
    ...moves.map((move, rank) => line(rank, does[move])),
  ];
}

/** How it ends for ranks whose moves break a property. */
export function endOf(
  key: CaptureKey,
  index: number,
  room: readonly boolean[],
  moves: readonly Move[],
  property: CaptureViolation['property'],
): TraceLine[] {
  const name = nameOf(key, index);
  if (property === 'P6') {
    return [{ phase: 'end', rank: null, text: `${name} is not captured, or is not dropped as was asked` }];
  }
  return moves.flatMap((move, rank): TraceLine[] => {
    if (move !== 'enter') return [];
    const why = room[rank] ? 'not every rank can enter it' : 'it has no room to run it';
    return [{ phase: 'end', rank, text: `waits for ever in the forward of ${name}: ${why}` }];
  });
}

function nameOf(key: CaptureKey, index: number): string {
  return `key ${index} (${key.tokens} tokens)`;
}
