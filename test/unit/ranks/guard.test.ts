import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ErrorCode, LockstepError } from '../../../dist/errors.js';
import {
  agreeOnCapture,
  CAPTURE_LACKS,
  createSolo,
  createThreadsGroup,
  type GuardReady,
  guardRow,
  joinThreads,
  type OnAsymmetric,
  resolveGuard,
} from '../../../dist/ranks/index.js';
import { errorOf, rejectionOf } from '../../support/device-fixture.js';
import { runs } from '../../support/property-runs.js';
import { runScenario, valuesOf } from '../../support/ranks-fixture.js';

const ROW_WORDS = 11;

function tableOf(rows: readonly GuardReady[], onAsymmetric: OnAsymmetric = 'throw'): Int32Array {
  return new Int32Array(rows.flatMap((row) => [...guardRow(ROW_WORDS, row, onAsymmetric)]));
}

/** Asks the guard on every rank of a new group in this thread. */
function ask(rows: readonly GuardReady[], policies: readonly OnAsymmetric[]): Promise<'run' | 'skip'>[] {
  const group = createThreadsGroup(rows.length);
  return rows.map((row, rank) => agreeOnCapture(joinThreads(group, rank), row, { onAsymmetric: policies[rank] }));
}

async function allRejected(code: ErrorCode, asked: Promise<unknown>[]): Promise<LockstepError[]> {
  return await Promise.all(asked.map((each) => rejectionOf(code, each)));
}

