import { describe, expect, it } from 'vitest';
import { type ErrorCode, type LockstepError, superviseRanks } from '../../dist/index.js';

const entry = new URL('./fixtures/step-rank.mjs', import.meta.url);
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
  // Every wait in the fixture has a deadline of 60 s: only an error that travels at once is this quick.
  expect(performance.now() - start).toBeLessThan(20_000);
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
    ['another plan', { otherPlan: true }, 'ERR_RANKS_DIVERGED', {}],
  ])('end at once on %s in rank 1, with an error that names it', async (_what, data, code, details) => {
    const error = await refusal([{}, data, {}]);
    expect(error.code).toBe(code);
    expect(error.details).toMatchObject(details);
    expect(error.message).toMatch(/[Rr]ank/);
  });
});

describe('capture guard', () => {
  /** A limit under which buffers and one graph fit, and the reserve of a second one (4 KiB) does not. */
  async function oneGraph(): Promise<number> {
    const [{ bufferBytes }] = await ranks([{}, {}]);
    return bufferBytes + 4096;
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
