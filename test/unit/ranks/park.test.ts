import { describe, expect, it } from 'vitest';
import {
  type Collective,
  createSolo,
  createThreadsGroup,
  heartbeatAges,
  interruptGroup,
  isInterrupted,
  joinThreads,
  type ThreadsGroup,
} from '../../../dist/ranks/index.js';
import { openGroup } from '../../../dist/ranks/threads/threads-group.js';
import { errorOf, rejectionOf } from '../../support/device-fixture.js';
import { runScenario, valuesOf } from '../../support/ranks-fixture.js';

const SEED = 411;

function groupHere(size: number): { group: ThreadsGroup; ranks: Collective[] } {
  const group = createThreadsGroup(size, { rowWords: 1 });
  return { group, ranks: Array.from({ length: size }, (_, rank) => joinThreads(group, rank)) };
}

interface ParkCounts {
  parks: number;
  peer: number;
  woke: number;
}

describe('parked ranks', () => {
  for (const [size, wakers] of [
    [2, 1],
    [3, 2],
    [4, 1],
  ]) {
    it(`are woken every time, ${wakers} of ${size} threads waking, without the slices (seed ${SEED})`, async () => {
      const rounds = 3000;
      const counts = valuesOf<ParkCounts>(await runScenario(size, 'park', { rounds, seed: SEED, wakers }));
      for (const { parks, peer, woke } of counts) expect([parks, peer + woke]).toEqual([rounds, rounds]);
      expect(counts.reduce((sum, { woke }) => sum + woke, 0)).toBe(wakers * rounds);
    });
  }

  it('return at once when the wake came first, and when they never parked', async () => {
    const [a, b] = groupHere(2).ranks;
    expect(b.waitForWorkSync()).toBe('peer');
    expect([a.parked(), b.parked()]).toEqual([1, 1]);
    a.wake();
    expect(b.waitForWorkSync()).toBe('peer');
    expect(await b.waitForWork()).toBe('peer');
    expect([a.parked(), b.parked()]).toEqual([2, 2]);
  });

  it('wait for the end of their own park, not of the last one', async () => {
    const [a, b] = groupHere(2).ranks;
    for (const rank of [a, b]) rank.parked();
    a.wake();
    for (const rank of [a, b]) rank.parked();
    const source = b.waitForWork();
    expect(await Promise.race([source, turns(20)])).toBe('pending');
    a.wake();
    expect(await source).toBe('peer');
  });

  it('are woken by a rank that enters an all-gather', async () => {
    const [a, b] = groupHere(2).ranks;
    for (const rank of [a, b]) rank.parked();
    const source = b.waitForWork();
    const gathered = a.allGather(new Int32Array([1]), new Int32Array(2));
    expect(await source).toBe('peer');
    b.allGatherSync(new Int32Array([2]), new Int32Array(2));
    await gathered;
  });

  it('end the wait by their own wake, in the same thread', async () => {
    const [a, b] = groupHere(2).ranks;
    for (const rank of [a, b]) rank.parked();
    const sources = [a.waitForWork(), b.waitForWork()];
    b.wake();
    expect(await Promise.all(sources)).toEqual(['peer', 'peer']);
  });

  it('end the wait by their own work, and stay parked until they wake the others', async () => {
    const [a, b] = groupHere(2).ranks;
    for (const rank of [a, b]) rank.parked();
    let asked = 0;
    expect(a.waitForWorkSync({ localWork: () => ++asked === 3 })).toBe('local');
    expect(asked).toBe(3);
    errorOf('ERR_STEP_ORDER', () => a.parked());
    a.wake();
    expect(b.waitForWorkSync()).toBe('peer');
  });

  it('may wait again after a signal', async () => {
    const [a, b] = groupHere(2).ranks;
    for (const rank of [a, b]) rank.parked();
    const controller = new AbortController();
    const waiting = rejectionOf('ERR_ABORTED', a.waitForWork({ signal: controller.signal }));
    controller.abort('enough');
    expect((await waiting).cause).toBe('enough');
    errorOf('ERR_ABORTED', () => a.waitForWorkSync({ signal: controller.signal }));
    const again = a.waitForWork();
    b.wake();
    expect(await again).toBe('peer');
  });

  it('are told of a lost rank', async () => {
    for (const end of ['abort', 'dispose'] as const) {
      const [a, b, c] = groupHere(3).ranks;
      for (const rank of [a, b, c]) rank.parked();
      const waits = [rejectionOf('ERR_RANK_LOST', a.waitForWork()), rejectionOf('ERR_RANK_LOST', b.waitForWork())];
      if (end === 'abort') c.abort(errorOf('ERR_STEP_ORDER', () => c.parked()));
      else c.dispose();
      for (const error of await Promise.all(waits)) expect(error.details.rank).toBe(2);
      errorOf('ERR_RANK_LOST', () => a.waitForWorkSync());
    }
  });

  it('stamp their heartbeat while they wait', async () => {
    const { group, ranks } = groupHere(2);
    for (const rank of ranks) rank.parked();
    const memory = openGroup(group);
    const heartbeat = 4 * 16 + 2;
    memory.words[heartbeat] = 1;
    memory.words[heartbeat + 16] = 0;
    expect(heartbeatAges(group)[1]).toBeNull();
    const waiting = ranks[0].waitForWork();
    expect(heartbeatAges(group)[0]).toBeLessThan(60_000);
    memory.words[heartbeat] = 1;
    while (memory.words[heartbeat] === 1) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(heartbeatAges(group)[0]).toBeLessThan(60_000);
    ranks[1].wake();
    await waiting;
  });

  it('learn of an interrupt through their localWork', async () => {
    const { group, ranks } = groupHere(1);
    ranks[0].parked();
    const waiting = ranks[0].waitForWork({ localWork: () => isInterrupted(group) });
    expect(isInterrupted(group)).toBe(false);
    interruptGroup(group);
    expect(await waiting).toBe('local');
  });

  it('of a group of one need something that can wake them', async () => {
    const solo = createSolo();
    solo.parked();
    errorOf('ERR_INPUT_INVALID', () => solo.waitForWorkSync());
    expect(solo.waitForWorkSync({ localWork: () => true })).toBe('local');
    const waiting = solo.waitForWork();
    solo.wake();
    expect(await waiting).toBe('peer');
    solo.dispose();
    errorOf('ERR_DISPOSED', () => solo.parked());
  });
});

/** Resolves to 'pending' after some turns of the event loop. */
async function turns(count: number): Promise<'pending'> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
  return 'pending';
}
