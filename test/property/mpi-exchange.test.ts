import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LockstepError } from '../../dist/errors.js';
import { Exchange } from '../../dist/ranks/mpi/exchange.js';
import { SYSTEM_TIMING } from '../../dist/timing.js';
import { runs } from '../support/property-runs.js';

const ROW_WORDS = 2;
const GATHERS = 4;
const reason = new LockstepError('ERR_ABORTED', 'The test gave up.');

type Fate = 'completed' | 'ended' | 'gave up';

/** A rank of the model: an exchange, and what became of each all-gather that it entered. */
interface Member {
  readonly exchange: Exchange;
  readonly fates: Fate[];
  gathering: boolean;
  gaveUp: boolean;
  left: boolean;
  died: boolean;
}

/** Ranks whose messages lie in queues, one a pair, until the test delivers them. */
class Network {
  readonly members: Member[];
  readonly #queues: Int32Array[][][];

  constructor(size: number) {
    this.#queues = Array.from({ length: size }, () => Array.from({ length: size }, () => []));
    this.members = Array.from({ length: size }, (_, rank) => ({
      exchange: new Exchange(
        { rank, size, rowWords: ROW_WORDS },
        (words, count) => {
          for (const [to, queue] of this.#queues[rank].entries()) if (to !== rank) queue.push(words.slice(0, count));
        },
        SYSTEM_TIMING,
      ),
      fates: [],
      gathering: false,
      gaveUp: false,
      left: false,
      died: false,
    }));
  }

  /** Hands over the oldest message of a pair. */
  deliver(from: number, to: number): boolean {
    const message = this.#queues[from][to].shift();
    const { died, left, gathering, exchange } = this.members[to];
    if (message === undefined) return false;
    if (!died && (!left || gathering)) exchange.take(from, message);
    return true;
  }

  enter(rank: number): void {
    const { exchange, fates } = this.members[rank];
    if (!this.#free(rank) || fates.length === GATHERS || exchange.ended) return;
    this.members[rank].gathering = true;
    exchange.enter(rowOf(rank, exchange.sequence + 1));
    this.settle(rank);
  }

  settle(rank: number): void {
    const { exchange, gathering, died } = this.members[rank];
    if (!gathering || died) return;
    const state = exchange.settle();
    if (state === 'completed') {
      const rows = this.members.flatMap((_, peer) => [...rowOf(peer, exchange.sequence)]);
      expect([...exchange.table]).toEqual(rows);
    }
    if (state === 'completed') this.#over(rank, state);
    if (state === 'ended') this.#over(rank, this.members[rank].gaveUp ? 'gave up' : state);
  }

  giveUp(rank: number): void {
    const { exchange, gathering, died } = this.members[rank];
    if (!gathering || died || exchange.settle() !== 'pending' || exchange.ask()) return;
    this.members[rank].gaveUp = exchange.end(rank, reason);
    this.settle(rank);
  }

  abort(rank: number): void {
    const { exchange, left, died } = this.members[rank];
    if (!left && !died) exchange.end(rank, reason);
  }

  leave(rank: number): void {
    if (!this.#free(rank)) return;
    this.members[rank].exchange.leave();
    this.members[rank].left = true;
  }

  /** One process dies at most: what another one saw of it may be all that is known of an all-gather. */
  die(rank: number): void {
    if (!this.members.some(({ died }) => died)) this.members[rank].died = true;
  }

  /** A rank notices who died, while messages of that one may be on their way still. */
  notice(rank: number): void {
    const { exchange, died } = this.members[rank];
    for (const [peer, other] of this.members.entries()) {
      if (!died && other.died && peer !== rank && !exchange.peers.silent(peer)) exchange.lose(peer, reason);
    }
  }

  /** Delivers and settles until nothing changes; then peers notice who died, and all of it again. */
  rest(): void {
    this.#flow();
    for (const rank of this.members.keys()) this.notice(rank);
    this.#flow();
  }

  #flow(): void {
    for (let moved = true; moved; ) {
      moved = false;
      for (const [from, queues] of this.#queues.entries()) {
        for (const to of queues.keys()) while (this.deliver(from, to)) moved = true;
      }
      const before = this.members.map(({ fates }) => fates.length).join();
      for (const rank of this.members.keys()) this.settle(rank);
      moved ||= before !== this.members.map(({ fates }) => fates.length).join();
      moved ||= this.#queues.some((queues) => queues.some((queue) => queue.length > 0));
    }
  }

  #free(rank: number): boolean {
    const { gathering, left, died } = this.members[rank];
    return !gathering && !left && !died;
  }

  #over(rank: number, fate: Fate): void {
    this.members[rank].fates.push(fate);
    this.members[rank].gathering = false;
  }
}

function rowOf(rank: number, sequence: number): Int32Array {
  return new Int32Array([100 * sequence + rank, -rank]);
}

type Action = 'deliver' | 'enter' | 'settle' | 'giveUp' | 'abort' | 'leave' | 'die' | 'notice';
interface Step {
  readonly what: Action;
  readonly rank: number;
  readonly peer: number;
}

/** Steps of a group, one in so many of which is a disturbance. */
function steps(disturbances: readonly Action[]): fc.Arbitrary<Step[]> {
  const calm = fc.constantFrom<Action>('deliver', 'enter', 'settle');
  const what = fc.oneof({ weight: 30, arbitrary: calm }, { weight: 1, arbitrary: fc.constantFrom(...disturbances) });
  const step = fc.record({ what, rank: fc.nat(3), peer: fc.nat(3) });
  return fc.array(step, { minLength: 40, maxLength: 250, size: 'max' });
}

