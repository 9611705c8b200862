import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import {
  createPlanner,
  decodePlan,
  type ErrorCode,
  LOCKSTEP_POLICY,
  type LockstepError,
} from '../../../dist/entry/planner.js';
import {
  type Collective,
  createRank,
  createSolo,
  createThreadsGroup,
  joinThreads,
  openDevice,
  type Rank,
  superviseRanks,
} from '../../../dist/index.js';
import { TEST_DEVICE } from '../../support/device-fixture.js';

const entry = new URL('../../fixtures/runtime/step-rank.mjs', import.meta.url);
interface Report {
  reasons: string[];
  captured: number;
  skipped: number;
  planHash: number;
  bufferBytes: number;
}

async function ranks(data: readonly object[]): Promise<Report[]> {
  const results = await superviseRanks({ ranks: data.length, entry, workerData: (rank) => data[rank] });
  return results.map((result) => result.value as Report);
}

async function refusal(data: readonly object[]): Promise<LockstepError> {
  const start = performance.now();
  const error = await ranks(data).then(
    () => {
      throw new Error('the run was not refused');
    },
    (reason: LockstepError) => reason,
  );
  // Every wait in the fixture has a deadline of 60 s: only an error that travels at once is quicker.
  expect(performance.now() - start).toBeLessThan(60_000);
  return error;
}

describe('ranks that step together', () => {
  it('take the same decisions on the same graphs', async () => {
    const reports = await ranks([{}, {}, {}]);
    for (const report of reports) expect(report).toEqual(reports[0]);
    expect(reports[0]).toMatchObject({ captured: 3, skipped: 0, reasons: Array(5).fill('graph') });
  });

  it.each<[string, object, ErrorCode, object]>([
    ['an exception', { crash: 2 }, 'ERR_RANK_LOST', { rank: 1 }],
    ['process.exit', { exit: 2 }, 'ERR_RANK_LOST', { rank: 1 }],
    ['a fault', { fault: 3 }, 'ERR_RANK_FAULT', { ranks: [1], codes: [42] }],
    ['another plan', { otherPlan: true }, 'ERR_RANKS_DIVERGED', { ranks: [1] }],
    ['an all-gather too many', { extraGather: 2 }, 'ERR_RANKS_DIVERGED', { ranks: [1] }],
    [
      'a bit flipped in a table that it holds',
      { flipped: 2 },
      'ERR_RANK_LOST',
      { rank: 1, causeCode: 'ERR_RANKS_DIVERGED' },
    ],
    ['a row damaged before it is gathered', { damaged: 2 }, 'ERR_RANKS_DIVERGED', { what: 'seal', ranks: [1] }],
  ])('end at once on %s in rank 1, with an error that names it', async (_what, data, code, details) => {
    const error = await refusal([{}, data, {}]);
    expect(error.code).toBe(code);
    expect(error.details).toMatchObject(details);
    expect(error.message).toMatch(/[Rr]ank/);
  });
});

describe('a rank that cannot take a step all agreed on', () => {
  it.each<[string, object[], string]>([
    ['its device refused a kernel', [{ steps: 8 }, { steps: 8, smallCache: true }, { steps: 8 }], 'ERR_DEVICE_KERNEL'],
    ['its forward throws while it is captured', [{}, { brokenCapture: true }, {}], 'the model broke'],
    ['its forward throws', [{ brokenForward: 'there' }, { brokenForward: 'here' }], 'the model broke'],
  ])('ends the step on every rank at once: %s', async (_what, data, cause) => {
    const error = await refusal(data);
    expect(['ERR_RANK_LOST', 'ERR_RANK_FAULT']).toContain(error.code);
    expect(error.details).toMatchObject(error.code === 'ERR_RANK_LOST' ? { rank: 1 } : { ranks: [1] });
    const { cause: known } = error as { cause?: Partial<LockstepError> };
    expect([known?.code, known?.message].join(' ')).toContain(cause);
  });
});

