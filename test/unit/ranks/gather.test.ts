import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { LockstepError } from '../../../dist/errors.js';
import { abortGroup, type Collective, createSolo, createThreadsGroup, joinThreads } from '../../../dist/ranks/index.js';
import { openGroup } from '../../../dist/ranks/threads/threads-group.js';
import { SYSTEM_TIMING } from '../../../dist/timing.js';
import { root } from '../../support/cli.js';
import { errorOf, rejectionOf } from '../../support/device-fixture.js';

/** All ranks of a new group in this thread. */
function ranksHere(size: number, rowWords = 2): Collective[] {
  const group = createThreadsGroup(size, { rowWords });
  return Array.from({ length: size }, (_, rank) => joinThreads(group, rank));
}

/** One all-gather of every rank in `ranks`. */
async function gatherAll(ranks: readonly Collective[], row: (rank: number) => number[]): Promise<number[][]> {
  const tables = ranks.map(({ size, rowWords }) => new Int32Array(size * rowWords));
  await Promise.all(ranks.map((rank, i) => rank.allGather(new Int32Array(row(rank.rank)), tables[i])));
  return tables.map((table) => [...table]);
}

describe('all-gather', () => {
  it('fills the tables of ranks that share a thread', async () => {
    const ranks = ranksHere(3);
    for (let round = 0; round < 5; round++) {
      const tables = await gatherAll(ranks, (rank) => [round, rank]);
      expect(tables).toEqual(Array(3).fill([round, 0, round, 1, round, 2]));
    }
    expect(ranks.map(({ sequence }) => sequence)).toEqual([5, 5, 5]);
  });

  it('of one rank copies the row', () => {
    const solo = createSolo({ rowWords: 3 });
    const table = new Int32Array(3);
    solo.allGatherSync(new Int32Array([1, 2, 3]), table);
    expect([solo.transport, solo.rank, solo.size, ...table]).toEqual(['solo', 0, 1, 1, 2, 3]);
  });

  it('allocates nothing in a steady step', () => {
    // A process of its own, which compiles its code at once: what a thread compiles beside may come at any time, or not at all.
    const script = path.join(root, 'test/fixtures/ranks/steady-heap.mjs');
    const { stdout, stderr } = spawnSync(process.execPath, ['--no-concurrent-recompilation', script], {
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    const least = Number(stdout);
    // One word of 8 bytes a call would be 800,000.
    expect(least).toBeGreaterThan(0);
    expect(least).toBeLessThan(200_000);
  });

  it('keeps its order where the sequence number wraps', () => {
    const memory = openGroup(createThreadsGroup(2));
    for (const sequence of [2 ** 24 - 1, 2 ** 24, 2 ** 24 + 1, 2 ** 31, 2 ** 32, 2 ** 32 + 1]) {
      memory.words[16] = memory.pendingWord(sequence);
      expect(memory.outcome(sequence)).toBe('pending');
      memory.complete(sequence);
      expect(memory.outcome(sequence)).toBe('completed');
      expect(memory.outcome(sequence + 1)).toBe('pending');
    }
  });
});

describe('an all-gather that is not completed', () => {
  it('names the missing ranks and the all-gather each was last seen at; the others are told at once', async () => {
    const group = createThreadsGroup(4, { rowWords: 1 });
    const [a, b, c] = [0, 1, 2].map((rank) => joinThreads(group, rank));
    const row = new Int32Array(1);
    const waits = [a, b].map((rank, i) => rank.allGather(row, new Int32Array(4), { timeoutMs: i === 0 ? 60 : 60_000 }));
    const [timeout, lost] = await Promise.all([
      rejectionOf('ERR_COLLECTIVE_TIMEOUT', waits[0]),
      rejectionOf('ERR_RANK_LOST', waits[1]),
    ]);
    expect(timeout.details).toMatchObject({
      sequence: 1,
      timeoutMs: 60,
      missing: [
        { rank: 2, sequence: 0, joined: true },
        { rank: 3, sequence: 0, joined: false },
      ],
    });
    expect(timeout.message).toMatch(/rank 2 \(last seen at all-gather 0\), rank 3 \(never joined the group\)/);
    expect(lost.details).toMatchObject({ rank: 0, causeCode: 'ERR_COLLECTIVE_TIMEOUT' });
    const late = errorOf('ERR_RANK_LOST', () => c.allGatherSync(row, new Int32Array(4)));
    expect(late.details.rank).toBe(0);
    errorOf('ERR_RANK_LOST', () => a.allGatherSync(row, new Int32Array(4)));
  });
});

describe('an all-gather in whose wait the process is stopped for longer than the deadline', () => {
  /** A group of two whose clock is moved on by `stop`. */
  function stoppable() {
    let stopped = 0;
    const timing = { ...SYSTEM_TIMING, now: () => SYSTEM_TIMING.now() + stopped };
    const group = createThreadsGroup(2, { rowWords: 1 });
    const [first, second] = [0, 1].map((rank) => joinThreads(group, rank, { timing }));
    const wait = (rank: Collective): Promise<void> =>
      rank.allGather(new Int32Array(1), new Int32Array(2), { timeoutMs: 400 });
    const stop = (ms: number): void => {
      stopped += ms;
    };
    return { first, second, wait, stop };
  }

  it('is completed by a rank that arrives in time after it', async () => {
    const { first, second, wait, stop } = stoppable();
    const waiting = wait(first);
    await setTimeout(100);
    stop(5000);
    await setTimeout(120);
    await Promise.all([waiting, wait(second)]);
  });

  it('still names a rank that does not come', async () => {
    const { first, wait, stop } = stoppable();
    const start = performance.now();
    const error = rejectionOf('ERR_COLLECTIVE_TIMEOUT', wait(first));
    await setTimeout(100);
    stop(5000);
    expect((await error).details).toMatchObject({ timeoutMs: 400, missing: [{ rank: 1 }] });
    const ms = performance.now() - start;
    expect(ms).toBeGreaterThan(395);
    expect(ms).toBeLessThan(2000);
  });
});

describe('ranks that do not belong together', () => {
  for (const found of [0, 5, 2 ** 31, 2 ** 32 - 1]) {
    it(`are named when one is at all-gather ${found} and the others at 3`, async () => {
      const group = createThreadsGroup(3, { rowWords: 1 });
      const ranks = [0, 1, 2].map((rank) => joinThreads(group, rank));
      for (let round = 0; round < 2; round++) await gatherAll(ranks, () => [1]);
      openGroup(group).setArrived(2, found);
      const error = errorOf('ERR_RANKS_DIVERGED', () => ranks[0].allGatherSync(new Int32Array(1), new Int32Array(3)));
      expect(error.details).toMatchObject({ sequence: 3, ranks: [2], sequences: [3, 2, found] });
      errorOf('ERR_RANK_LOST', () => ranks[1].allGatherSync(new Int32Array(1), new Int32Array(3)));
    });
  }

  it('are told while they wait', async () => {
    const group = createThreadsGroup(2, { rowWords: 1 });
    const [a, b] = [0, 1].map((rank) => joinThreads(group, rank));
    const waiting = rejectionOf('ERR_RANKS_DIVERGED', a.allGather(new Int32Array(1), new Int32Array(2)));
    openGroup(group).words[16] = 77;
    expect((await waiting).details.sequence).toBe(1);
    errorOf('ERR_RANK_LOST', () => b.allGatherSync(new Int32Array(1), new Int32Array(2)));
  });
});

describe('a group that its supervisor ends', () => {
  it('names the rank and says why, whatever that is', () => {
    const group = createThreadsGroup(2);
    const first = joinThreads(group, 0);
    for (const rank of [2, 9, -1, 0.5]) {
      const { message } = errorOf('ERR_CONFIG_INVALID', () => abortGroup(group, rank, new Error('boom')));
      expect(message).toContain(`rank is ${rank}; it must be an integer from 0 to 1`);
    }
    first.throwIfEnded();
    expect(abortGroup(group, 1, new Error('boom'))).toBe(true);
    expect(abortGroup(group, 0)).toBe(false);
    const { details } = errorOf('ERR_RANK_LOST', () => first.throwIfEnded());
    expect(details).toMatchObject({ rank: 1, reason: 'Error: boom', causeCode: 'ERR_RANK_FAULT' });
  });
});

describe('what is refused', () => {
  it('a rank that joins twice, does not exist, or comes after the end; a group of other sizes', () => {
    const group = createThreadsGroup(2, { rowWords: 4 });
    const first = joinThreads(group, 0);
    expect(errorOf('ERR_CONFIG_INVALID', () => joinThreads(group, 0)).message).toContain('rank 0 has joined already');
    errorOf('ERR_CONFIG_INVALID', () => joinThreads(group, 2));
    errorOf('ERR_CONFIG_INVALID', () => joinThreads(group, 0.5));
    errorOf('ERR_INPUT_INVALID', () => joinThreads({ ...group, size: 1 }, 0));
    errorOf('ERR_INPUT_INVALID', () => joinThreads({ ...group, memory: new SharedArrayBuffer(4096) }, 1));
    first.abort(new LockstepError('ERR_RANK_FAULT', 'It gave up.'));
    errorOf('ERR_RANK_LOST', () => joinThreads(group, 1));
    for (const size of [0, 65, 1.5]) errorOf('ERR_CONFIG_INVALID', () => createThreadsGroup(size));
    for (const rowWords of [0, 65]) errorOf('ERR_CONFIG_INVALID', () => createThreadsGroup(1, { rowWords }));
  });
});
