import { describe, expect, it } from 'vitest';
import {
  type Collective,
  createThreadsGroup,
  heartbeatAges,
  interruptGroup,
  isInterrupted,
  joinThreads,
  type ThreadsGroup,
} from '../../../dist/ranks/index.js';
import { openGroup } from '../../../dist/ranks/threads/threads-group.js';
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

  it('are woken by an interrupt that came before the park', async () => {
    const { group, ranks } = groupHere(1);
    interruptGroup(group);
    ranks[0].parked();
    expect(await ranks[0].waitForWork()).toBe('interrupt');
  });
});
