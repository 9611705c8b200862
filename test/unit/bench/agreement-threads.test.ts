import { expect, it } from 'vitest';
import { startAgreementThreads } from '../../../dist/bench/agreement-threads.js';
import { FutexBarrier } from '../../../dist/bench/futex-barrier.js';
import { loadModules } from '../../../dist/memory/index.js';
import { createThreadsGroup } from '../../../dist/ranks/index.js';

it('a thread that does not start is told at once, with what it threw, and no thread is left', async () => {
  const modules = await loadModules();
  const group = createThreadsGroup(3);
  const barrier = new SharedArrayBuffer(FutexBarrier.BYTES);
  const seat = { modules, group, barrier };
  const workers = await startAgreementThreads([
    { ...seat, rank: 1 },
    { ...seat, rank: 2 },
  ]);
  expect(workers).toHaveLength(2);
  await Promise.all(workers.map((worker) => worker.terminate()));

  const threadsBefore = process.getActiveResourcesInfo().filter((kind) => kind === 'MessagePort').length;
  const wrong = startAgreementThreads([
    { ...seat, group: createThreadsGroup(3), rank: 1 },
    { ...seat, rank: 7 },
  ]);
  await expect(wrong).rejects.toMatchObject({
    code: 'ERR_RANK_LOST',
    message: expect.stringMatching(/^The thread of rank 7 did not start: .*7/s),
    details: { rank: 7 },
  });
  expect(process.getActiveResourcesInfo().filter((kind) => kind === 'MessagePort')).toHaveLength(threadsBefore);
});
