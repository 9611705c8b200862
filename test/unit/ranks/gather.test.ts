import { describe, expect, it } from 'vitest';
import { LockstepError } from '../../../dist/errors.js';
import { type Collective, createSolo, createThreadsGroup, joinThreads } from '../../../dist/ranks/index.js';
import { openGroup } from '../../../dist/ranks/threads/threads-group.js';
import { errorOf, rejectionOf } from '../../support/device-fixture.js';
import { runScenario, valuesOf } from '../../support/ranks-fixture.js';

const SEED = 20260;

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
  for (const ranks of [1, 2, 3, 4]) {
    it(`gives every rank every row of the same round, ${ranks} threads with random delays (seed ${SEED})`, async () => {
      const results = await runScenario(ranks, 'gather', { rounds: 3000, seed: SEED }, { rowWords: 5 });
      expect(valuesOf(results)).toEqual(Array(ranks).fill({ wrong: 0, sequence: 3000 }));
    });
  }

  it('is one exchange for ranks that wait synchronously and asynchronously', async () => {
    const results = await runScenario(3, 'gatherMixed', { rounds: 1000 });
    expect(valuesOf(results)).toEqual(Array(3).fill({ wrong: 0 }));
  });

  it('fills the tables of ranks that share a thread', async () => {
    const ranks = ranksHere(3);
    for (let round = 0; round < 5; round++) {
      const tables = await gatherAll(ranks, (rank) => [round, rank]);
      expect(tables).toEqual(Array(3).fill([round, 0, round, 1, round, 2]));
    }
    expect(ranks.map(({ sequence }) => sequence)).toEqual([5, 5, 5]);
  });

  it('reads the row before the call returns', async () => {
    const [a, b] = ranksHere(2, 1);
    const row = new Int32Array([7]);
    const table = new Int32Array(2);
    const gathered = a.allGather(row, table);
    row[0] = 8;
    b.allGatherSync(new Int32Array([9]), new Int32Array(2));
    await gathered;
    expect([...table]).toEqual([7, 9]);
  });

  it('leaves the event loop free while it waits', async () => {
    const [a, b] = ranksHere(2, 1);
    const gathered = a.allGather(new Int32Array(1), new Int32Array(2));
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    b.allGatherSync(new Int32Array(1), new Int32Array(2));
    await gathered;
    expect(a.sequence).toBe(1);
  });

  it('of one rank copies the row', () => {
    const solo = createSolo({ rowWords: 3 });
    const table = new Int32Array(3);
    solo.allGatherSync(new Int32Array([1, 2, 3]), table);
    expect([solo.transport, solo.rank, solo.size, ...table]).toEqual(['solo', 0, 1, 1, 2, 3]);
  });

  it('allocates nothing in a steady step', () => {
    const solo = createSolo();
    const row = new Int32Array(32);
    const table = new Int32Array(32);
    const options = { timeoutMs: 1000 };
    const rounds = (count: number): void => {
      for (let round = 0; round < count; round++) solo.allGatherSync(row, table, options);
    };
    rounds(50_000);
    const before = process.memoryUsage().heapUsed;
    rounds(100_000);
    // One word of 8 bytes a call would be 800,000.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(400_000);
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

  it('names a rank that fell behind after good rounds', () => {
    const [a, b] = ranksHere(2, 1);
    const row = new Int32Array(1);
    const gathered = a.allGather(row, new Int32Array(2));
    b.allGatherSync(row, new Int32Array(2));
    return gathered.then(() => {
      const error = errorOf('ERR_COLLECTIVE_TIMEOUT', () => b.allGatherSync(row, new Int32Array(2), { timeoutMs: 20 }));
      expect(error.details.missing).toMatchObject([{ rank: 0, sequence: 1, joined: true }]);
    });
  });

  it(`is completed by all ranks or by none, where one gives up as the other arrives (seed ${SEED})`, async () => {
    const groups = Array.from({ length: 400 }, () => createThreadsGroup(2, { rowWords: 1 }));
    const [first, second] = valuesOf<(string | null)[]>(await runScenario(2, 'race', { groups, seed: SEED }));
    for (const [i, code] of first.entries()) {
      expect([code, second[i]]).toEqual(code === null ? [null, null] : ['ERR_COLLECTIVE_TIMEOUT', 'ERR_RANK_LOST']);
    }
    expect(new Set(first)).toEqual(new Set([null, 'ERR_COLLECTIVE_TIMEOUT']));
  });
});

