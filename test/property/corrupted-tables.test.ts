import fc from 'fast-check';
import { expect, it } from 'vitest';
import { LockstepError, StepPlanner } from '../../dist/entry/planner.js';
import { VOTE_WORDS } from '../../dist/layout/layout.js';
import { loadModules } from '../../dist/memory/modules.js';
import { sealPlain } from '../oracles/seal-oracle.js';
import { tableOf, votePlain } from '../oracles/vote-oracle.js';
import { must } from '../support/expectations.js';
import { everySetupArbitrary } from '../support/planner-setup.js';
import { FULL_RUN, runs } from '../support/property-runs.js';
import { peerArbitrary, peerChunks } from '../support/session-steps.js';

const WIDTH = VOTE_WORDS.length;
const SEAL = VOTE_WORDS.indexOf('seal');
const modules = await loadModules();

/** A word that is likely to look like another. */
const word = fc.oneof(
  fc.integer({ min: -2, max: 9 }),
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  fc.constantFrom(1000, 2 ** 31 - 1, -(2 ** 31)),
);
const place = fc.record({ rank: fc.nat(), other: fc.nat(), index: fc.nat(WIDTH - 1) });

/** Damage on the way, or in what one receiver holds. */
const damage = fc.oneof(
  fc.record({ kind: fc.constant('bits' as const), bits: fc.array(fc.nat(), { minLength: 1, maxLength: 4 }) }),
  fc.record({
    kind: fc.constant('words' as const),
    words: fc.array(fc.tuple(place, word), { minLength: 1, maxLength: 3 }),
  }),
  fc.record({ kind: fc.constant('moved' as const), place }),
  fc.record({ kind: fc.constant('exchanged' as const), place }),
  fc.record({ kind: fc.constant('stale' as const), place }),
  fc.record({ kind: fc.constant('zeroed' as const), place }),
  fc.record({
    kind: fc.constant('garbage' as const),
    place,
    words: fc.array(word, { minLength: WIDTH, maxLength: WIDTH }),
  }),
);
type Damage = typeof damage extends fc.Arbitrary<infer T> ? T : never;

/** The table as it is after the damage; `before` is that of the step before. */
function damaged(table: Int32Array, before: Int32Array, by: Damage): Int32Array {
  const ranks = table.length / WIDTH;
  const at = (rank: number): number => (rank % ranks) * WIDTH;
  const result = table.slice();
  switch (by.kind) {
    case 'bits':
      for (const bit of by.bits) result[(bit >>> 5) % result.length] ^= 1 << (bit & 31);
      break;
    case 'words':
      for (const [{ rank, index }, value] of by.words) result[at(rank) + index] = value;
      break;
    case 'moved':
      result.copyWithin(at(by.place.rank), at(by.place.other), at(by.place.other) + WIDTH);
      break;
    case 'exchanged':
      result.set(table.subarray(at(by.place.other), at(by.place.other) + WIDTH), at(by.place.rank));
      result.set(table.subarray(at(by.place.rank), at(by.place.rank) + WIDTH), at(by.place.other));
      break;
    case 'stale':
      result.set(before.subarray(at(by.place.rank), at(by.place.rank) + WIDTH), at(by.place.rank));
      break;
    case 'zeroed':
      result.fill(0, at(by.place.rank), at(by.place.rank) + WIDTH);
      break;
    case 'garbage':
      result.set(by.words, at(by.place.rank));
      break;
  }
  return result;
}

/** The words of what a planner decides from a table, or the code of the error with which it refuses it. */
function outcome(planner: StepPlanner, table: Int32Array): Int32Array | string {
  planner.vote();
  try {
    return planner.resolve(table, null).words.slice();
  } catch (error) {
    if (error instanceof LockstepError) return error.code;
    throw error;
  } finally {
    planner.abandon();
  }
}

const same = (a: Int32Array | string, b: Int32Array | string): boolean =>
  typeof a === 'string' || typeof b === 'string' ? a === b : a.every((value, index) => value === b[index]);

const peers = fc.array(peerArbitrary, { minLength: 4, maxLength: 4 });
const manyDamages = fc.array(damage, { minLength: 25, maxLength: 25 });

it('a receiver of a damaged table refuses it, or decides as if nothing were changed: 100,000 tables', () => {
  const refused = new Map<string, number>();
  fc.assert(
    fc.property(
      everySetupArbitrary,
      peers,
      peers,
      fc.boolean(),
      manyDamages,
      (setup, now, then, decodeOnly, damages) => {
        const { plan, policy, ranks } = setup;
        const planner = new StepPlanner(modules, setup);
        const tableAt = (step: number, batches: typeof now): Int32Array => {
          const context = { step, planHash: planner.planHash, plan, policy };
          return tableOf(
            batches
              .slice(0, ranks)
              .map((peer) => votePlain(peerChunks(peer, setup, decodeOnly), { ...context, ...peer.intent })),
          );
        };
        const table = tableAt(0, now);
        const before = tableAt(-1, then);
        const whole = outcome(planner, table);
        for (const by of damages) {
          const wrong = damaged(table, before, by);
          const found = outcome(planner, wrong);
          // A table of one rank from another step is a whole table of that step.
          const restored =
            wrong.every((value, index) => value === table[index]) || (ranks === 1 && by.kind === 'stale');
          must(
            restored || found === 'ERR_RANKS_DIVERGED' || same(found, whole),
            () => `${JSON.stringify(by)}: ${found}, not ${whole}`,
          );
          if (!restored && typeof found === 'string') refused.set(by.kind, (refused.get(by.kind) ?? 0) + 1);
        }
      },
    ),
    runs(4000),
  );
  if (FULL_RUN)
    expect([...refused.keys()].sort()).toEqual(['bits', 'exchanged', 'garbage', 'moved', 'stale', 'words', 'zeroed']);
});

it('a rank that seals garbage is refused by every receiver, or decided about alike', () => {
  let refusals = 0;
  let decided = 0;
  fc.assert(
    fc.property(
      everySetupArbitrary,
      peers,
      fc.tuple(place, word),
      fc.boolean(),
      (setup, now, [at, value], decodeOnly) => {
        const { plan, policy } = setup;
        const ranks = Math.max(2, setup.ranks);
        const planners = Array.from(
          { length: ranks },
          (_, rank) => new StepPlanner(modules, { ...setup, ranks, rank }),
        );
        const context = { step: 0, planHash: planners[0].planHash, plan, policy };
        const table = tableOf(
          now.slice(0, ranks).map((peer) => votePlain(peerChunks(peer, { ...setup, ranks }, decodeOnly), context)),
        );
        const rank = at.rank % ranks;
        const row = table.subarray(rank * WIDTH, (rank + 1) * WIDTH);
        row[at.index] = value;
        row[SEAL] = sealPlain(row, rank);
        const found = planners.map((planner) => outcome(planner, table));
        for (const other of found) must(same(other, found[0]), () => `${VOTE_WORDS[at.index]} ${value}: ${found}`);
        if (typeof found[0] === 'string') refusals++;
        else decided++;
      },
    ),
    runs(3000),
  );
  if (!FULL_RUN) return;
  expect(refusals).toBeGreaterThan(500);
  expect(decided).toBeGreaterThan(100);
});