describe('calls out of order', () => {
  const limits = { maxNumSeqs: 4, maxNumBatchedTokens: 16, maxModelLen: 64, blockSize: 4, numBlocks: 32, queryLen: 1 };
  const plan = decodePlan({ sizes: [2, 4], limits, policy: LOCKSTEP_POLICY });

  it('a step before the capture is refused, and changes nothing', async () => {
    using planner = await createPlanner({ limits, plan });
    using device = openDevice({ device: TEST_DEVICE });
    using rank = createRank({ planner, device, collective: createSolo() });
    const row = planner.requests.add({ blockIds: [3] });
    planner.requests.schedule(row, { phase: 'decode', queryLen: 1 });
    await expect(rank.step()).rejects.toMatchObject({ code: 'ERR_STEP_ORDER', details: { keys: 2, captured: 0 } });
    expect(() => rank.stepSync()).toThrow(/call capture\(\)/);
    rank.captureSync();
    expect((await rank.step()).decision.reason).toBe('graph');
  });

  it('a capture that fails keeps nothing that was reserved for it', async () => {
    using planner = await createPlanner({ limits, plan });
    using device = openDevice({ device: TEST_DEVICE });
    const part = (): void => {
      throw new TypeError('the model broke');
    };
    using rank = createRank({ planner, device, collective: createSolo(), forward: () => ({ part }) });
    const { allocatedBytes } = device.memory();
    expect(() => rank.captureSync()).toThrow('the model broke');
    expect(device.memory()).toMatchObject({ allocatedBytes, graphs: 0 });
  });

  it('a second step while one is under way is refused, and leaves the first alone', async () => {
    const group = createThreadsGroup(2);
    const ranks = [];
    for (const rank of [0, 1]) {
      const planner = await createPlanner({ limits, rank, ranks: 2 });
      const device = openDevice({ device: TEST_DEVICE });
      ranks.push({ planner, device, rank: createRank({ planner, device, collective: joinThreads(group, rank) }) });
    }
    const first = ranks[0].rank.step();
    await expect(ranks[0].rank.step()).rejects.toMatchObject({ code: 'ERR_STEP_ORDER' });
    const second = ranks[1].rank.step();
    expect((await first).decision.step).toBe(0);
    expect((await second).decision.step).toBe(0);
    // Nobody had work: both are parked, and work of one ends it for both.
    const row = ranks[1].planner.requests.add({ blockIds: [3] });
    ranks[1].planner.requests.schedule(row, { phase: 'decode', queryLen: 1 });
    const runs = await Promise.all(ranks.map(({ rank }) => rank.step()));
    expect(runs.map(({ decision }) => decision.run)).toEqual(['eager', 'eager']);
    for (const { rank, planner, device } of ranks) {
      rank.dispose();
      planner.dispose();
      device.dispose();
    }
  });

  it('a planner outlives its rank: on another device it uploads whole rows again', async () => {
    using planner = await createPlanner({ limits });
    const row = planner.requests.add({ blockIds: [3, 5] });
    for (const computed of [0, 1, 2]) {
      using device = openDevice({ device: TEST_DEVICE });
      using rank = createRank({ planner, device, collective: createSolo() });
      planner.requests.schedule(row, { phase: 'decode', queryLen: 1 });
      rank.stepSync();
      planner.requests.advance(row, 1);
      const blocks = new Int32Array(3);
      rank.executor.stream.downloadSync(rank.executor.metadata.blockTable, 0, blocks);
      expect([...blocks], `device ${computed}`).toEqual([3, 5, 0]);
    }
  });

  it('the executor runs the step that was built last, and no other', async () => {
    using planner = await createPlanner({ limits });
    using device = openDevice({ device: TEST_DEVICE });
    using rank = createRank({ planner, device, collective: createSolo() });
    const row = planner.requests.add({ blockIds: [3] });
    planner.requests.schedule(row, { phase: 'decode', queryLen: 1 });
    const { decision, local } = rank.stepSync();
    planner.vote();
    planner.resolve(planner.table);
    expect(() => rank.executor.launch(decision, local)).toThrow(/ran|runs the step that was built last/);
  });
});