describe('an all-gather completes on every rank that lives or on none, whatever the order of messages', () => {
  it.each<[string, readonly Action[], readonly string[]]>([
    ['when ranks give up, abort and leave', ['giveUp', 'abort', 'leave'], ['gave up']],
    ['when a process dies, and the others notice it early or late', ['die', 'notice', 'notice', 'notice'], []],
  ])('%s', (_when, disturbances, kinds) => {
    const met = new Set<string>();
    const law = fc.property(fc.integer({ min: 2, max: 4 }), steps(disturbances), (size, given) => {
      const network = new Network(size);
      for (const { what, rank: drawn, peer } of given) {
        const rank = drawn % size;
        if (what === 'deliver') network.deliver(peer % size, rank);
        else network[what](rank);
        if (what === 'deliver') network.settle(rank);
      }
      network.rest();
      const living = network.members.filter(({ died }) => !died);
      for (let gather = 0; gather < GATHERS; gather++) {
        const fates = living.map(({ fates: all }) => all[gather]);
        const completed = fates.filter((fate) => fate === 'completed').length;
        expect([0, living.length], `all-gather ${gather + 1}: ${fates.join()}`).toContain(completed);
        for (const fate of fates) met.add(fate ?? 'never entered');
      }
      // In a group that ended nothing is left to wait for.
      if (living.some(({ exchange }) => exchange.ended)) {
        expect(living.filter(({ gathering }) => gathering)).toEqual([]);
      }
    });
    fc.assert(law, { ...runs(10_000), verbose: true });
    expect([...met].sort()).toEqual(['completed', 'ended', ...kinds, 'never entered']);
  });
});

/** The word of rank 1 that its group has ended because of rank 0. */
function wordOfEnd(): Int32Array {
  const sent: Int32Array[] = [];
  const exchange = new Exchange(SHAPE, (words, count) => sent.push(words.slice(0, count)), SYSTEM_TIMING);
  exchange.end(0, reason);
  return sent.at(-1) as Int32Array;
}
const SHAPE = { rank: 1, size: 4, rowWords: 2 };

it('a damaged word that a group has ended ends it all the same, on every rank, by the fault of its sender', () => {
  const kinds = new Set<string>();
  const law = fc.property(fc.nat(200), fc.integer(), fc.integer({ min: 1, max: 3 }), (byte, value, count) => {
    const words = wordOfEnd();
    const bytes = new Uint8Array(words.buffer);
    for (let at = 0; at < count; at++) bytes[16 + ((byte + at) % (bytes.length - 16))] = value >> (8 * at);
    const sent: Int32Array[] = [];
    const exchange = new Exchange(
      { ...SHAPE, rank: 2 },
      (row, length) => sent.push(row.slice(0, length)),
      SYSTEM_TIMING,
    );
    exchange.take(1, words);
    expect(exchange.ended).toBe(true);
    const { fault } = exchange;
    kinds.add(fault === null ? 'read' : fault.code);
    if (fault !== null) expect(fault).toMatchObject({ code: 'ERR_RANKS_DIVERGED', details: { ranks: [1] } });
    // What it sends on is whole.
    const other = new Exchange({ ...SHAPE, rank: 3 }, () => {}, SYSTEM_TIMING);
    other.take(2, sent.at(-1) as Int32Array);
    expect([other.ended, other.fault]).toEqual([true, null]);
  });
  fc.assert(law, runs(2000));
  expect([...kinds].sort()).toEqual(['ERR_RANKS_DIVERGED', 'read']);
});

it('an end is told with its code and reason, whatever its details say', () => {
  const word = fc.oneof(
    fc.integer({ min: -2, max: 9 }),
    fc.string(),
    fc.constant(null),
    fc.record({ rank: fc.nat(9) }),
  );
  const details = fc.record(
    { culprits: fc.array(word), missing: fc.array(word), ranks: fc.array(word) },
    { requiredKeys: [] },
  );
  const law = fc.property(details, fc.string(), (given, message) => {
    const sent: Int32Array[] = [];
    const exchange = new Exchange(SHAPE, (words, count) => sent.push(words.slice(0, count)), SYSTEM_TIMING);
    exchange.end(1, new LockstepError('ERR_CONFIG_INVALID', message, given));
    const peer = new Exchange({ ...SHAPE, rank: 2 }, () => {}, SYSTEM_TIMING);
    peer.take(1, sent.at(-1) as Int32Array);
    expect(peer.fault).toBeNull();
    const { reason: told, causeCode, culprits } = peer.lost().details;
    expect([told, causeCode]).toEqual([message, 'ERR_CONFIG_INVALID']);
    expect((culprits as number[]).length).toBeGreaterThan(0);
    for (const culprit of culprits as number[]) expect([0, 1, 2, 3]).toContain(culprit);
  });
  fc.assert(law, runs(1000));
});

it('an end by the fault of a thousand ranks is told, the first of them named', () => {
  const culprits = Array.from({ length: 1000 }, (_, rank) => rank);
  const exchange = new Exchange({ rank: 0, size: 1024, rowWords: 2 }, () => {}, SYSTEM_TIMING);
  exchange.end(0, new LockstepError('ERR_COLLECTIVE_TIMEOUT', 'x'.repeat(3000), { culprits }));
  const named = exchange.lost().details.culprits as number[];
  expect(named.length).toBeGreaterThan(50);
  expect(named).toEqual(culprits.slice(0, named.length));
});
