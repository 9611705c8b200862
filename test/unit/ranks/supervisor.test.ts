import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { MessageChannel, type Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import {
  connectRank,
  createThreadsGroup,
  heartbeatAges,
  type SupervisedRanks,
  type SuperviseOptions,
  supervise,
  superviseRanks,
} from '../../../dist/ranks/index.js';
import { root } from '../../support/cli.js';
import { errorOf, rejectionOf } from '../../support/device-fixture.js';
import { runScenario, valuesOf } from '../../support/ranks-fixture.js';

/** What a run rejects with of which rank 0 breaks, and what its peers saw. A rank that says it is ready is terminated from outside. */
async function breakRank(
  how: string,
  ranks = 3,
): Promise<{ error: Error & { code?: string; details?: object }; seen: unknown[] }> {
  const seen: unknown[] = [];
  const workers: Worker[] = [];
  const collect = (worker: Worker): void => void workers.push(worker);
  process.on('worker', collect);
  const onMessage = (rank: number, message: unknown): void => {
    if (message === 'ready') void workers[rank].terminate();
    else seen.push(message);
  };
  const error = await rejectionOf('ERR_RANK_LOST', runScenario(ranks, 'broken', { how }, { onMessage }));
  process.off('worker', collect);
  return { error, seen };
}

/** Peers wait with a deadline of an hour: that they returned at all says that they were woken. */
const WOKEN = { first: 'ERR_RANK_LOST', second: 'ERR_RANK_LOST', parked: 'ERR_RANK_LOST' };

describe('supervised ranks', () => {
  it('return their results in the order of ranks; what they post arrives with its rank', async () => {
    const posts: [number, unknown][] = [];
    const results = await superviseRanks({
      ranks: 3,
      entry: new URL('../../fixtures/ranks/rank.mjs', import.meta.url),
      workerData: (rank) => ({ scenario: 'echo', own: rank * 11 }),
      onMessage: (rank, message) => posts.push([rank, message]),
    });
    expect(results.map(({ rank, value }) => [rank, (value as { data: { own: number } }).data.own])).toEqual([
      [0, 0],
      [1, 11],
      [2, 22],
    ]);
    for (const rank of [0, 1, 2]) {
      expect(posts.filter(([from]) => from === rank)).toEqual([
        [rank, { from: rank }],
        [rank, { from: rank, last: true }],
      ]);
    }
  });

  it('leave no handle behind, whether they finish or break', () => {
    const script = fileURLToPath(new URL('../../fixtures/ranks/handles.mjs', import.meta.url));
    const printed = execFileSync(process.execPath, [script], { encoding: 'utf8', timeout: 120_000 });
    expect(printed).toBe('ERR_RANK_LOST ERR_RANK_LOST []');
  });

  it('may share a group that the caller watches', async () => {
    const group = createThreadsGroup(2, { rowWords: 3 });
    await runScenario(2, 'gather', { rounds: 10, seed: 1 }, { group });
    for (const age of heartbeatAges(group)) expect(age).toBeLessThan(60_000);
    const error = await rejectionOf('ERR_CONFIG_INVALID', runScenario(3, 'echo', {}, { group }));
    expect(error.message).toContain('group has 2 ranks');
  });
});

describe('a rank that breaks', () => {
  it('by an exception ends the group at once, and the run rejects with rank and cause', async () => {
    const { error, seen } = await breakRank('throw');
    expect(error.details).toEqual({ rank: 0, causeCode: null, causeMessage: 'TypeError: the rank has a bug' });
    expect(error.message).toContain('Rank 0 is lost: TypeError: the rank has a bug.');
    expect(seen).toEqual([WOKEN, WOKEN]);
  });

  for (const how of ['fault', 'uncaught']) {
    it(`by a LockstepError (${how}) keeps its code`, async () => {
      const { error, seen } = await breakRank(how);
      expect(error.details).toEqual({ rank: 0, causeCode: 'ERR_DEVICE_MEMORY', causeMessage: 'No memory is left.' });
      expect(error.cause).toMatchObject({ code: 'ERR_DEVICE_MEMORY', details: { bytes: 12 } });
      expect(seen).toEqual([WOKEN, WOKEN]);
    });
  }

  it.each([
    ['aborted signal', 'AbortError: This operation was aborted'],
    ['uncaught signal', 'AbortError: This operation was aborted'],
    ['uncaught object', '{"code":7}'],
  ])('by what is no error of JavaScript (%s) is told in its words', async (how, causeMessage) => {
    const { error, seen } = await breakRank(how);
    expect(error.details).toEqual({ rank: 0, causeCode: null, causeMessage });
    expect(error.message).toContain(`Rank 0 is lost: ${causeMessage}`);
    expect(seen).toEqual([WOKEN, WOKEN]);
  });

  it('by no uncaught value that it sees to itself', async () => {
    const results = await runScenario(2, 'caught', {});
    expect(valuesOf(results)).toEqual([['AbortError: This operation was aborted', 'a word'], []]);
  });

  it('by process.exit', async () => {
    const { error, seen } = await breakRank('exit');
    expect(error.details).toMatchObject({ rank: 0, causeCode: 'ERR_RANK_LOST' });
    expect(error.message).toContain('its thread ended with exit code 7 before the rank had finished');
    expect(seen).toEqual([WOKEN, WOKEN]);
  });

  for (const how of ['hang', 'wait', 'park']) {
    it(`by a terminate from outside while it is in ${how}`, async () => {
      const { error, seen } = await breakRank(how);
      expect(error.message).toContain('Rank 0 is lost: its thread ended with exit code 1');
      expect(seen).toEqual(Array(2).fill(how === 'park' ? { code: 'ERR_RANK_LOST' } : WOKEN));
    });
  }

  it('by leaving while others still need it', async () => {
    const seen: unknown[] = [];
    const onMessage = (_rank: number, message: unknown): void => void seen.push(message);
    const results = await runScenario(3, 'broken', { how: 'leave' }, { onMessage });
    expect(valuesOf(results)).toEqual(['left', undefined, undefined]);
    expect(seen).toEqual([WOKEN, WOKEN]);
  });

  it('by running out of its memory limits', async () => {
    const limits = { resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 } };
    const error = await rejectionOf('ERR_RANK_LOST', runScenario(1, 'memory', {}, limits));
    expect(error.cause).toMatchObject({ code: 'ERR_WORKER_OUT_OF_MEMORY' });
  });

  it('because of another one names that one to its peers', async () => {
    const told: unknown[] = [];
    const onMessage = (_rank: number, message: unknown): void => void told.push(message);
    const details = { ranks: [2], step: 7 };
    const error = await rejectionOf('ERR_RANKS_DIVERGED', runScenario(3, 'blames', { details }, { onMessage }));
    expect(error.details).toEqual(details);
    const expected = { rank: 0, reason: 'One of them is another.', causeCode: 'ERR_RANKS_DIVERGED', culprits: [2] };
    expect(told).toEqual([expected, expected]);
  });

  it('before it connects: no such entry', async () => {
    const entry = new URL('../../fixtures/ranks/absent.mjs', import.meta.url);
    const error = await rejectionOf('ERR_RANK_LOST', superviseRanks({ ranks: 2, entry }));
    expect(error.message).toContain('absent.mjs');
  });

  it('takes with it a peer that does not end by itself, after the grace time', async () => {
    const error = await rejectionOf('ERR_RANK_LOST', runScenario(2, 'broken', { how: 'abort' }, { graceMs: 50 }));
    expect(error.details).toEqual({ rank: 0, reason: 'It gave up.', causeCode: 'ERR_RANK_FAULT', culprits: [0] });
  });
});

