import { describe, expect, it } from 'vitest';
import { randomCheckpoint } from '../../../dist/checkpoint/index.js';
import { TextRank } from '../../support/text-rank.js';

const limits = { maxNumSeqs: 4, maxNumBatchedTokens: 16, maxModelLen: 64, blockSize: 8, numBlocks: 20 };

describe('steps planned ahead', () => {
  it('allocate nothing on the device, those whose logits are asked for neither', async () => {
    using rank = await TextRank.open(randomCheckpoint({ kind: 'dense', seed: 2 }), { limits, ahead: true });
    const before = rank.deviceBytes;
    const text = rank.add([1, 2, 3], 16);
    const seen: (Float32Array | null)[] = [];
    for (let step = 0; step < 4; step++) {
      const prompt = step === 0;
      // Both sets of results are used, each first without and then with logits.
      const { logits, deviceBytes } = rank.stepAhead([{ text, tokens: prompt ? 3 : 1, decode: !prompt }], {
        logits: step >= 2,
      });
      expect([deviceBytes, rank.deviceBytes]).toEqual([before, before]);
      seen.push(logits);
      text.ids.push(5);
    }
    expect(seen.map((logits) => logits !== null)).toEqual([false, false, true, true]);
    expect(seen[3]?.some((value) => value !== 0)).toBe(true);
  });
});
