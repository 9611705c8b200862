import { describe, expect, it } from 'vitest';
import { supervise } from '../../../dist/index.js';

const entry = new URL('../../fixtures/service/pool-rank.mjs', import.meta.url);

/** What ranks of a host agree on: 1000 bytes a block, 2000 bytes held, requests of 8 blocks, half of what is free. */
async function agreed(
  ...ranks: { memoryLimit?: number; silent?: boolean; free?: number; utilization?: number }[]
): Promise<unknown[]> {
  const results = await supervise({ ranks: ranks.length, entry, workerData: (rank) => ranks[rank] }).done;
  return results.map(({ value }) => value);
}

describe('the blocks of a pool', () => {
  it('are as many as the rank has room for that has the least, on all alike', async () => {
    const limits = [20_500, 12_000, 15_000].map((memoryLimit) => ({ memoryLimit }));
    expect(await agreed(...limits)).toEqual([14, 14, 14]);
    expect(await agreed({ memoryLimit: 20_500 })).toEqual([22]);
  });

  it('share the memory of one machine, of which a share may be in use', async () => {
    expect(await agreed({ free: 36_000 })).toEqual([20]);
    expect(await agreed({ free: 36_000 }, { free: 36_000 })).toEqual([11, 11]);
  });

  it('are no more than the requests of a step hold', async () => {
    expect(await agreed({})).toEqual([1 + 4 * 8]);
  });

  it('are refused where a device does not say what it has left, and where one longest request has no room', async () => {
    await expect(agreed({}, { silent: true })).rejects.toMatchObject({ code: 'ERR_DEVICE_MEMORY' });
    await expect(agreed({}, { silent: true })).rejects.toThrow(/host device of rank 1 does not say how much memory/);
    const narrow = agreed({}, { memoryLimit: 6999 }, {});
    await expect(narrow).rejects.toThrow(/rank 1 has room for 8 KV blocks of 1000 bytes .* maxModelLen 64 takes 9/);
    await expect(narrow).rejects.toThrow(/within deviceMemory, .*: lower maxModelLen, raise deviceMemory, or capture/);
    expect(await agreed({}, { memoryLimit: 7000 })).toEqual([9, 9]);
    const full = agreed({ free: 6000, utilization: 1 });
    await expect(full).rejects.toThrow(/with gpuMemoryUtilization 1, .*: lower maxModelLen, or capture fewer graphs/);
    const half = agreed({ free: 6000, memoryLimit: 1_000_000 });
    await expect(half).rejects.toThrow(/: lower maxModelLen, raise gpuMemoryUtilization, or capture fewer graphs/);
  });
});
