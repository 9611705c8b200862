import type { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createDeviceCollectives, createSolo, openDevice } from '../../../dist/index.js';
import { type RankResult, superviseRanks } from '../../../dist/ranks/index.js';
import { collectiveOracle } from '../../oracles/collectives-oracle.js';
import { type Call, callOf, drawnCall } from '../../support/collective-calls.js';
import { errorOf, rejectionOf } from '../../support/device-fixture.js';
import { runs } from '../../support/property-runs.js';

const entry = new URL('../../fixtures/execution/collective-rank.mjs', import.meta.url);

/** What the ranks return that enter these calls, each with what is its own of them. */
async function run(
  size: number,
  calls: readonly Call[],
  own: (rank: number) => Record<string, unknown> = () => ({}),
  onMessage: (rank: number, message: unknown) => void = () => {},
): Promise<RankResult[]> {
  return await superviseRanks({
    ranks: size,
    entry,
    workerData: (rank) => ({
      calls: calls.map(({ kind, counts, sent }) => ({
        kind,
        counts,
        sent: sent[rank],
        takes: collectiveOracle(kind, counts, sent)[rank]?.length ?? 0,
      })),
      ...own(rank),
    }),
    signal: AbortSignal.timeout(120_000),
    graceMs: 10_000,
    onMessage,
  });
}

/** Lets go of a rank that waits for this word of its own. */
function release(word: Int32Array): void {
  Atomics.store(word, 0, 1);
  Atomics.notify(word, 0);
}

describe('collectives between devices', () => {
  it.each([1, 2, 3, 4])(
    'of %i ranks give what their definitions say, in any order of kinds and counts',
    async (size) => {
      await fc.assert(
        fc.asyncProperty(fc.array(drawnCall(size), { minLength: 1, maxLength: 30 }), async (drawn) => {
          const calls = drawn.map(([kind, counts], index) => callOf(kind, counts, size, index));
          const results = await run(size, calls);
          for (const [rank, { value }] of results.entries()) {
            const expected = calls.map(({ kind, counts, sent }) => collectiveOracle(kind, counts, sent)[rank]);
            expect(value).toEqual({ results: expected, implementation: size === 1 ? 'solo' : 'local', buffers: 0 });
          }
        }),
        { ...runs(10), endOnFailure: true },
      );
    },
  );

  it('wait for a rank that is late', async () => {
    const calls = Array.from({ length: 6 }, (_, index) => callOf('all-gather', [3, 0, 5], 3, index));
    const late = { index: 3, word: new Int32Array(new SharedArrayBuffer(4)) };
    let waiting = 0;
    const results = await run(
      3,
      calls,
      (rank) => (rank === 1 ? { late } : {}),
      (_rank, message) => {
        if ((message as { index?: number }).index === 3 && ++waiting === 2) setTimeout(() => release(late.word), 300);
      },
    );
    for (const { value } of results) {
      expect((value as { results: unknown }).results).toEqual(calls.map(({ sent }) => sent.flat()));
    }
  });

  it('refuse, on every rank, a call that is another one on some rank', async () => {
    const same = callOf('all-reduce', [4], 2, 0);
    const other = { ...callOf('all-reduce', [5], 2, 0) };
    const error = await rejectionOf(
      'ERR_RANKS_DIVERGED',
      superviseRanks({
        ranks: 2,
        entry,
        workerData: (rank) => {
          const { kind, counts, sent } = rank === 0 ? same : other;
          return { calls: [{ kind, counts, sent: sent[rank], takes: 5 }] };
        },
      }),
    );
    expect(error.details).toMatchObject({ rank: 1, sequence: 1 });
  });

  it('end after their deadline where a rank does not come, and say which', async () => {
    const calls = [0, 1].map((index) => callOf('all-gather', [1, 1, 1], 3, index));
    // Rank 2 comes once the others have given up.
    const late = { index: 1, word: new Int32Array(new SharedArrayBuffer(4)) };
    let ended = 0;
    const error = await run(
      3,
      calls,
      (rank) => ({ timeoutMs: 4000, ...(rank === 2 ? { late } : {}) }),
      (_rank, message) => {
        if ('code' in (message as object) && ++ended === 2) release(late.word);
      },
    ).then(
      () => expect.unreachable(),
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ code: 'ERR_COLLECTIVE_TIMEOUT', details: { missing: [{ rank: 2 }] } });
  });

  it('end at once where a rank breaks, and name it', async () => {
    const calls = [0, 1, 2].map((index) => callOf('all-reduce', [8], 4, index));
    const start = performance.now();
    const error = await run(4, calls, (rank) => ({ timeoutMs: 60_000, ...(rank === 3 ? { leaves: 2 } : {}) })).then(
      () => expect.unreachable(),
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ code: 'ERR_RANK_LOST', details: { rank: 3 } });
    // At the deadline it would be later.
    expect(performance.now() - start).toBeLessThan(60_000);
  });

  it('end at once where a rank is terminated in the middle of one: every survivor reports it', async () => {
    const workers: Worker[] = [];
    const collect = (worker: Worker): void => void workers.push(worker);
    process.on('worker', collect);
    const calls = [0, 1, 2].map((index) => callOf('all-gather', [2, 2, 2, 2], 4, index));
    // Ranks 1 to 3 wait in the second one, where rank 1 is terminated. Only then may rank 0 enter it.
    const late = { index: 1, word: new Int32Array(new SharedArrayBuffer(4)) };
    let waiting = 0;
    let terminated = 0;
    const reported = new Map<number, unknown>();
    const errors = await run(
      4,
      calls,
      (rank) => ({ timeoutMs: 60_000, ...(rank === 0 ? { late } : {}) }),
      (rank, message) => {
        if ('code' in (message as object)) reported.set(rank, message);
        if (rank === 0 || (message as { index?: number }).index !== 1) return;
        waiting += 1;
        if (waiting === 3) {
          terminated = performance.now();
          void workers[1]?.terminate().then(() => release(late.word));
        }
      },
    ).then(
      () => expect.unreachable(),
      (reason: unknown) => reason,
    );
    process.off('worker', collect);
    expect(errors).toMatchObject({ code: 'ERR_RANK_LOST', details: { rank: 1 } });
    expect(performance.now() - terminated).toBeLessThan(60_000);
    for (const rank of [0, 2, 3]) expect(reported.get(rank)).toEqual({ code: 'ERR_RANK_LOST', rank: 1 });
  });
});

