import path from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { ncclId } from '../../dist/device/index.js';
import { openDevice } from '../../dist/index.js';
import { type RankResult, superviseRanks } from '../../dist/ranks/index.js';
import { collectiveOracle } from '../oracles/collectives-oracle.js';
import { type Call, callOf, KINDS } from '../support/collective-calls.js';
import { errorOf } from '../support/device-fixture.js';
import { runs } from '../support/property-runs.js';
import { buildStandins } from './build.mjs';

const CARDS = 4;
const entry = new URL('../fixtures/execution/collective-rank.mjs', import.meta.url);

beforeAll(() => {
  const libraries = buildStandins();
  process.env.LOCKSTEP_CUDA_LIB = path.join(libraries, 'libcuda.so.1');
  process.env.LOCKSTEP_NCCL_LIB = path.join(libraries, 'libnccl.so.2');
  process.env.LOCKSTEP_STANDIN_DEVICES = String(CARDS);
});

/** Threads with a card each, or all on the first. */
function run(size: number, calls: readonly Call[], cards = true): Promise<RankResult[]> {
  return superviseRanks({
    ranks: size,
    entry,
    workerData: (rank) => ({
      device: `cuda:${cards ? rank : 0}`,
      calls: calls.map(({ kind, counts, sent }) => ({
        kind,
        counts,
        sent: sent[rank],
        takes: collectiveOracle(kind, counts, sent)[rank]?.length ?? 0,
      })),
    }),
    signal: AbortSignal.timeout(120_000),
  });
}

describe('collectives of NCCL', () => {
  it.each([2, 3, 4])('of %i ranks give what their definitions say, in any order of kinds and counts', async (size) => {
    const counts = fc.oneof(
      fc.array(fc.integer({ min: 0, max: 12 }), { minLength: size, maxLength: size }),
      fc.integer({ min: 0, max: 12 }).map((count) => Array<number>(size).fill(count)),
    );
    const drawn = fc.array(fc.tuple(fc.constantFrom(...KINDS), counts), { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(drawn, async (list) => {
        const calls = list.map(([what, each], index) => callOf(what, each, size, index));
        for (const [rank, { value }] of (await run(size, calls)).entries()) {
          const results = calls.map(({ kind: what, counts: each, sent }) => collectiveOracle(what, each, sent)[rank]);
          expect(value).toEqual({ results, implementation: 'nccl', buffers: 0 });
        }
      }),
      runs(3),
    );
  });

  it('of threads that share a card are their process’s own', async () => {
    const calls = [callOf('all-gather', [1, 2], 2, 0)];
    for (const { value } of await run(2, calls, false)) expect(value).toMatchObject({ implementation: 'local' });
  });

  it('whose first on a stream is in a capture are refused there, and later ones are recorded and replayed', () => {
    using device = openDevice({ device: 'cuda' });
    using group = device.joinNccl(ncclId('cuda'), 0, 1, 5000);
    using stream = device.createStream();
    using other = device.createStream();
    using send = device.allocate(8);
    using recv = device.allocate(8);
    const call = { kind: 0, send, sendBytes: 8, recv, recvBytes: 8, counts: Float64Array.of(2) };
    stream.beginCapture();
    errorOf('ERR_DEVICE_CAPTURE', () => group.enqueue(stream, call));
    stream.abandonCapture();
    group.enqueue(stream, call);
    stream.synchronizeSync();
    stream.beginCapture();
    group.enqueue(stream, call);
    const recording = stream.endCapture();
    expect(recording.order().nodes.map(({ name }) => name)).toEqual(['all-gather']);
    using graph = recording.instantiate();
    for (const values of [Int32Array.of(3, 4), Int32Array.of(5, 6)]) {
      stream.upload(send, 0, values);
      stream.launchGraph(graph);
      const taken = new Int32Array(2);
      stream.downloadSync(recv, 0, taken);
      expect(taken).toEqual(values);
    }
    errorOf('ERR_INPUT_INVALID', () => group.enqueue(other, call));
    errorOf('ERR_LAUNCH_BOUNDS', () => group.enqueue(stream, { ...call, recvBytes: 12 }));
  });

  it('end where a rank’s call differs, with both ranks’ words', async () => {
    const differing = superviseRanks({
      ranks: 2,
      entry,
      workerData: (rank) => ({
        device: `cuda:${rank}`,
        timeoutMs: 5000,
        calls: [{ kind: 'all-reduce', counts: [4 + rank], sent: [1, 2, 3, 4, 5], takes: 5 }],
      }),
      signal: AbortSignal.timeout(60_000),
    });
    await expect(differing).rejects.toMatchObject({
      code: 'ERR_RANKS_DIVERGED',
      // Whichever came first is named first.
      message: expect.stringMatching(
        /(?=.*rank 0: all_reduce of 4 int32 by sum)(?=.*rank 1: all_reduce of 5 int32 by sum)/,
      ),
    });
  });
});
