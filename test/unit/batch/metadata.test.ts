import { describe, expect, it } from 'vitest';
import {
  assertShapeContract,
  createPlanner,
  decodeKey,
  type ForwardBatchValue,
  type PlannerOptions,
  type ScheduledChunk,
} from '../../../dist/entry/planner.js';
import { PADDING_RECORDS, TENSOR_BYTES, TENSORS, tensorPadding } from '../../../dist/layout/layout.js';
import { devicePort } from '../../../dist/planner/index.js';

interface Request extends ScheduledChunk {
  readonly blockIds: readonly number[];
  readonly start: number;
}

/** One step of `requests` on a poisoned planner of one rank. */
async function stepOf(options: PlannerOptions, requests: readonly Request[]): Promise<ForwardBatchValue> {
  const planner = await createPlanner({ ...options, poison: true });
  for (const { blockIds, start, ...chunk } of requests) {
    planner.requests.schedule(planner.requests.add({ blockIds, numComputedTokens: start }), chunk);
  }
  const local = planner.build(planner.resolve(planner.vote()));
  assertShapeContract(planner.decision, local);
  return local.snapshot();
}

const limits = { maxNumSeqs: 4, maxNumBatchedTokens: 16, maxModelLen: 16, blockSize: 4, numBlocks: 50, queryLen: 3 };