describe('a rank that is disposed of', () => {
  const limits = { maxNumSeqs: 4, maxNumBatchedTokens: 16, maxModelLen: 64, blockSize: 4, numBlocks: 32, queryLen: 1 };
  const disposed = { code: 'ERR_DISPOSED', details: { rank: 0 } };

  /** Rank 0 of a group; the test disposes of it. */
  async function made(ranks = 1): Promise<{ rank: Rank; peer: Collective | null }> {
    const group = createThreadsGroup(ranks);
    const planner = await createPlanner({ limits, ranks });
    const rank = createRank({
      planner,
      device: openDevice({ device: TEST_DEVICE }),
      collective: joinThreads(group, 0),
    });
    return { rank, peer: ranks > 1 ? joinThreads(group, 1) : null };
  }

  it('takes no step and captures nothing, before a park and in one', async () => {
    for (const parks of [0, 1]) {
      const { rank } = await made();
      for (let park = 0; park < parks; park++) expect((await rank.step()).decision.run).toBe('park');
      rank.dispose();
      rank.dispose();
      await expect(rank.step()).rejects.toMatchObject(disposed);
      expect(() => rank.stepSync()).toThrow(expect.objectContaining(disposed));
      expect(() => rank.captureSync()).toThrow(expect.objectContaining(disposed));
    }
  });

  it.each([
    ['without a signal', undefined],
    ['with a signal of the caller', new AbortController().signal],
  ])('rejects the step that waits out a park, %s', async (_how, signal) => {
    const { rank } = await made();
    const options = signal === undefined ? {} : { signal };
    expect((await rank.step(options)).decision.run).toBe('park');
    const step = rank.step(options);
    rank.dispose();
    await expect(step).rejects.toMatchObject(disposed);
  });

  it('rejects the step whose vote it gave, and its peers do not wait for it', async () => {
    const { rank, peer } = await made(2);
    const step = rank.step();
    // The vote is given in a later microtask.
    await new Promise((resolve) => setTimeout(resolve, 20));
    rank.dispose();
    await expect(step).rejects.toMatchObject(disposed);
    const { rowWords } = peer as Collective;
    await expect(peer?.allGather(new Int32Array(rowWords), new Int32Array(2 * rowWords))).rejects.toMatchObject({
      code: 'ERR_RANK_LOST',
      details: { rank: 0, causeCode: 'ERR_DISPOSED' },
    });
  });

  it('still ends a wait by the signal of the caller, which keeps no listener of it', async () => {
    const { rank } = await made();
    const controller = new AbortController();
    expect((await rank.step({ signal: controller.signal })).decision.run).toBe('park');
    const step = rank.step({ signal: controller.signal });
    controller.abort('enough');
    await expect(step).rejects.toMatchObject({ code: 'ERR_ABORTED', cause: 'enough' });
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
    rank.dispose();
  });
});

describe('a rank without a model', () => {
  it('plans, captures and uploads, asynchronously', async () => {
    const limits = {
      maxNumSeqs: 4,
      maxNumBatchedTokens: 16,
      maxModelLen: 64,
      blockSize: 4,
      numBlocks: 32,
      queryLen: 1,
    };
    const plan = decodePlan({ sizes: [2, 4], limits, policy: LOCKSTEP_POLICY });
    using planner = await createPlanner({ limits, plan });
    using device = openDevice({ device: TEST_DEVICE });
    using rank = createRank({ planner, device, collective: createSolo() });
    expect(rank.captureSync().captured).toHaveLength(2);
    const row = planner.requests.add({ blockIds: [3, 4] });
    for (let step = 0; step < 6; step++) {
      planner.requests.schedule(row, { phase: 'decode', queryLen: 1, inputIds: Int32Array.of(step) });
      const { decision, local } = await rank.step();
      expect(decision.snapshot()).toMatchObject({ step, run: 'full', paddedTokens: 2 });
      planner.requests.advance(row, 1);
      const slots = new BigInt64Array(2);
      await rank.executor.stream.download(rank.executor.metadata.whole.slotMapping, 0, slots);
      expect([...slots]).toEqual([BigInt((step < 4 ? 3 : 4) * 4 + (step % 4)), -1n]);
      expect([...slots]).toEqual([...local.tensors.slotMapping.subarray(0, 2)]);
    }
    expect((await rank.step()).decision).toMatchObject({ run: 'park', reason: 'all-idle', leave: false });
    // Parked: the next step waits until there is work, leaving the event loop free for whoever brings it.
    let stepped = false;
    const waiting = rank.step().then(({ decision }) => {
      stepped = true;
      return decision.run;
    });
    await new Promise((resolve) => setTimeout(resolve, 120));
    expect(stepped).toBe(false);
    planner.requests.schedule(row, { phase: 'decode', queryLen: 1 });
    expect(await waiting).toBe('full');
    const { decision } = await rank.step({ leave: true });
    expect(decision).toMatchObject({ run: 'park', leave: true });
  });
});