describe('an error of all ranks in one step', () => {
  for (const code of ['ERR_RANK_FAULT', 'ERR_RANKS_DIVERGED']) {
    it(`is rejected as itself, with the cause that one of them knows: ${code}`, async () => {
      for (let round = 0; round < 5; round++) {
        const error = await rejectionOf(
          code as 'ERR_RANK_FAULT',
          runScenario(4, 'together', { code, knows: round % 4 }),
        );
        expect(error.message).toBe('All ranks refuse step 20.');
        expect(error.details).toEqual({ rank: round % 4 });
        expect(error.cause).toMatchObject({ code: 'ERR_DEVICE_KERNEL', details: { kernel: 'kv_write' } });
      }
    });
  }

  it('and a timeout too, for it names the ranks at fault', async () => {
    const error = await rejectionOf('ERR_COLLECTIVE_TIMEOUT', runScenario(3, 'timeout', {}, { graceMs: 1000 }));
    expect(error.details).toMatchObject({ sequence: 2, missing: [{ rank: 2, sequence: 1, joined: true }] });
  });
});

describe('a signal', () => {
  it('stops all ranks at the same step, with what they have', async () => {
    const controller = new AbortController();
    const results = await runScenario(
      3,
      'interrupt',
      {},
      {
        signal: controller.signal,
        graceMs: 20_000,
        onMessage: () => controller.abort(),
      },
    );
    const steps = valuesOf<{ steps: number }>(results).map((value) => value.steps);
    expect(new Set(steps).size).toBe(1);
    expect(steps[0]).toBeGreaterThanOrEqual(100);
  });

  it('is the work that ends a park', async () => {
    const controller = new AbortController();
    let parked = 0;
    const onMessage = (): void => {
      if (++parked === 2) controller.abort();
    };
    const results = await runScenario(
      2,
      'parkInterrupted',
      {},
      { signal: controller.signal, graceMs: 20_000, onMessage },
    );
    expect(valuesOf(results)).toEqual(['local', 'local']);
  });

  it.each(['sync', 'async'])(
    'lets idle ranks leave, whose steps are %s: SIGTERM ends a service that waits',
    async (how) => {
      const service = spawn(process.execPath, ['test/fixtures/ranks/idle-service.mjs', how], { cwd: root });
      let stdout = '';
      let stderr = '';
      service.stdout.on('data', (text) => {
        if (stdout === '') service.kill('SIGTERM');
        stdout += text;
      });
      service.stderr.on('data', (text) => {
        stderr += text;
      });
      const [status] = await once(service, 'close');
      expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: 'idle\nleft left\n', stderr: '' });
    },
  );

  it('terminates a rank that does not stop within the grace time', async () => {
    const controller = new AbortController();
    const onMessage = (): void => controller.abort('enough');
    const error = await rejectionOf(
      'ERR_ABORTED',
      runScenario(2, 'stubborn', {}, { signal: controller.signal, graceMs: 2000, onMessage }),
    );
    expect(error.details).toEqual({ ranks: [1], graceMs: 2000 });
    expect(error.cause).toBe('enough');
  });

  it('aborted beforehand starts nothing', async () => {
    let started = 0;
    const workerData = (): number => ++started;
    await rejectionOf('ERR_ABORTED', runScenario(2, 'echo', {}, { workerData, signal: AbortSignal.abort() }));
    expect(started).toBe(0);
  });
});