describe('resolveGuard', () => {
  it('agrees with the vectors of TensorRT-LLM', () => {
    const file = new URL('../../vectors/capture-guard-trtllm.json', import.meta.url);
    const { cases } = JSON.parse(readFileSync(file, 'utf8')) as {
      cases: { in: { hasBatch: boolean[] }; out: { action: 'capture' | 'skip' | 'abort'; missingRanks: number[] } }[];
    };
    expect(cases.length).toBeGreaterThan(0);
    const kinds = { capture: 'run', skip: 'skip', abort: 'asymmetric' };
    for (const { in: given, out } of cases) {
      const outcome = resolveGuard(tableOf(given.hasBatch.map((ready) => ({ key: 0, ready }))), ROW_WORDS);
      const missing = outcome.kind === 'asymmetric' ? outcome.lacking.map(({ rank }) => rank) : [];
      expect([outcome.kind, missing]).toEqual([kinds[out.action], out.missingRanks]);
    }
  });

  it('refuses a table with any one bit of a row changed, naming its rank', () => {
    const rows: GuardReady[] = [0, 1, 2].map((rank) => ({ key: 5, ready: rank !== 1 }));
    const table = tableOf(rows);
    expect(resolveGuard(table, ROW_WORDS).kind).toBe('asymmetric');
    for (let bit = 0; bit < 32 * table.length; bit++) {
      table[bit >>> 5] ^= 1 << (bit & 31);
      const rank = Math.floor((bit >>> 5) / ROW_WORDS);
      expect(resolveGuard(table, ROW_WORDS)).toMatchObject({ kind: 'diverged', differences: [{ rank }] });
      table[bit >>> 5] ^= 1 << (bit & 31);
    }
    // Where most rows are damaged, all ranks are named.
    for (const rank of [0, 1, 2]) {
      table[rank * ROW_WORDS + 2] ^= 2;
      const named = rank === 0 ? 1 : 3;
      expect(resolveGuard(table, ROW_WORDS)).toMatchObject({ kind: 'diverged', differences: { length: named } });
    }
    const alone = tableOf([{ key: 5, ready: true }]);
    alone[2] = 0;
    expect(resolveGuard(alone, ROW_WORDS).kind).toBe('diverged');
  });

  it('reports what each rank lacked, to the byte', () => {
    const lack = fc.record({
      reason: fc.constantFrom(...CAPTURE_LACKS.slice(1).filter((lack) => lack !== 'aborted')),
      lackingBytes: fc.maxSafeNat(),
    });
    const rank = fc.option(lack, { nil: null });
    const law = fc.property(fc.nat(2 ** 31 - 1), fc.array(rank, { minLength: 1, maxLength: 12 }), (key, lacks) => {
      const rows = lacks.map((each): GuardReady => ({ key, ready: each === null, ...(each ?? {}) }));
      const outcome = resolveGuard(tableOf(rows, 'drop'), ROW_WORDS);
      const lacking = lacks.flatMap((each, index) => (each === null ? [] : [{ rank: index, ...each }]));
      if (lacking.length === 0) expect(outcome).toEqual({ kind: 'run', key });
      else if (lacking.length === lacks.length) expect(outcome).toEqual({ kind: 'skip', key });
      else expect(outcome).toEqual({ kind: 'asymmetric', key, onAsymmetric: 'drop', lacking });
    });
    fc.assert(law, { ...runs(100), verbose: true });
  });

  it('gives a capture up on every rank where one does, whatever the others lack', () => {
    const lacks: GuardReady = { key: 3, ready: false, reason: 'memory', lackingBytes: 5 };
    const rows = [{ key: 3, ready: true }, { key: 3, ready: false, reason: 'aborted' } as const, lacks];
    for (const policy of ['throw', 'drop'] as const) {
      expect(resolveGuard(tableOf(rows, policy), ROW_WORDS)).toEqual({ kind: 'aborted', key: 3, ranks: [1] });
    }
  });

  it('names ranks that hold graphs with other collectives than most', () => {
    const held = (count: number, hash: number): GuardReady => ({
      key: 1,
      ready: true,
      stage: 'held',
      collectives: { count, hash },
    });
    expect(resolveGuard(tableOf([held(2, 7), held(2, 7), held(2, 7)]), ROW_WORDS)).toEqual({ kind: 'run', key: 1 });
    for (const other of [held(3, 7), held(2, -7)]) {
      expect(resolveGuard(tableOf([held(2, 7), held(2, 7), other]), ROW_WORDS)).toMatchObject({
        kind: 'collectives',
        key: 1,
        ranks: [2],
      });
    }
    // One that holds none has none to compare.
    const lacks: GuardReady = { key: 1, ready: false, stage: 'held', reason: 'graph' };
    expect(resolveGuard(tableOf([held(2, 7), lacks, held(2, 7)], 'drop'), ROW_WORDS).kind).toBe('asymmetric');
  });

  it('takes no answer about another stage of a key for its own', () => {
    const [warmUp, capture] = [{ key: 1, ready: true, stage: 'warm-up' } as const, { key: 1, ready: true }];
    expect(resolveGuard(tableOf([warmUp, capture, capture]), ROW_WORDS)).toMatchObject({
      kind: 'diverged',
      differences: [{ rank: 0, what: "guards the warm-up of key 1 with onAsymmetric 'throw'" }],
    });
  });

  it('names ranks that guard another key, decide otherwise, or are in no guard', () => {
    const ready = { key: 1, ready: true };
    const table = tableOf([ready, { ...ready, key: 2 }, ready]);
    table.fill(1, 2 * ROW_WORDS);
    expect(resolveGuard(table, ROW_WORDS)).toEqual({
      kind: 'diverged',
      differences: [
        { rank: 0, what: "guards key 1 with onAsymmetric 'throw'" },
        { rank: 1, what: "guards key 2 with onAsymmetric 'throw'" },
        { rank: 2, what: 'is in no guard of this version' },
      ],
      others: null,
    });
    const two = tableOf([ready, { ...ready, key: 2 }, ready]);
    expect(resolveGuard(two, ROW_WORDS)).toEqual({
      kind: 'diverged',
      differences: [{ rank: 1, what: "guards key 2 with onAsymmetric 'throw'" }],
      others: "guards key 1 with onAsymmetric 'throw'",
    });
    expect(resolveGuard(new Int32Array(3 * ROW_WORDS), ROW_WORDS).kind).toBe('diverged');
  });
});