describe('tensors of a step, with the numbers in sight', () => {
  it('a prompt chunk runs through its blocks', async () => {
    const inputIds = Int32Array.of(11, 12, 13, 14, 15, 16);
    const local = await stepOf({ limits }, [
      { phase: 'prefill', queryLen: 6, start: 3, blockIds: [9, 2, 30], inputIds, lastChunk: true },
    ]);
    expect(local.tensors).toEqual({
      inputIds,
      positions: BigInt64Array.of(3n, 4n, 5n, 6n, 7n, 8n),
      slotMapping: BigInt64Array.of(39n, 8n, 9n, 10n, 11n, 120n),
      queryStartLoc: Int32Array.of(0, 6),
      seqLens: Int32Array.of(9),
      tokenToRequest: Int32Array.of(0, 0, 0, 0, 0, 0),
      isPadding: new Int32Array(6),
      logitsIndices: Int32Array.of(5),
      tokensPerRank: Int32Array.of(6),
      localSeqLens: new Int32Array(0),
      tokensPerRankReal: Int32Array.of(6),
      kvIndptr: new Int32Array(0),
      kvIndices: new Int32Array(0),
      kvLastPageLen: new Int32Array(0),
    });
    expect(local.blockTable).toEqual(Int32Array.of(9, 2, 30, 0));
  });

  it('decodes come first, and a chunk that does not end its prompt wants no logits', async () => {
    const local = await stepOf({ limits }, [
      { phase: 'prefill', queryLen: 3, start: 0, blockIds: [5] },
      { phase: 'decode', queryLen: 2, start: 7, blockIds: [6, 7, 8] },
    ]);
    expect([...local.tensors.positions]).toEqual([7n, 8n, 0n, 1n, 2n]);
    expect([...local.tensors.slotMapping]).toEqual([31n, 32n, 20n, 21n, 22n]);
    expect([...local.tensors.logitsIndices]).toEqual([0, 1]);
    expect([...local.tensors.seqLens]).toEqual([9, 3]);
  });

  it('in a graph a short draft leaves padding in its window, and missing requests at the end', async () => {
    const local = await stepOf({ limits, plan: { keys: [decodeKey(3, 3, 1)] } }, [
      { phase: 'decode', queryLen: 1, start: 4, blockIds: [6, 7] },
      { phase: 'decode', queryLen: 3, start: 2, blockIds: [8, 9], inputIds: Int32Array.of(21, 22, 23) },
    ]);
    expect(local.tensors).toEqual({
      inputIds: Int32Array.of(0, 0, 0, 21, 22, 23, 0, 0, 0),
      positions: BigInt64Array.of(4n, 0n, 0n, 2n, 3n, 4n, 0n, 0n, 0n),
      slotMapping: BigInt64Array.of(28n, -1n, -1n, 34n, 35n, 36n, -1n, -1n, -1n),
      queryStartLoc: Int32Array.of(0, 3, 6, 6),
      seqLens: Int32Array.of(5, 5, 0),
      tokenToRequest: Int32Array.of(0, -1, -1, 1, 1, 1, -1, -1, -1),
      isPadding: Int32Array.of(0, 1, 1, 0, 0, 0, 1, 1, 1),
      logitsIndices: Int32Array.of(0, 3, 4, 5),
      tokensPerRank: Int32Array.of(9),
      localSeqLens: new Int32Array(0),
      tokensPerRankReal: Int32Array.of(6),
      kvIndptr: new Int32Array(0),
      kvIndices: new Int32Array(0),
      kvLastPageLen: new Int32Array(0),
    });
    expect(local.blockTable).toEqual(Int32Array.of(6, 7, 0, 0, 8, 9, 0, 0, 0, 0, 0, 0));
  });

  it('parts of a graph have rows and tokens as the key cuts them', async () => {
    const policy = { ubatches: 2, ubatchThresholdDecode: 2 };
    const plan = { keys: [decodeKey(5, 1, 2)] };
    const local = await stepOf({ limits: { ...limits, queryLen: 1 }, policy, plan }, [
      { phase: 'decode', queryLen: 1, start: 4, blockIds: [6, 7] },
      { phase: 'decode', queryLen: 1, start: 2, blockIds: [8] },
      { phase: 'decode', queryLen: 1, start: 0, blockIds: [9] },
    ]);
    expect(local.parts).toEqual([
      { requests: [0, 2], tokens: [0, 2], paddedTokens: 2, attentionRequests: 2, tableRow: 0, numLogits: 2 },
      { requests: [2, 3], tokens: [2, 3], paddedTokens: 3, attentionRequests: 3, tableRow: 2, numLogits: 1 },
    ]);
    expect([...local.partTensors[1].slotMapping]).toEqual([36n, -1n, -1n]);
    expect([...local.partTensors[1].queryStartLoc]).toEqual([0, 1, 1, 1]);
    expect([...local.partTensors[1].seqLens]).toEqual([1, 0, 0]);
    expect([...local.partTensors[1].logitsIndices]).toEqual([0]);
  });

  it('a prefill that straddles eager parts counts in the first only what is written by then', async () => {
    const policy = { ubatches: 2, ubatchThresholdPrefill: 2 };
    const local = await stepOf({ limits, policy }, [
      { phase: 'prefill', queryLen: 4, start: 0, blockIds: [5], lastChunk: true },
      { phase: 'prefill', queryLen: 6, start: 5, blockIds: [6, 7, 8], lastChunk: true },
    ]);
    expect(local.parts).toMatchObject([
      { requests: [0, 2], tokens: [0, 5] },
      { requests: [1, 2], tokens: [5, 10] },
    ]);
    const [first, second] = local.partTensors;
    expect([[...first.seqLens], [...second.seqLens]]).toEqual([[4, 6], [11]]);
    expect([[...first.queryStartLoc], [...second.queryStartLoc]]).toEqual([
      [0, 4, 5],
      [0, 5],
    ]);
    expect([[...first.logitsIndices], [...second.logitsIndices]]).toEqual([[3], [4]]);
  });

  it('slots are 64-bit: a cache of 2^35 of them', async () => {
    const numBlocks = 2 ** 31 - 1;
    const local = await stepOf({ limits: { ...limits, blockSize: 16, numBlocks } }, [
      { phase: 'prefill', queryLen: 3, start: 12, blockIds: [numBlocks - 1] },
    ]);
    const first = BigInt(numBlocks - 1) * 16n + 12n;
    expect([...local.tensors.slotMapping]).toEqual([first, first + 1n, first + 2n]);
    expect(local.blockTable[0]).toBe(2147483646);
  });

  it("a manager's block is several of the kernel's", async () => {
    const local = await stepOf({ limits: { ...limits, blockSize: 4, kernelBlockSize: 2 } }, [
      { phase: 'decode', queryLen: 1, start: 6, blockIds: [5, 9] },
    ]);
    expect([...local.blockTable]).toEqual([10, 11, 18, 19, 0, 0, 0, 0]);
    expect([...local.tensors.slotMapping]).toEqual([38n]);
  });

  it('with context parallelism a rank stores its turn of the positions', async () => {
    const parallel = { ...limits, contextParallelSize: 2, interleaveSize: 2 };
    const chunk = { phase: 'prefill', queryLen: 8, start: 0, blockIds: [5] } as const;
    const slots = async (contextParallelRank: number): Promise<bigint[]> => {
      const local = await stepOf({ limits: { ...parallel, contextParallelRank } }, [chunk]);
      return [...local.tensors.slotMapping];
    };
    expect(await slots(0)).toEqual([20n, 21n, -1n, -1n, 22n, 23n, -1n, -1n]);
    expect(await slots(1)).toEqual([-1n, -1n, 20n, 21n, -1n, -1n, 22n, 23n]);
  });

  it('with context parallelism localSeqLens counts what a rank stores', async () => {
    const parallel = { ...limits, contextParallelSize: 3, interleaveSize: 2 };
    const chunk = { phase: 'prefill', queryLen: 5, start: 6, blockIds: [5] } as const;
    const lengths = async (contextParallelRank: number): Promise<number[]> => {
      const local = await stepOf({ limits: { ...parallel, contextParallelRank } }, [chunk]);
      return [...local.tensors.localSeqLens];
    };
    // Of positions 0 to 10, the ranks store 0 1 6 7, 2 3 8 9 and 4 5 10.
    expect(await Promise.all([0, 1, 2].map(lengths))).toEqual([[4], [4], [3]]);
  });

  it('a padded request has one token where the padding record says so', async () => {
    const plan = { keys: [decodeKey(3, 1, 1)] };
    const requests = [{ phase: 'decode', queryLen: 1, start: 4, blockIds: [6, 7] }] as const;
    const seqLens = async (padding: 'lockstep' | 'sglang'): Promise<number[]> => {
      const local = await stepOf({ limits: { ...limits, queryLen: 1 }, plan, padding }, requests);
      return [...local.tensors.seqLens];
    };
    expect(await seqLens('lockstep')).toEqual([5, 0, 0]);
    expect(await seqLens('sglang')).toEqual([5, 1, 1]);
  });

  it('refuses a padding record that is none', async () => {
    await expect(createPlanner({ padding: 'vllm' as 'sglang' })).rejects.toThrow(
      /padding is "vllm"; it must be lockstep/,
    );
  });

  it('an idle rank runs one dummy token, aligned', async () => {
    const shared = { limits, ranks: 2, policy: { tokenAlignment: 4 } };
    const planner = await createPlanner({ ...shared, rank: 1, poison: true });
    const peer = await createPlanner({ ...shared, rank: 0 });
    peer.requests.schedule(peer.requests.add({ blockIds: [3, 4] }), { phase: 'prefill', queryLen: 5 });
    planner.vote();
    planner.table.set(peer.vote(), 0);
    const local = planner.build(planner.resolve(planner.table)).snapshot();
    expect(local.tensors).toMatchObject({
      slotMapping: BigInt64Array.of(-1n, -1n, -1n, -1n),
      isPadding: Int32Array.of(1, 1, 1, 1),
      queryStartLoc: Int32Array.of(0, 0),
      seqLens: Int32Array.of(0),
      logitsIndices: new Int32Array(0),
      tokensPerRank: Int32Array.of(8, 4),
      tokensPerRankReal: Int32Array.of(5, 0),
    });
    expect(local.blockTable).toEqual(new Int32Array(4));
  });

  it.each(['lockstep', 'sglang', 'flashinfer', 'trtllm'] as const)(
    'an idle rank holds in every tensor what layout.ts says is its padding for %s, in entries of the size said there',
    async (padding) => {
      const parallel = { ...limits, contextParallelSize: 2 };
      const shared = {
        limits: parallel,
        ranks: 2,
        plan: { keys: [decodeKey(4, 1, 1)] },
        padding,
        tensors: { csr: true },
      } as const;
      const planner = await createPlanner({ ...shared, rank: 1, poison: true });
      const peer = await createPlanner({ ...shared, rank: 0 });
      peer.requests.schedule(peer.requests.add({ blockIds: [3] }), { phase: 'decode', queryLen: 1 });
      planner.vote();
      planner.table.set(peer.vote(), 0);
      const { tensors } = planner.build(planner.resolve(planner.table)).snapshot();
      for (const name of TENSORS) {
        expect([name, tensors[name].BYTES_PER_ELEMENT]).toEqual([name, TENSOR_BYTES[name]]);
        if (name === 'tokensPerRank' || name === 'tokensPerRankReal') continue;
        const one = padding === 'lockstep' ? 0 : 1;
        if (name === 'kvIndptr') {
          expect([...tensors.kvIndptr]).toEqual([0, 1, 2, 3, 4].map((request) => request * one));
          continue;
        }
        expect([name, ...new Set([...tensors[name]].map(Number))].slice(0, 2)).toEqual(
          tensors[name].length === 0 ? [name] : [name, tensorPadding(name, PADDING_RECORDS[padding].seqLens)],
        );
      }
    },
  );
});