describe('what collectives refuse', () => {
  it('counts that are none', () => {
    using device = openDevice({ device: 'host' });
    using collectives = createDeviceCollectives({ device, collective: createSolo() });
    const [send, recv] = [device.allocate(4), device.allocate(4)];
    for (const counts of [[], [1, 1], [-1], [0.5]]) {
      errorOf('ERR_INPUT_INVALID', () => collectives.prepare({ kind: 'all-gather', send, recv, counts }));
    }
  });

  it('a capture, where ranks must meet', () => {
    using device = openDevice({ device: 'host' });
    const stream = device.createStream();
    const buffer = device.allocate(64);
    using group = device.joinLocal('alone in a capture', 0, 1);
    stream.beginCapture();
    const exchange = {
      ...{ send: buffer, bytes: 4, signature: Int32Array.of(0), into: { buffer, offset: 32 } },
      copies: Float64Array.of(0, 0, 0, 4),
    };
    errorOf('ERR_DEVICE_CAPTURE', () => group.exchange(stream, exchange));
    stream.abandonCapture();
    group.exchange(stream, exchange);
    stream.synchronizeSync();
  });

  it('a group that ended, naming the rank that did not come and not the one that waited for it', () => {
    using device = openDevice({ device: 'host' });
    const stream = device.createStream();
    const [first, second] = [0, 1].map((rank) => device.joinLocal('late', rank, 2));
    const buffer = device.allocate(8);
    const exchange = { send: buffer, bytes: 4, signature: Int32Array.of(0), into: buffer, copies: new Float64Array() };
    errorOf('ERR_COLLECTIVE_TIMEOUT', () => first.exchange(stream, exchange, { timeoutMs: 1 }));
    const error = errorOf('ERR_RANK_LOST', () => second.exchange(stream, exchange));
    expect(error.message).toMatch(/^Rank 1 is lost, as rank 0 found: A collective was not entered by all ranks/);
    expect(error.details).toMatchObject({ rank: 0, causeCode: 'ERR_COLLECTIVE_TIMEOUT', culprits: [1] });
    for (const each of [first, second]) each.dispose();
  });

  it('a rank that joins twice, a group of another size, and a rank that left', () => {
    using device = openDevice({ device: 'host' });
    const stream = device.createStream();
    const first = device.joinLocal('twice', 0, 2);
    errorOf('ERR_INPUT_INVALID', () => device.joinLocal('twice', 0, 2));
    errorOf('ERR_INPUT_INVALID', () => device.joinLocal('twice', 1, 3));
    const second = device.joinLocal('twice', 1, 2);
    second.dispose();
    const buffer = device.allocate(8);
    const exchange = { send: buffer, bytes: 4, signature: Int32Array.of(0), into: buffer, copies: new Float64Array() };
    const error = errorOf('ERR_RANK_LOST', () => first.exchange(stream, exchange));
    expect(error.details).toMatchObject({ rank: 1 });
    first.dispose();
  });
});
