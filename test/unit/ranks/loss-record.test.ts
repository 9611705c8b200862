import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LockstepError } from '../../../dist/errors.js';
import { lossRecord, lostError, MAX_LOSS_BYTES, readLoss, reasonOf } from '../../../dist/ranks/failure/loss-record.js';
import { runs } from '../../support/property-runs.js';

const SIZE = 8;
const drawnRank = fc.nat(SIZE - 1);

/** What the peers of `rank` throw, by the bytes that lie in memory or in a message. */
function toldBy(rank: number, reason: LockstepError): LockstepError {
  const bytes = new Uint8Array(MAX_LOSS_BYTES);
  const record = lossRecord(rank, reason, bytes, SIZE);
  expect(readLoss(bytes, SIZE)).toEqual(record);
  return lostError(record);
}

const same = ({ code, message, details }: LockstepError) => ({ code, message, details });

describe('why a group ended', () => {
  it('is the same on every rank, however many passed it on', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('ERR_RANK_LOST', 'ERR_RANK_FAULT', 'ERR_DEVICE_MEMORY'),
        fc.string({ maxLength: 2000, unit: 'binary' }),
        fc.option(fc.uniqueArray(drawnRank), { nil: undefined }),
        fc.array(drawnRank, { minLength: 2, maxLength: 5 }),
        (code, message, culprits, [first = 0, ...later]) => {
          const error = toldBy(first, new LockstepError(code, message, culprits === undefined ? {} : { culprits }));
          const on = later.reduce((told, rank) => toldBy(rank, told), error);
          expect(same(on)).toEqual(same(error));
          expect(on.details.rank).toBe(first);
          expect(on.details.culprits).toEqual(culprits === undefined || culprits.length === 0 ? [first] : culprits);
          expect(reasonOf(on)).toEqual({ code, message: error.details.reason });
        },
      ),
      runs(200),
    );
  });

  it('is that of the rank which says so, where what it says is not of this group', () => {
    const other = new LockstepError('ERR_RANK_LOST', 'Rank 9 is lost: it left.', {
      ...{ rank: 9, reason: 'it left.', causeCode: 'ERR_RANK_LOST', culprits: [9] },
    });
    expect(toldBy(3, other).details).toEqual({
      rank: 3,
      reason: 'Rank 9 is lost: it left.',
      causeCode: 'ERR_RANK_LOST',
      culprits: [3],
    });
  });

  it('fits whatever code a program gives it', () => {
    const error = new LockstepError('ERR_'.repeat(600) as 'ERR_RANK_FAULT', 'x', { culprits: [0, 1, 2] });
    expect(toldBy(3, error).details).toMatchObject({ rank: 3, reason: 'x', culprits: [0, 1, 2] });
  });

  it('keeps the first cause, with its code', () => {
    const told = toldBy(2, toldBy(5, new LockstepError('ERR_DEVICE_MEMORY', 'No memory is left.')));
    expect(told.cause).toMatchObject({ code: 'ERR_DEVICE_MEMORY', message: 'No memory is left.' });
    expect(told.message).toMatch(/^Rank 5 is lost: No memory is left\. No later step/);
  });
});