describe('agreeOnCapture', () => {
  const has: GuardReady = { key: 4, ready: true };
  const lacks: GuardReady = { key: 4, ready: false, reason: 'memory', lackingBytes: 3 * 2 ** 32 + 7 };

  it('runs when all are ready and skips when none is', async () => {
    expect(await Promise.all(ask([has, has, has], ['throw', 'throw', 'throw']))).toEqual(['run', 'run', 'run']);
    expect(await Promise.all(ask([lacks, lacks], ['throw', 'throw']))).toEqual(['skip', 'skip']);
    expect(await Promise.all(ask([has], ['throw']))).toEqual(['run']);
  });

  it('throws on every rank, naming those that lacked and what, or drops the key on every rank', async () => {
    for (const error of await allRejected(
      'ERR_CAPTURE_ASYMMETRIC',
      ask([has, lacks, has], ['throw', 'throw', 'throw']),
    )) {
      expect(error.details).toEqual({ key: 4, lacking: [{ rank: 1, reason: 'memory', lackingBytes: 12884901895 }] });
      expect(error.message).toContain('rank 1 lacks memory (12884901895 bytes short)');
    }
    expect(await Promise.all(ask([has, lacks, has], ['drop', 'drop', 'drop']))).toEqual(['skip', 'skip', 'skip']);
  });

  it('throws on every rank when they do not decide alike', async () => {
    const policies = await allRejected('ERR_RANKS_DIVERGED', ask([has, lacks], ['throw', 'drop']));
    for (const { details } of policies) expect(details.ranks).toEqual([0, 1]);
    await allRejected('ERR_RANKS_DIVERGED', ask([has, { ...has, key: 5 }], ['drop', 'drop']));
  });

  it('throws when a peer gives another row, such as a vote', async () => {
    const group = createThreadsGroup(2);
    const [a, b] = [0, 1].map((rank) => joinThreads(group, rank));
    const asked = rejectionOf('ERR_RANKS_DIVERGED', agreeOnCapture(a, has, { onAsymmetric: 'throw' }));
    b.allGatherSync(new Int32Array(32).fill(1), new Int32Array(64));
    expect((await asked).message).toContain('rank 1 is in no guard');
  });

  it('is rejected as itself by supervised ranks, whose threads ask synchronously', async () => {
    const error = await rejectionOf(
      'ERR_CAPTURE_ASYMMETRIC',
      runScenario(3, 'guard', { ready: [true, false, false], onAsymmetric: 'throw' }),
    );
    expect(error.details).toMatchObject({
      key: 3,
      lacking: [
        { rank: 1, lackingBytes: 101 },
        { rank: 2, lackingBytes: 102 },
      ],
    });
    const dropped = await runScenario(2, 'guard', { ready: [true, false], onAsymmetric: 'drop' });
    expect(valuesOf(dropped)).toEqual(['skip', 'skip']);
  });

  it('refuses a question that makes no sense, before it asks', async () => {
    const refused: [unknown, unknown][] = [
      [{ key: -1, ready: true }, 'throw'],
      [{ key: 1, ready: 1 }, 'throw'],
      [{ key: 1, ready: true, lackingBytes: 5 }, 'throw'],
      [{ key: 1, ready: true, reason: 'memory' }, 'throw'],
      [{ key: 1, ready: false, reason: 'nothing' }, 'throw'],
      [{ key: 1, ready: false, reason: 'luck' }, 'throw'],
      [{ key: 1, ready: true }, 'ignore'],
      [{ key: 1, ready: true, stage: 'before' }, 'throw'],
      [{ key: 1, ready: true, collectives: {} }, 'throw'],
      [{ key: 1, ready: true, collectives: { count: 1.5, hash: 0 } }, 'throw'],
      [{ key: 1, ready: true, collectives: { count: 1, hash: 2 ** 31 } }, 'throw'],
    ];
    for (const [ready, policy] of refused) {
      errorOf('ERR_CONFIG_INVALID', () => guardRow(ROW_WORDS, ready as GuardReady, policy as OnAsymmetric));
    }
    const narrow = createSolo({ rowWords: 4 });
    const error = await rejectionOf('ERR_CONFIG_INVALID', agreeOnCapture(narrow, has, { onAsymmetric: 'throw' }));
    expect(error.message).toContain('rowWords is 4; a guard row takes 11');
    expect(narrow.sequence).toBe(0);
  });
});
