import { describe, expect, it } from 'vitest';
import { costTableText, measureCosts } from '../../../dist/entry/run.js';
import { readCostTable } from '../../../dist/entry/workload.js';

describe('measured costs of a model', () => {
  it('are a table that plans are costed by', async () => {
    const progress: number[] = [];
    const measured = await measureCosts('random:dense', {
      limits: { maxNumSeqs: 4, maxNumBatchedTokens: 16 },
      device: 'host',
      rounds: 3,
      onProgress: (done) => progress.push(done),
    });
    expect(measured.map(({ tokens }) => tokens)).toEqual([1, 2, 4]);
    expect(progress).toEqual([1, 2, 3]);
    for (const { graph, eager } of measured) {
      for (const { median, spread } of [graph, eager]) {
        expect(median).toBeGreaterThan(0);
        expect(spread).toBeGreaterThanOrEqual(0);
      }
    }
    async function* table(): AsyncGenerator<string> {
      yield costTableText(measured);
    }
    const { costs } = await readCostTable(table(), { maxSize: 4 });
    expect(costs[4]).toBeCloseTo(Math.max(...measured.map(({ graph }) => graph.median)), 3);
  });

  it('are refused where nothing can be measured, and end where they are aborted', async () => {
    await expect(measureCosts('/nowhere')).rejects.toMatchObject({ code: 'ERR_MODEL_INVALID' });
    await expect(measureCosts('random:dense', { limits: { maxModelLen: 1000 } })).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
    });
    const signal = AbortSignal.abort();
    await expect(measureCosts('random:dense', { sizes: [1], signal })).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});