describe('the end of a group', () => {
  it('by abort reaches every wait, now and later, with rank and reason', async () => {
    const [a, b, c] = ranksHere(3, 1);
    const row = new Int32Array(1);
    const waiting = a.allGather(row, new Int32Array(3));
    b.abort(errorOf('ERR_INPUT_INVALID', () => b.allGatherSync(row, row)));
    const error = await rejectionOf('ERR_RANK_LOST', waiting);
    expect(error.details).toMatchObject({ rank: 1, causeCode: 'ERR_INPUT_INVALID' });
    expect(error.message).toContain('table is an Int32Array of 1 words');
    for (const rank of [a, b, c]) {
      errorOf('ERR_RANK_LOST', () => rank.allGatherSync(row, new Int32Array(3)));
      await rejectionOf('ERR_RANK_LOST', rank.waitForWork());
    }
  });

  it('takes no all-gather back that had been completed', async () => {
    const [a, b] = ranksHere(2, 1);
    const table = new Int32Array(2);
    const gathered = a.allGather(new Int32Array([1]), table);
    b.allGatherSync(new Int32Array([2]), new Int32Array(2));
    b.dispose();
    await gathered;
    expect([...table]).toEqual([1, 2]);
    const error = errorOf('ERR_RANK_LOST', () => a.allGatherSync(new Int32Array(1), table));
    expect(error.message).toContain('Rank 1 is lost: it left the group after all-gather 1.');
  });

  it('is no end for ranks that leave after the last all-gather, however late the others are', async () => {
    const group = createThreadsGroup(3, { rowWords: 1 });
    const [a, b] = [0, 1].map((rank) => joinThreads(group, rank));
    a.dispose();
    const c = joinThreads(group, 2);
    expect(c.parked()).toBe(1);
    b.dispose();
    c.wake();
    c.dispose();
  });

  it('by dispose in an all-gather takes the row back from all', async () => {
    const [a, b, c] = ranksHere(3, 1);
    const tables = [new Int32Array(3), new Int32Array(3)];
    const waits = [
      rejectionOf('ERR_RANK_LOST', a.allGather(new Int32Array(1), tables[0])),
      rejectionOf('ERR_DISPOSED', b.allGather(new Int32Array(1), tables[1])),
    ];
    b.dispose();
    errorOf('ERR_RANK_LOST', () => c.allGatherSync(new Int32Array(1), new Int32Array(3)));
    for (const error of await Promise.all(waits)) expect(error.details.rank).toBe(1);
  });

  it('by dispose reaches the peer that waits, and the rank itself is disposed', async () => {
    const [a, b] = ranksHere(2, 1);
    const row = new Int32Array(1);
    const waiting = rejectionOf('ERR_RANK_LOST', a.allGather(row, new Int32Array(2)));
    b[Symbol.dispose]();
    b.dispose();
    expect((await waiting).details.rank).toBe(1);
    errorOf('ERR_DISPOSED', () => b.allGatherSync(row, new Int32Array(2)));
    const own = ranksHere(2, 1)[0];
    const cut = rejectionOf('ERR_DISPOSED', own.allGather(row, new Int32Array(2)));
    own.dispose();
    await cut;
  });

  it('cuts a reason that is too long for its record', () => {
    const [a, b] = ranksHere(2, 1);
    const long = errorOf('ERR_CONFIG_INVALID', () => createThreadsGroup(1, { ['x'.repeat(5000)]: 1 }));
    a.abort(long);
    const error = errorOf('ERR_RANK_LOST', () => b.parked());
    expect(error.details.causeCode).toBe('ERR_CONFIG_INVALID');
    expect(String(error.details.reason).length).toBeLessThan(1024);
  });
});

describe('a signal', () => {
  it('aborted before the rank arrived leaves the group as it was', async () => {
    const ranks = ranksHere(2);
    const options = { signal: AbortSignal.abort('stop') };
    const error = errorOf('ERR_ABORTED', () => ranks[0].allGatherSync(new Int32Array(2), new Int32Array(4), options));
    expect(error.cause).toBe('stop');
    await rejectionOf('ERR_ABORTED', ranks[1].allGather(new Int32Array(2), new Int32Array(4), options));
    expect(await gatherAll(ranks, (rank) => [rank, 5])).toEqual(Array(2).fill([0, 5, 1, 5]));
  });

  it('aborted while the rank waits ends the group at once', async () => {
    const [a, b] = ranksHere(2, 1);
    const controller = new AbortController();
    const options = { signal: controller.signal, timeoutMs: 60_000 };
    const waiting = rejectionOf('ERR_ABORTED', a.allGather(new Int32Array(1), new Int32Array(2), options));
    controller.abort(new Error('shut down'));
    expect((await waiting).cause).toEqual(new Error('shut down'));
    const error = errorOf('ERR_RANK_LOST', () => b.allGatherSync(new Int32Array(1), new Int32Array(2)));
    expect(error.details).toMatchObject({ rank: 0, causeCode: 'ERR_ABORTED' });
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

describe('what is refused', () => {
  it('changes nothing: rows, tables and deadlines of another kind', async () => {
    const ranks = ranksHere(2);
    const [a] = ranks;
    const row = new Int32Array(2);
    const table = new Int32Array(4);
    for (const timeoutMs of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      errorOf('ERR_INPUT_INVALID', () => a.allGatherSync(row, table, { timeoutMs }));
    }
    errorOf('ERR_INPUT_INVALID', () => a.allGatherSync(new Int32Array(3), table));
    errorOf('ERR_INPUT_INVALID', () => a.allGatherSync(row, new Int32Array(5)));
    errorOf('ERR_INPUT_INVALID', () => a.allGatherSync(new Float32Array(2) as unknown as Int32Array, table));
    await rejectionOf('ERR_INPUT_INVALID', a.allGather(row, new Int32Array(3)));
    expect(a.sequence).toBe(0);
    expect(await gatherAll(ranks, (rank) => [rank, 1])).toEqual(Array(2).fill([0, 1, 1, 1]));
  });

  it('a second all-gather while the first is under way', async () => {
    const [a, b] = ranksHere(2, 1);
    const first = a.allGather(new Int32Array([3]), new Int32Array(2));
    errorOf('ERR_STEP_ORDER', () => a.allGatherSync(new Int32Array(1), new Int32Array(2)));
    const table = new Int32Array(2);
    b.allGatherSync(new Int32Array([4]), table);
    await first;
    expect([...table]).toEqual([3, 4]);
  });

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
