import { describe, expect, it } from 'vitest';
import { superviseRanks } from '../../../dist/ranks/index.js';
import { rejectionOf } from '../../support/device-fixture.js';

const entry = new URL('../../fixtures/execution/captured-rank.mjs', import.meta.url);

describe('the collectives that ranks captured', () => {
  it('are agreed on where they are equal, and run in the graphs', async () => {
    const results = await superviseRanks({ ranks: 2, entry, workerData: () => ({}) });
    expect(results.map(({ value }) => value)).toEqual([
      { captured: 2, launched: 1 },
      { captured: 2, launched: 1 },
    ]);
  });

  it.each(['kind', 'counts', 'number'])(
    'end the capture on every rank where one differs in %s, before any launch',
    async (difference) => {
      const messages: unknown[] = [];
      const error = await rejectionOf(
        'ERR_RANKS_DIVERGED',
        superviseRanks({
          ranks: 3,
          entry,
          workerData: () => ({ other: 1, difference }),
          onMessage: (_rank, message) => void messages.push(message),
        }),
      );
      // Keys are captured largest first: the second one, of index 0, is where the ranks part.
      expect(error.details).toEqual({ key: 0, ranks: [1] });
      expect(messages).toEqual(Array(3).fill({ code: 'ERR_RANKS_DIVERGED', details: { key: 0, ranks: [1] } }));
    },
  );
});
