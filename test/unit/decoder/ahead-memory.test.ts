import { describe, expect, it } from 'vitest';
import { randomCheckpoint } from '../../../dist/checkpoint/index.js';
import { completeLimits } from '../../../dist/config.js';
import { Decoder } from '../../../dist/decoder/index.js';
import { createPlanner } from '../../../dist/entry/planner.js';
import { createRank, createSolo, openDevice } from '../../../dist/index.js';
import { TEST_DEVICE } from '../../support/device-fixture.js';

const limits = completeLimits({ maxNumSeqs: 4, maxNumBatchedTokens: 16, maxModelLen: 64, blockSize: 8, numBlocks: 20 });
const GREEDY = { temperature: 0, topK: 0, topP: 1, seed: 0n };

describe('steps planned ahead', () => {
  it('allocate nothing on the device, those whose logits are asked for neither', async () => {
    using planner = await createPlanner({ limits });
    using device = openDevice({ device: TEST_DEVICE });
    let made: Decoder | undefined;
    using rank = createRank({
      planner,
      device,
      collective: createSolo(),
      forward: (executor) => {
        made = new Decoder(executor, randomCheckpoint({ kind: 'dense', seed: 2 }), limits, { ahead: true });
        return made;
      },
    });
    using decoder = made as Decoder;
    const held = (): number => device.memory().allocatedBytes;
    const before = held();
    const row = planner.requests.add({ blockIds: [1, 2] });
    const seen: (Float32Array | null)[] = [];
    for (let step = 0; step < 4; step++) {
      const prompt = step === 0;
      const inputIds = prompt ? Int32Array.of(1, 2, 3) : Int32Array.of(5);
      const queryLen = inputIds.length;
      planner.requests.schedule(row, { phase: prompt ? 'prefill' : 'decode', queryLen, lastChunk: true, inputIds });
      const { local } = rank.stepSync();
      const rows = [{ controls: GREEDY, position: 3 + step }];
      const windows = [{ first: 0, length: 1, drafts: new Int32Array(0) }];
      // Both sets of results are used, each first without and then with logits.
      const drawn = decoder.ahead?.draw(local, rows, windows, { logits: step >= 2 });
      expect(held()).toBe(before);
      seen.push(drawn?.readSync().logits ?? null);
      planner.requests.advance(row, queryLen);
    }
    expect(seen.map((logits) => logits !== null)).toEqual([false, false, true, true]);
    expect(seen[3]?.some((value) => value !== 0)).toBe(true);
  });
});
