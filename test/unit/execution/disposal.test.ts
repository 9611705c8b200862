import { describe, expect, it } from 'vitest';
import { decodeKey } from '../../../dist/entry/planner.js';
import type { Executor } from '../../../dist/index.js';
import { solo, step } from '../../support/solo-rank.js';

const KEYS = [decodeKey(2, 1, 1), decodeKey(4, 1, 1)];

function fill(executor: Executor): { part: () => void } {
  const buffer = executor.device.allocate(4);
  return { part: () => executor.stream.launch(executor.kernels.kernel('fill'), [buffer, 1, 1]) };
}

describe('what an executor holds', () => {
  it('is freed to the last part where one cannot be, and the error is thrown', async () => {
    const { rank, device } = await solo(KEYS, fill);
    rank.captureSync();
    const { executor } = rank;
    const { pool } = executor;
    const fault = new Error('the pool is in use');
    const free = pool.dispose.bind(pool);
    const refuse = (): void => {
      throw fault;
    };
    Object.assign(pool, { dispose: refuse, [Symbol.dispose]: refuse });
    expect(() => rank.dispose()).toThrow(fault);
    expect(() => executor.stream.beginCapture()).toThrow(expect.objectContaining({ code: 'ERR_DISPOSED' }));
    free();
    // The forward's own buffer alone is left.
    expect(device.memory()).toMatchObject({ graphs: 0, buffers: 1 });
  });

  it('is not held twice: a second capture frees the graphs of the first', async () => {
    const made = await solo(KEYS, fill);
    const { rank, device } = made;
    rank.captureSync();
    const once = device.memory();
    expect(rank.captureSync().captured.map(({ key }) => key.tokens)).toEqual([4, 2]);
    expect(device.memory().graphBytes).toBe(once.graphBytes);
    expect(step(made, 2).decision.run).toBe('full');
    rank.captureSync();
    expect(device.memory().graphBytes).toBe(once.graphBytes);
    rank.executor.stream.synchronizeSync();
  });
});