describe('capture guard', () => {
  /** A limit under which buffers and one graph fit, and the reserve of a second one (64 KiB) does not. */
  async function oneGraph(): Promise<number> {
    const [{ bufferBytes }] = await ranks([{}, {}]);
    return bufferBytes + 65536;
  }

  it('refuses on every rank when one lacks memory for a graph, before any forward', async () => {
    const error = await refusal([{}, { memoryLimit: await oneGraph() }]);
    expect(error.code).toBe('ERR_CAPTURE_ASYMMETRIC');
    expect(error.message).toMatch(/rank 1 lacks memory/);
  });

  it('drops the key on every rank with onAsymmetric drop, and all run with what is left: the largest key', async () => {
    const reports = await ranks([{ onAsymmetric: 'drop' }, { memoryLimit: await oneGraph(), onAsymmetric: 'drop' }]);
    expect(reports[0]).toEqual(reports[1]);
    expect(reports[0]).toMatchObject({ captured: 1, skipped: 2, reasons: Array(5).fill('graph') });
  });
});

describe('a piecewise key', () => {
  it('is refused on every rank when the forward of one has no pieces', async () => {
    const error = await refusal([{ piecewise: true }, { piecewise: false }]);
    expect(error.code).toBe('ERR_CAPTURE_ASYMMETRIC');
    expect(error.message).toMatch(/rank 1 lacks pieces/);
  });

  it.each<[string, object[], number]>([
    ['every forward has pieces: it is captured', [{ piecewise: true }, { piecewise: true }], 0],
    ['none has: it leaves every plan', [{ piecewise: false }, { piecewise: false }], 1],
    [
      'some have, and the key may be dropped: it leaves every plan',
      [
        { piecewise: false, onAsymmetric: 'drop' },
        { piecewise: true, onAsymmetric: 'drop' },
      ],
      1,
    ],
  ])('%s', async (_name, data, skipped) => {
    const reports = await ranks(data);
    expect(reports[0]).toEqual(reports[1]);
    expect(reports[0]).toMatchObject({ captured: 4 - skipped, skipped });
  });
});

describe('ranks of one replica', () => {
  const replicas = (...special: [index: number, data: object][]): object[] => {
    const data: object[] = Array.from({ length: 4 }, () => ({ replicaSize: 2 }));
    for (const [index, more] of special) data[index] = { replicaSize: 2, ...more };
    return data;
  };

  it('schedule the same batch; a veto of one of them counts for all ranks', async () => {
    const reports = await ranks(replicas([3, { veto: 2 }]));
    for (const report of reports) expect(report).toEqual(reports[0]);
    expect(reports[0].reasons).toEqual(['graph', 'graph', 'vetoed', 'graph', 'graph']);
  });

  it.each<[string, object, ErrorCode]>([
    ['another batch than its replica', { otherBatch: 2 }, 'ERR_RANKS_DIVERGED'],
    ['another replica size', { replicaSize: 1 }, 'ERR_RANKS_DIVERGED'],
    ['a fault', { fault: 2 }, 'ERR_RANK_FAULT'],
  ])('end the step on every rank where one votes %s', async (_name, data, code) => {
    expect((await refusal(replicas([3, data]))).code).toBe(code);
  });

  it.each([0, 3, 1.5])('are counted by a divisor of the ranks, which %d is not', async (replicaSize) => {
    await expect(createPlanner({ ranks: 4, replicaSize })).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      message: expect.stringContaining(`replicaSize is ${replicaSize}`),
    });
  });
});
