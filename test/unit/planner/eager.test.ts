import { describe, expect, it } from 'vitest';
import type { Policy } from '../../../dist/entry/planner.js';
import { ENUMS } from '../../../dist/layout/layout.js';
import { type Batch, gathers, IDLE, partSizes, ranksOf } from '../../support/planner-deciding.js';

/** What four ranks without a graph move in a step of these batches. */
async function moved(policy: Partial<Policy>, batches: readonly Batch[]): Promise<unknown> {
  const { decide } = await ranksOf(4, { sizes: [], policy });
  return gathers(decide([...batches, IDLE, IDLE, IDLE, IDLE].slice(0, 4)));
}

const decodes = (...counts: number[]): Batch[] => counts.map((count) => ({ decodes: count }));

describe('what eager ranks move', () => {
  it('variable: each its own tokens, an idle one a dummy', async () => {
    expect(await moved({}, decodes(5, 0, 9, 1))).toEqual([['variable', 5, 1, 9, 1]]);
  });

  it('rounded up to the token alignment', async () => {
    const policy = { tokenAlignment: 8 };
    expect(await moved(policy, [{ prefills: [9] }, { decodes: 8 }])).toEqual([['variable', 16, 8, 8, 8]]);
  });

  it('padded-decode: everybody the largest where all decode (ATOM)', async () => {
    const policy = { eagerGather: 'padded-decode' } as const;
    expect(await moved(policy, decodes(5, 0, 9, 1))).toEqual([['padded', 9, 9, 9, 9]]);
    expect(await moved(policy, [{ decodes: 5 }, { prefills: [7] }])).toEqual([['variable', 5, 7, 1, 1]]);
  });

  it.each([
    [
      [1, 1, 1, 1],
      ['padded', 1, 1, 1, 1],
    ],
    [[4], ['sum', 4, 1, 1, 1]],
    [
      [4, 4],
      ['padded', 4, 4, 4, 4],
    ],
    [
      [4, 3],
      ['sum', 4, 3, 1, 1],
    ],
    [
      [2, 1, 1],
      ['padded', 2, 2, 2, 2],
    ],
  ])('max-or-sum: of %j decodes %j, a tie going to the largest (SGLang)', async (counts, expected) => {
    expect(await moved({ eagerGather: 'max-or-sum' }, decodes(...counts))).toEqual([expected]);
  });

  it('max-or-sum: the sum wherever some rank prefills (SGLang)', async () => {
    const policy = { eagerGather: 'max-or-sum', tokenAlignment: 2 } as const;
    expect(await moved(policy, [{ prefills: [7] }, { decodes: 7 }])).toEqual([['sum', 8, 8, 2, 2]]);
  });

  it('nothing on one rank', async () => {
    for (const eagerGather of ['variable', 'padded-decode', 'max-or-sum', 'own-padded'] as const) {
      const { decide } = await ranksOf(1, { sizes: [], policy: { eagerGather } });
      expect(gathers(decide(decodes(5)))).toEqual([['none', 5]]);
    }
  });
});

describe('vetoes', () => {
  it('of one busy rank wins for all, with its reason; an idle rank has nothing to veto', async () => {
    const { decide } = await ranksOf(3);
    const decision = decide([
      { decodes: 3 },
      { decodes: 2, graphVeto: 'cascade-attention' },
      { decodes: 1, graphVeto: 'other' },
    ]);
    expect(decision).toMatchObject({ run: 'eager', reason: 'vetoed', reasonRank: 1, reasonDetail: 3 });
    expect(decide([{ decodes: 3 }, { graphVeto: 'other' }, IDLE])).toMatchObject({ run: 'full', reason: 'graph' });
  });

  it.each([
    ['embeddings-override', 1],
    ['shared-block', 2],
    ['cascade-attention', 3],
    ['encoder-output', 4],
    ['other', 5],
  ] as const)('%s of graphs is told as %i; of micro-batches it leaves the plain twin', async (veto, number) => {
    const policy = { ubatches: 2, ubatchThresholdDecode: 8 };
    const { decide } = await ranksOf(2, { policy });
    expect(ENUMS.VETO[veto]).toBe(number);
    const noGraph = decide([{ decodes: 9 }, { decodes: 8, graphVeto: veto }]);
    expect(noGraph).toMatchObject({ run: 'eager', reason: 'vetoed', reasonRank: 1, reasonDetail: number });
    expect(partSizes(noGraph)).toEqual([4, 5]);
    const noParts = decide([{ decodes: 9 }, { decodes: 8, ubatchVeto: veto }]);
    expect(noParts).toMatchObject({ run: 'full', reason: 'plain-twin', reasonRank: 1 });
    expect(partSizes(noParts)).toEqual([16]);
  });

  it('enforceEager runs no graph, whatever ranks agree by', async () => {
    for (const graphAgreement of ['shape', 'min-mode', 'min-mode-padded'] as const) {
      const { decide } = await ranksOf(2, { policy: { enforceEager: true, graphAgreement } });
      const reasonRank = graphAgreement === 'shape' ? 1 : 0; // Where modes are agreed an idle rank votes one too.
      expect(decide([IDLE, { decodes: 2 }])).toMatchObject({ run: 'eager', reason: 'enforce-eager', reasonRank });
    }
  });
});