describe('CSR tensors', () => {
  const csr = { tensors: { csr: true } } as const;

  it('list the blocks that hold tokens, and not those that are only allocated', async () => {
    const local = await stepOf({ limits, ...csr }, [
      { phase: 'decode', queryLen: 1, start: 7, blockIds: [9, 2, 30] },
      { phase: 'decode', queryLen: 1, start: 8, blockIds: [5, 6, 7, 8] },
    ]);
    expect([...local.tensors.kvIndptr]).toEqual([0, 2, 5]);
    expect([...local.tensors.kvIndices]).toEqual([9, 2, 5, 6, 7]);
    expect([...local.tensors.kvLastPageLen]).toEqual([4, 1]);
  });

  it("count pages of the kernel's blocks, of the tokens that a rank stores", async () => {
    const parallel = { ...limits, blockSize: 4, kernelBlockSize: 2, contextParallelSize: 2, interleaveSize: 2 };
    const requests = [
      { phase: 'prefill', queryLen: 7, start: 0, blockIds: [5] },
      { phase: 'prefill', queryLen: 2, start: 0, blockIds: [6] },
    ] as const;
    const paged = async (contextParallelRank: number): Promise<number[][]> => {
      const { tensors } = await stepOf({ limits: { ...parallel, contextParallelRank }, ...csr }, requests);
      return [[...tensors.kvIndptr], [...tensors.kvIndices], [...tensors.kvLastPageLen]];
    };
    // Of positions 0 to 6, rank 0 stores 0 1 4 5 and rank 1 the rest; of 0 and 1, rank 1 none.
    expect(await paged(0)).toEqual([
      [0, 2, 3],
      [10, 11, 12],
      [2, 2],
    ]);
    expect(await paged(1)).toEqual([
      [0, 2, 2],
      [10, 11],
      [1, 1],
    ]);
  });

  it('a padded request has no page, or the null block where the padding record gives it a token', async () => {
    const plan = { keys: [decodeKey(3, 1, 1)] };
    const requests = [{ phase: 'decode', queryLen: 1, start: 4, blockIds: [6, 7] }] as const;
    const paged = async (padding: 'lockstep' | 'flashinfer'): Promise<number[][]> => {
      const { tensors } = await stepOf({ limits: { ...limits, queryLen: 1 }, plan, padding, ...csr }, requests);
      return [[...tensors.kvIndptr], [...tensors.kvIndices], [...tensors.kvLastPageLen]];
    };
    expect(await paged('lockstep')).toEqual([
      [0, 2, 2, 2],
      [6, 7],
      [1, 1, 1],
    ]);
    expect(await paged('flashinfer')).toEqual([
      [0, 2, 3, 4],
      [6, 7, 0, 0],
      [1, 1, 1],
    ]);
  });

  it('of a part are counted from its own first request, and hold what is written by its end', async () => {
    const policy = { ubatches: 2, ubatchThresholdPrefill: 2 };
    const local = await stepOf({ limits, policy, ...csr }, [
      { phase: 'prefill', queryLen: 4, start: 0, blockIds: [5], lastChunk: true },
      { phase: 'prefill', queryLen: 6, start: 5, blockIds: [6, 7, 8], lastChunk: true },
    ]);
    const [first, second] = local.partTensors;
    expect([[...first.kvIndptr], [...first.kvIndices], [...first.kvLastPageLen]]).toEqual([
      [0, 1, 3],
      [5, 6, 7],
      [4, 2],
    ]);
    expect([[...second.kvIndptr], [...second.kvIndices], [...second.kvLastPageLen]]).toEqual([[0, 3], [6, 7, 8], [3]]);
    expect([[...first.tokensPerRankReal], [...second.tokensPerRankReal]]).toEqual([[5], [5]]);
  });

  it('have room for the longest requests all at once, or the planner is refused', async () => {
    const planner = await createPlanner({ limits, plan: { keys: [decodeKey(6, 1, 1)] }, ...csr });
    // 4 requests of 16 tokens in blocks of 4, and 2 padded ones.
    expect(planner.local.tensors.kvIndices).toHaveLength(18);
    expect((await createPlanner({ limits })).local.tensors.kvIndices).toHaveLength(0);
    const large = { maxNumSeqs: 4096, maxModelLen: 2 ** 20, blockSize: 16 };
    await expect(createPlanner({ limits: large, ...csr })).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_PLAN_CAPACITY', message: expect.stringContaining('leave tensors.csr out') }),
    );
  });

  it('refuses tensors that are none', async () => {
    const given = { csr: 1, coo: true } as unknown as { csr: boolean };
    await expect(createPlanner({ tensors: given })).rejects.toThrow(
      /tensors has no coo; it has csr\n.*tensors.csr is 1/,
    );
  });
});