describe('messages to ranks', () => {
  const start = (ranks: number, options: Partial<SuperviseOptions> = {}): SupervisedRanks =>
    supervise({
      ranks,
      entry: new URL('../../fixtures/ranks/rank.mjs', import.meta.url),
      workerData: () => ({ scenario: 'inbox' }),
      signal: AbortSignal.timeout(120_000),
      ...options,
    });

  it('arrive in order, those sent before the rank listens too, and each ends a park', async () => {
    let parks = 0;
    const group = start(1, {
      onMessage: () => {
        parks += 1;
        // By then it waits.
        if (parks === 2) setTimeout(() => group.send(0, 'end'), 100);
      },
    });
    group.send(0, { id: 1 });
    group.send(0, { id: 2, bytes: new Uint8Array([3]) });
    const [{ received, sources }] = valuesOf<{ received: unknown[]; sources: string[] }>(await group.done);
    expect(received).toEqual([{ id: 1 }, { id: 2, bytes: new Uint8Array([3]) }, 'end']);
    expect(new Set(sources)).toEqual(new Set(['peer']));
    errorOf('ERR_RANK_LOST', () => group.send(0, 'late'));
  });

  it('move what their list names', async () => {
    const group = start(1);
    const moved = new ArrayBuffer(8);
    group.send(0, moved, [moved]);
    expect(moved.byteLength).toBe(0);
    group.send(0, 'end');
    await group.done;
  });

  it('that no rank can take are refused, and the ranks go on', async () => {
    const group = start(1);
    errorOf('ERR_INPUT_INVALID', () => group.send(1, 'nobody'));
    errorOf('ERR_INPUT_INVALID', () => group.send(0, () => undefined));
    group.send(0, 'end');
    await group.done;
  });

  it('whose listener throws fail the rank, with that as the cause', async () => {
    const group = start(2);
    group.send(1, 'throw');
    const error = await rejectionOf('ERR_RANK_LOST', group.done);
    expect(error.details).toMatchObject({ rank: 1, causeMessage: expect.stringContaining('the listener broke') });
  });

  it('may come by a port that the data of the rank hold', async () => {
    const { port1, port2 } = new MessageChannel();
    const answered = once(port1, 'message');
    await runScenario(
      1,
      'answer',
      {},
      {
        workerData: () => ({ scenario: 'answer', port: port2 }),
        transferList: () => [port2],
      },
    );
    expect((await answered)[0]).toBe('here');
    port1.close();
  });
});

describe('misuse', () => {
  it('of onMessage: what it throws ends the run', async () => {
    const error = new RangeError('the caller has a bug');
    const onMessage = (): void => {
      throw error;
    };
    await expect(runScenario(2, 'stubborn', {}, { onMessage })).rejects.toBe(error);
  });

  it('of workerData: what it throws or cannot be cloned ends the ranks already started', async () => {
    const failing = (rank: number): unknown => {
      if (rank === 1) throw new RangeError('no data');
      return { scenario: 'stubborn' };
    };
    const thrown = await rejectionOf('ERR_INPUT_INVALID', runScenario(2, 'stubborn', {}, { workerData: failing }));
    expect(thrown.details).toEqual({ rank: 1 });
    expect(thrown.cause).toEqual(new RangeError('no data'));
    const unclonable = (): unknown => ({ scenario: 'stubborn', call: () => undefined });
    await rejectionOf('ERR_INPUT_INVALID', runScenario(2, 'stubborn', {}, { workerData: unclonable }));
  });

  it('of finish: a result that cannot be cloned fails the rank', async () => {
    const error = await rejectionOf('ERR_RANK_LOST', runScenario(1, 'unclonable'));
    expect(error.message).toContain('DataCloneError');
  });

  it('of the options names every fault', async () => {
    const options = { ranks: 0, rowWords: 65, graceMs: -1, entry: './rank.mjs' } as unknown as SuperviseOptions;
    const error = await rejectionOf('ERR_CONFIG_INVALID', superviseRanks(options));
    for (const name of ['ranks', 'rowWords', 'graceMs', 'entry']) expect(error.message).toContain(`${name} `);
  });

  it('of connectRank, outside of a rank', () => {
    errorOf('ERR_USAGE', () => connectRank());
  });
});
