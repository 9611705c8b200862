import { describe, expect, it } from 'vitest';
import { refusedWith } from '../../support/expectations.js';
import { IDLE, ranksOf } from '../../support/planner-deciding.js';

describe('idle ranks', () => {
  const parked = { run: 'park', parts: [], paddedTokens: 0, busyRanks: 0, captureKey: -1, phase: 'idle' };

  it('all idle: park, until every rank wishes to leave', async () => {
    const { decide } = await ranksOf(3);
    const leaving = { leave: true };
    const waiting = { ...parked, reason: 'all-idle', leave: false };
    expect(decide([IDLE, IDLE, IDLE])).toMatchObject(waiting);
    expect(decide([leaving, IDLE, leaving])).toMatchObject(waiting);
    expect(decide([leaving, leaving, leaving])).toMatchObject({ ...parked, reason: 'leave', leave: true });
  });

  it('park whatever the policy agrees by, and no micro-batches are held over it', async () => {
    for (const ubatchAgreement of ['busy-wish', 'all-wish', 'min-tokens', 'any-minimum', 'same-phase'] as const) {
      const policy = { ubatches: 2, ubatchHysteresis: 100, ubatchAgreement, graphAgreement: 'min-mode' } as const;
      const { decide } = await ranksOf(2, { policy });
      expect(decide([IDLE, IDLE], 2)).toMatchObject({ ...parked, reason: 'all-idle', heldWishes: 0 });
    }
  });

  it('a rank with work keeps everybody, whoever wishes to leave', async () => {
    const { decide } = await ranksOf(2);
    expect(decide([{ leave: true }, { decodes: 1, leave: true }])).toMatchObject({ run: 'full', leave: false });
  });
});

describe('faults', () => {
  it('reach every rank, with their codes', async () => {
    const { decide } = await ranksOf(4);
    const error = refusedWith('ERR_RANK_FAULT', () =>
      decide([{ fault: 5 }, { decodes: 2 }, IDLE, { fault: 9, decodes: 1 }]),
    );
    expect(error.details).toMatchObject({ ranks: [0, 3], codes: [5, 9] });
    expect(error.message).toContain('Rank 0, 3');
    expect(error.message).toContain('end all ranks');
  });

  it('do not hide a rank that is elsewhere', async () => {
    const { decide } = await ranksOf(3);
    const error = refusedWith('ERR_RANKS_DIVERGED', () => decide([{ fault: 5 }, { step: 1 }, IDLE]));
    expect(error.details).toMatchObject({ what: 'step', ranks: [1], values: [0, 1, 0] });
  });
});
