import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { cacheSlotBytes } from '../../../dist/decoder/index.js';
import { openModel } from '../../../dist/entry/checkpoint.js';
import { createService, type ServiceOptions, type ServiceStats } from '../../../dist/entry/service.js';
import { TEST_DEVICE } from '../../support/device-fixture.js';

const limits = { maxModelLen: 96, maxNumSeqs: 8, maxNumBatchedTokens: 64, blockSize: 8, numBlocks: 'auto' } as const;
/** Blocks that eight requests of 96 tokens hold, and the null block. */
const MOST = 1 + 8 * (96 / 8);

async function served(options: Partial<ServiceOptions>) {
  await using service = await createService({ model: 'random:dense', device: TEST_DEVICE, limits, ...options });
  const ids: number[] = [];
  for await (const { token } of service.generate([1, 2, 3], { temperature: 0, maxTokens: 40, ignoreEos: true })) {
    ids.push(token);
  }
  // Counts come with the park that follows the request; those of a park before have none.
  const isCounted = ({ ranks }: ServiceStats): boolean =>
    ranks.every(({ steps }) => steps?.parked) && ranks.some(({ engine }) => engine.finished === 1);
  while (!isCounted(service.stats())) await setTimeout(5);
  const { ranks } = service.stats();
  const blocks = ranks.map(({ engine }) => engine.blocks);
  const graphs = ranks.map(({ steps }) => steps?.graphs);
  return { numBlocks: service.numBlocks, ids, blocks, graphs };
}

describe('a service with numBlocks auto', async () => {
  const plain = await served({ limits: { ...limits, numBlocks: 200 } });

  it('has no more blocks than its requests can hold', async () => {
    expect(plain.numBlocks).toBe(200);
    const { numBlocks, ids, blocks } = await served({ ranks: 2, ladder: [1, 2, 4] });
    expect(ids).toEqual(plain.ids);
    expect(numBlocks).toBe(MOST);
    expect(blocks).toEqual([MOST - 1, MOST - 1]);
  });

  it('takes what a limit on memory leaves beside weights and graphs, and every graph is captured with it', async () => {
    const least = await memoryFor({ ladder: [1, 2, 4] });
    for (const more of [0, BLOCK, 20 * BLOCK]) {
      const { numBlocks, ids, graphs } = await served({ ladder: [1, 2, 4], deviceMemory: least + more });
      expect(ids).toEqual(plain.ids);
      expect(graphs).toEqual([3]);
      expect(numBlocks).toBe(13 + more / BLOCK);
    }
  });

  it('says what to do where one longest request has no room', async () => {
    const narrow = served({ deviceMemory: (await memoryFor({})) - BLOCK });
    await expect(narrow).rejects.toMatchObject({ code: 'ERR_DEVICE_MEMORY' });
    await expect(narrow).rejects.toThrow(/maxModelLen 96 takes 13: lower maxModelLen, raise deviceMemory, or/);
  });

  it.each<[Partial<ServiceOptions>, RegExp]>([
    [{ gpuMemoryUtilization: 0 }, /gpuMemoryUtilization is 0; it must be a number above 0/],
    [{ gpuMemoryUtilization: 1.1 }, /gpuMemoryUtilization is 1.1/],
    [{ gpuMemoryUtilization: '0.5' as unknown as number }, /gpuMemoryUtilization is "0.5"/],
    [{ gpuMemoryUtilization: 0.5, limits: {} }, /numBlocks is not auto, which it is for/],
    [{ limits: { numBlocks: 'all' as unknown as number } }, /numBlocks/],
  ])('refuses %j', async (options, message) => {
    await expect(served(options)).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID' });
    await expect(served(options)).rejects.toThrow(message);
  });

  it('asks a forward of a module what a block takes', async () => {
    const entry = new URL('../../fixtures/service/hash-forward.mjs', import.meta.url);
    const model = (data: object) => ({ entry, data: { vocabSize: 28, ...data }, vocabSize: 28 });
    await expect(served({ model: model({}) })).rejects.toThrow(/give it blockBytes, or numBlocks a number/);
    expect((await served({ model: model({ blockBytes: 64 }) })).numBlocks).toBe(MOST);
  });
});

/** Bytes of a block of `random:dense`. */
const BLOCK = 8 * cacheSlotBytes(openModel('random:dense').config);

/** The least limit on memory with which such a service has 13 blocks, which one longest request takes. */
async function memoryFor(options: Partial<ServiceOptions>): Promise<number> {
  // The first limits are too small for the weights, or for graphs.
  for (let deviceMemory = 400_000; ; deviceMemory = Math.ceil(deviceMemory * 1.2)) {
    const { numBlocks } = await served({ ...options, deviceMemory }).catch(() => ({ numBlocks: 0 }));
    if (numBlocks === 0) continue;
    expect(numBlocks).toBeLessThan(MOST);
    return deviceMemory - (numBlocks - 13) * BLOCK;
  }
}
