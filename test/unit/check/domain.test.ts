import { describe, expect, test } from 'vitest';
import { standardDomain } from '../../../dist/check/index.js';
import { keyKind } from '../../../dist/keys/capture-key.js';
import { ENUMS, VOTE_WORDS, word } from '../../../dist/layout/layout.js';
import { fixtureOf, pairOver } from '../../support/check-fixture.js';

type VoteWord = (typeof VOTE_WORDS)[number];

const { local, pair, rules } = await fixtureOf(standardDomain({}), 1);
const votes = local.map(
  ({ row }) =>
    (name: VoteWord) =>
      row[word(VOTE_WORDS, name)],
);
type Vote = (typeof votes)[number];

const plain = (vote: Vote): boolean =>
  vote('control') === 0 && vote('variant') === 0 && vote('graphVeto') === 0 && vote('ubatchVeto') === 0;
const decodesOnly = (vote: Vote): boolean => vote('phase') === ENUMS.PHASE.decode;
const counts = (name: VoteWord, where: (vote: Vote) => boolean): number[] =>
  [...new Set(votes.filter((vote) => plain(vote) && where(vote)).map((vote) => vote(name)))].sort((a, b) => a - b);
const { maxNumSeqs, maxNumBatchedTokens, queryLen } = pair.limits;
const neighbours = (value: number, most: number): number[] =>
  [value - 1, value, value + 1].filter((near) => near >= 1 && near <= most);

describe('the standard domain', () => {
  test('has as many decodes as each graph holds, one fewer and one more, with and without short drafts', () => {
    for (const drafts of [queryLen, 0, 1]) {
      const requests = counts('decodeRequests', (vote) => decodesOnly(vote) && vote('uniformQueryLen') === drafts);
      for (const key of pair.plan.keys.filter((one) => keyKind(one) === 'decode')) {
        const wanted = neighbours(key.decodeRequests, maxNumSeqs).filter((count) => drafts !== 0 || count > 1);
        expect(requests).toEqual(expect.arrayContaining(wanted));
      }
      expect(requests).toContain(maxNumSeqs);
    }
    // "The last of 1": every length of two, but for one of one.
    for (const vote of votes.filter((one) => decodesOnly(one) && one('uniformQueryLen') === 0)) {
      expect(vote('tokens')).toBe(2 * vote('decodeRequests') - 1);
    }
  });

  test('has decodes below, at and above the threshold for micro-batches', () => {
    const { ubatchThresholdDecode } = pair.policy;
    expect(counts('tokens', decodesOnly)).toEqual(
      expect.arrayContaining(neighbours(ubatchThresholdDecode, maxNumBatchedTokens)),
    );
  });

  test('has one prefill below, at and above each graph, threshold and padding limit, and the smallest and largest', () => {
    const tokens = counts('tokens', (vote) => vote('prefillRequests') === 1 && vote('decodeRequests') === 0);
    const wide = pair.plan.keys.filter((key) => keyKind(key) !== 'decode');
    const marks = [
      1,
      pair.policy.ubatchThresholdPrefill,
      maxNumBatchedTokens,
      ...wide.flatMap((key) => [key.tokens, key.tokens / pair.policy.maxPaddingFactor]),
    ];
    for (const mark of marks) expect(tokens).toEqual(expect.arrayContaining(neighbours(mark, maxNumBatchedTokens)));
  });

  test('has as many prefills as each mixed graph has slots, one fewer and one more, alone and beside decodes', () => {
    for (const key of pair.plan.keys.filter((one) => keyKind(one) === 'mixed')) {
      const alone = counts('prefillRequests', (vote) => vote('phase') === ENUMS.PHASE.prefill);
      expect(alone).toEqual(expect.arrayContaining(neighbours(key.prefillRequests, maxNumSeqs)));
      const beside = counts('decodeRequests', (vote) => vote('prefillRequests') === key.prefillRequests);
      expect(beside).toEqual(expect.arrayContaining([0, 1, key.decodeRequests]));
    }
  });

  test('has idle ranks, faults, wishes to leave and every veto, of idle and of busy ranks of each phase', () => {
    const controls = (phase: keyof typeof ENUMS.PHASE): number[] =>
      [...new Set(votes.filter((vote) => vote('phase') === ENUMS.PHASE[phase]).map((vote) => vote('control')))].sort();
    expect(controls('idle')).toEqual([ENUMS.CONTROL.run, ENUMS.CONTROL.leave, ENUMS.CONTROL.fault]);
    expect(controls('decode')).toEqual([ENUMS.CONTROL.run, ENUMS.CONTROL.leave, ENUMS.CONTROL.fault]);
    for (const phase of ['idle', 'decode', 'prefill', 'mixed'] as const) {
      const held = votes.filter((vote) => vote('phase') === ENUMS.PHASE[phase]);
      expect(held.some((vote) => vote('graphVeto') !== 0)).toBe(true);
      expect(held.some((vote) => vote('ubatchVeto') !== 0)).toBe(true);
      if (phase !== 'idle') expect(held.some((vote) => vote('variant') === 1)).toBe(true);
    }
    // A veto by a rank that would wish micro-batches without it.
    expect(votes.some((vote) => vote('meetsMinimum') === 1 && vote('canSplit') === 1 && vote('ubatchVeto') !== 0)).toBe(
      true,
    );
  });

  test('is in order, and no two states vote alike', () => {
    expect(local[0].label).toBe('idle');
    const tokens = votes.map((vote) => vote('tokens'));
    expect(tokens).toEqual([...tokens].sort((a, b) => a - b));
    expect(new Set(local.map(({ row }) => row.join())).size).toBe(local.length);
    expect(new Set(local.map(({ label }) => label)).size).toBe(local.length);
    for (const vote of votes) expect([vote('step'), vote('planHash')]).toEqual([1, rules.planHash]);
  });
});

