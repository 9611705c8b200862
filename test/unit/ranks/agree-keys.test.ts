import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LockstepError } from '../../../dist/errors.js';
import { type AgreedKeys, agreeOnKeys, agreeOnKeysSync } from '../../../dist/ranks/guard/agree-keys.js';
import { type Collective, createSolo, createThreadsGroup, joinThreads } from '../../../dist/ranks/index.js';
import { runs } from '../../support/property-runs.js';

const ROW_WORDS = 32;
const KEY_WORDS = 2;

/** Asks rank 0 of a group whose other ranks have these lists; `damage` may change what it gathers in each all-gather. */
function asked(
  lists: readonly (readonly number[])[],
  onAsymmetric: 'throw' | 'drop',
  damage: (table: Int32Array, gather: number) => void = () => undefined,
): AgreedKeys {
  /** What each rank sends in its all-gathers: the rows of the others are those that they send when they are asked alone. */
  const sent = lists.map((list, rank) => {
    const rows: Int32Array[] = [];
    const stop = new Error('all was sent');
    const alone = collectiveOf(rank, (row, table, gather) => {
      rows.push(row.slice());
      // As if it differed from all others, so that it sends its list, and as if all lists were as long as the longest.
      if (gather === 0) for (let each = 0; each < lists.length; each++) table.set(row, each * ROW_WORDS);
      if (gather > 0) throw stop;
    });
    try {
      agreeOnKeysSync(alone, Int32Array.from(list), KEY_WORDS, { onAsymmetric });
    } catch (error) {
      if (error !== stop) throw error;
    }
    return { first: rows[0] as Int32Array, bytes: Int32Array.from(list) };
  });
  const longest = Math.max(...lists.map(({ length }) => length));
  const gatherings = [
    sent.map(({ first }) => first),
    ...Array.from({ length: Math.ceil(longest / ROW_WORDS) }, (_, part) =>
      sent.map(({ bytes }) => bytes.subarray(part * ROW_WORDS, (part + 1) * ROW_WORDS)),
    ),
  ];
  const group = collectiveOf(0, (_row, table, gather) => {
    for (const [rank, words] of (gatherings[gather] as Int32Array[]).entries()) table.set(words, rank * ROW_WORDS);
    damage(table, gather);
  });
  return agreeOnKeysSync(group, Int32Array.from(lists[0] ?? []), KEY_WORDS, { onAsymmetric });

  function collectiveOf(rank: number, gather: (row: Int32Array, table: Int32Array, index: number) => void): Collective {
    let gathers = 0;
    const allGatherSync = (row: Int32Array, table: Int32Array): void => gather(row, table, gathers++);
    return { ...createSolo(), rank, size: lists.length, rowWords: ROW_WORDS, allGatherSync };
  }
}

function refusal(work: () => unknown): LockstepError {
  try {
    work();
  } catch (error) {
    return error as LockstepError;
  }
  throw new Error('nothing was refused');
}

const keys = (...names: number[]): number[] => names.flatMap((name) => [name, 7 * name]);

describe('the keys that all ranks have', () => {
  it('are the same where the event loop is left free', async () => {
    const lists = [keys(1, 2, 3), keys(3, 2), keys(2, 3, 4)];
    const group = createThreadsGroup(lists.length);
    const ask = (list: number[], rank: number): Promise<AgreedKeys> =>
      agreeOnKeys(joinThreads(group, rank), Int32Array.from(list), KEY_WORDS, { onAsymmetric: 'drop' });
    const [first] = await Promise.all(lists.map(ask));
    expect(first).toEqual(asked(lists, 'drop'));
  });

  it('are all where the lists are equal, and else what is in each', () => {
    expect(asked([keys(1, 2), keys(1, 2)], 'throw')).toEqual({ kept: [0, 1], dropped: [] });
    expect(asked([keys(1, 2, 3), keys(3, 2), keys(2, 3, 4)], 'drop')).toEqual({
      kept: [1, 2],
      dropped: [{ index: 0, ranks: [1, 2] }],
    });
    expect(refusal(() => asked([keys(1), keys(1), keys(2)], 'throw'))).toMatchObject({
      code: 'ERR_RANKS_DIVERGED',
      details: { ranks: [2] },
    });
  });

  it('are refused where one bit of what came is another, and never others than they are', () => {
    const lists = fc.array(fc.uniqueArray(fc.nat(40), { maxLength: 40 }), { minLength: 2, maxLength: 4 });
    const flip = fc.record({ gather: fc.nat(4), word: fc.nat(), bit: fc.nat(31) });
    let refused = 0;
    fc.assert(
      fc.property(lists, flip, (named, { gather: where, word, bit }) => {
        const given = named.map((names) => keys(...names));
        const right = asked(given, 'drop');
        const damage = (table: Int32Array, gather: number): void => {
          if (gather === where) table[word % table.length] ^= 1 << bit;
        };
        try {
          expect(asked(given, 'drop', damage)).toEqual(right);
        } catch (error) {
          if ((error as LockstepError).code !== 'ERR_RANKS_DIVERGED') throw error;
          refused++;
        }
      }),
      runs(2000),
    );
    expect(refused).toBeGreaterThan(0);
  });

  it('are refused where a rank does something else, which alone is named beside lists that differ', () => {
    const damage = (table: Int32Array, gather: number): void => {
      if (gather === 0) table[2 * ROW_WORDS] ^= 1;
    };
    const lists = [keys(1, 2), keys(1, 3), keys(1, 2), keys(1, 2)];
    expect(refusal(() => asked(lists, 'drop', damage))).toMatchObject({
      code: 'ERR_RANKS_DIVERGED',
      details: { ranks: [2] },
    });
  });

  it('are refused where every row is damaged alike', () => {
    const damage = (table: Int32Array, gather: number): void => {
      if (gather === 0) for (let rank = 0; rank < 2; rank++) table[rank * ROW_WORDS + 1] ^= 4;
    };
    expect(refusal(() => asked([keys(1), keys(1)], 'drop', damage))).toMatchObject({
      code: 'ERR_RANKS_DIVERGED',
      details: { ranks: [0, 1] },
    });
  });
});