describe('tensors that the device supplies', () => {
  const deviceSupplied = ['inputIds', 'positions', 'seqLens'] as const;

  it('are planned and left alone, in parts too, and the others are derived all the same', async () => {
    const policy = { ubatches: 2, ubatchThresholdPrefill: 2 };
    const local = await stepOf({ limits, policy, deviceSupplied, tensors: { csr: true } }, [
      { phase: 'prefill', queryLen: 4, start: 0, blockIds: [5], lastChunk: true },
      { phase: 'prefill', queryLen: 6, start: 5, blockIds: [6, 7, 8], lastChunk: true },
    ]);
    const poison = 0xa5a5a5a5 | 0;
    expect([...local.tensors.inputIds]).toEqual(Array(10).fill(poison));
    expect([...local.tensors.seqLens]).toEqual([poison, poison]);
    expect(new Set(local.tensors.positions)).toEqual(new Set([BigInt.asIntN(64, 0xa5a5a5a5a5a5a5a5n)]));
    for (const part of local.partTensors) {
      expect(new Set([...part.inputIds, ...part.seqLens])).toEqual(new Set([poison]));
    }
    expect([...local.tensors.slotMapping].slice(3, 6)).toEqual([23n, 29n, 30n]);
    expect([...local.tensors.kvIndptr]).toEqual([0, 1, 4]);
    expect([...local.tensors.queryStartLoc]).toEqual([0, 4, 10]);
  });

  it('are checked in the copy that the others come from', async () => {
    const planner = await createPlanner({ limits, deviceSupplied });
    planner.requests.schedule(planner.requests.add({ blockIds: [5] }), { phase: 'prefill', queryLen: 2 });
    const local = planner.build(planner.resolve(planner.vote()));
    expect([...local.writtenTensors.positions.subarray(0, 2)]).toEqual([0n, 1n]);
    local.tensors.seqLens[0] = 9;
    assertShapeContract(planner.decision, local);
    local.writtenTensors.seqLens[0] = 3;
    expect(() => assertShapeContract(planner.decision, local)).toThrow(/whole.positions\[0\] is 0; expected 1/);
  });

  it('are what they are where none is named', async () => {
    const planner = await createPlanner({ limits });
    expect(planner.local.writtenTensors).toBe(planner.local.tensors);
  });

  it('are refused by name', async () => {
    const given = ['seqLens', 'slotMapping'] as unknown as readonly ['seqLens'];
    await expect(createPlanner({ deviceSupplied: given })).rejects.toThrow(
      /holds "slotMapping"; the device may supply/,
    );
    await expect(createPlanner({ deviceSupplied: 'seqLens' as never })).rejects.toThrow(/must be an array/);
  });
});

describe("where a planner's memory holds what", () => {
  it('the order of a step names its rows, decodes first', async () => {
    const planner = await createPlanner({ limits, poison: true });
    const rows = [5, 6, 7].map((block) => planner.requests.add({ blockIds: [block] }));
    planner.requests.schedule(rows[2], { phase: 'prefill', queryLen: 2 });
    planner.requests.schedule(rows[1], { phase: 'decode', queryLen: 1 });
    const local = planner.build(planner.resolve(planner.vote()));
    expect([...local.order.subarray(0, local.requests)]).toEqual([rows[1], rows[2]]);
    expect(local.order).toHaveLength(limits.maxNumSeqs);
  });

  it('names its regions, and no other', async () => {
    const planner = await createPlanner({ limits });
    const { offset, bytes } = devicePort(planner).regions.region('commands');
    const { words } = devicePort(planner).commands;
    expect([devicePort(planner).commands.offset, words.byteOffset, words.byteLength]).toEqual([offset, offset, bytes]);
    expect(words.buffer).toBe(devicePort(planner).arena.buffer);
    expect(() => devicePort(planner).regions.region('command' as 'commands')).toThrow(
      new RangeError('no region command'),
    );
  });
});