test('variants of captured graphs are met with every batch, and one more that no graph has', async () => {
  const pairs = pairOver({}, (keys) => keys.flatMap((key) => [key, { ...key, variant: 3 }]));
  const fixture = await fixtureOf(pairs, 1);
  const variants = fixture.local.map(({ row }) => row[word(VOTE_WORDS, 'variant')]);
  expect(new Set(variants)).toEqual(new Set([0, 3, 4]));
  const batches = local.filter((_, index) => plain(votes[index]) && votes[index]('tokens') > 0).length;
  expect(variants.filter((variant) => variant === 3).length).toBeGreaterThanOrEqual(batches);
});

test('hysteresis: counts at the threshold it leaves, vetoes among them', async () => {
  const fixture = await fixtureOf(standardDomain({ ubatchHysteresis: 4 }), 1);
  const rows = fixture.local.map(
    ({ row }) =>
      (name: VoteWord) =>
        row[word(VOTE_WORDS, name)],
  );
  const held = rows.filter((vote) => vote('tokens') >= 4 && vote('tokens') < 8 && vote('canSplit') === 1);
  for (const phase of [ENUMS.PHASE.decode, ENUMS.PHASE.prefill]) {
    expect(held.filter((vote) => vote('phase') === phase).map((vote) => vote('tokens'))).toEqual(
      expect.arrayContaining([4, 5]),
    );
    expect(held.some((vote) => vote('phase') === phase && vote('ubatchVeto') !== 0)).toBe(true);
    expect(rows.some((vote) => vote('phase') === phase && vote('tokens') === 3)).toBe(true);
  }
});

describe('replicas of two', async () => {
  const fixture = await fixtureOf(standardDomain({}), 2, undefined, 2);
  const own = new Set<VoteWord>([
    'control',
    'faultCode',
    'graphMode',
    'wantsUbatches',
    'canSplit',
    'graphVeto',
    'ubatchVeto',
    'flags',
  ]);
  /** What the ranks of a replica have in common. */
  const batchOf = (row: Int32Array): string =>
    VOTE_WORDS.filter((name) => !own.has(name))
      .map((name) => row[word(VOTE_WORDS, name)])
      .join();

  test('hold one batch, in every pair of states that this batch can be in, whichever rank is in which', () => {
    const sizes = new Map<string, number>();
    for (const { row } of fixture.local) sizes.set(batchOf(row), (sizes.get(batchOf(row)) ?? 0) + 1);
    const pairs = fixture.replicas.map((states) => states.map(({ label }) => label).join(' | '));
    expect(new Set(pairs).size).toBe(pairs.length);
    expect(pairs.length).toBe([...sizes.values()].reduce((sum, size) => sum + size * size, 0));
    for (const [first, second] of fixture.replicas) expect(batchOf(first.row)).toBe(batchOf(second.row));
    expect(pairs).toContain('idle | idle, wants to leave');
    expect(pairs).toContain('idle, wants to leave | idle');
  });

  test('one rank vetoes what the other allows: graphs, micro-batches, in each phase', () => {
    for (const phase of ['decode', 'prefill', 'mixed'] as const) {
      for (const veto of ['graphVeto', 'ubatchVeto'] as const) {
        const vetoes = fixture.replicas.map((states) => states.map(({ row }) => row[word(VOTE_WORDS, veto)] !== 0));
        const ofPhase = vetoes.filter(
          (_, index) => fixture.replicas[index][0].row[word(VOTE_WORDS, 'phase')] === ENUMS.PHASE[phase],
        );
        expect(ofPhase).toContainEqual([true, false]);
        expect(ofPhase).toContainEqual([false, true]);
      }
    }
  });
});
