import { describe, expect, it } from 'vitest';
import { createPlanner, decodeKey, type KeyCandidate, mixedKey, piecewiseKey } from '../../../dist/entry/planner.js';
import { refusedWith } from '../../support/expectations.js';
import { type Batch, IDLE, ranksOf } from '../../support/planner-deciding.js';

const keys = [
  decodeKey(8, 1, 1),
  decodeKey(16, 1, 1),
  decodeKey(16, 1, 2),
  decodeKey(32, 1, 1),
  { ...decodeKey(16, 1, 1), variant: 1 },
  decodeKey(8, 2, 1),
  mixedKey(32, 2, 8, 1),
  piecewiseKey(16),
];

/** Verdicts of the keys above on two ranks, with the detail where there is one. */
async function verdicts(batches: readonly Batch[]): Promise<string[]> {
  const { candidates } = await ranksOf(2, {
    keys,
    queryLen: 2,
    policy: { ubatches: 2, ubatchThresholdDecode: 13 },
  });
  return candidates(batches).map(({ verdict, detail }) => (detail === 0 ? verdict : `${verdict} ${detail}`));
}

describe('candidates', () => {
  it('of a step of decodes: one is chosen, each other says what it lacks', async () => {
    expect(await verdicts([{ decodes: 10 }, { decodes: 12 }])).toEqual([
      'tokens 4',
      'chosen',
      'ubatches-not-agreed',
      'larger',
      'variant',
      'query-length',
      'phase',
      'full-preferred',
    ]);
  });

  it('of a step in micro-batches: plain keys are not ubatched', async () => {
    const found = await verdicts([{ decodes: 13 }, { decodes: 14 }]);
    expect(found.slice(0, 4)).toEqual(['tokens 6', 'not-ubatched', 'chosen', 'not-ubatched']);
  });

  it('of a step of drafts: too few requests, and lengths that are too short', async () => {
    const found = await verdicts([{ drafts: [2, 2] }, { drafts: Array.from({ length: 9 }, () => 1) }]);
    expect(found).toEqual([...Array.from({ length: 5 }, () => 'query-length 1'), 'requests 1', 'phase', 'chosen']);
  });

  it('of a step with prefills: slots, tokens and padding', async () => {
    const phase = Array.from({ length: 6 }, () => 'phase');
    expect(await verdicts([{ prefills: [17] }, IDLE])).toEqual([...phase, 'chosen', 'tokens 1']);
    expect(await verdicts([{ prefills: [5, 5, 5] }, IDLE])).toEqual([...phase, 'prefill-requests 1', 'chosen']);
    expect(await verdicts([{ prefills: [7], decodes: 2 }, IDLE])).toEqual([...phase, 'padding-factor 14', 'chosen']);
    expect(await verdicts([{ prefills: [4], drafts: [2, 2] }, IDLE])).toEqual([...phase, 'query-length 1', 'chosen']);
    expect(await verdicts([{ prefills: [4], decodes: 10 }, IDLE])).toEqual([...phase, 'requests 1', 'chosen']);
  });

  it('of a step without a graph: none was looked at', async () => {
    const eager = Array.from({ length: 8 }, () => 'step-eager');
    expect(await verdicts([{ decodes: 4, graphVeto: 'other' }, IDLE])).toEqual(eager);
    expect(await verdicts([IDLE, IDLE])).toEqual(eager);
  });

  it('by the least mode: full graphs are of a mode that some rank did not find', async () => {
    const policy = { graphAgreement: 'min-mode', mixedGraphs: 'never' } as const;
    const { candidates } = await ranksOf(2, { keys: [decodeKey(8, 1, 1), piecewiseKey(16)], policy });
    const found = candidates([{ decodes: 4 }, { decodes: 9 }]).map(({ verdict }) => verdict);
    expect(found).toEqual(['mode', 'chosen']);
  });

  it('are values that last, and describe the last decision until another is made or the keys change', async () => {
    const planner = await createPlanner({ plan: { keys: keys.slice(0, 1) }, limits: { maxModelLen: 64 } });
    refusedWith('ERR_STEP_ORDER', () => planner.candidates());
    const row = planner.requests.add({ blockIds: [1] });
    planner.requests.schedule(row, { phase: 'decode', queryLen: 1 });
    planner.vote();
    refusedWith('ERR_STEP_ORDER', () => planner.candidates());
    planner.resolve(planner.table);
    const chosen: KeyCandidate[] = [{ key: 0, verdict: 'chosen', detail: 0 }];
    const candidates = planner.candidates();
    expect(candidates).toEqual(chosen);
    planner.build(planner.decision);
    expect(planner.candidates()).toEqual(chosen);
    // The next vote asks the same rules about another batch, and leaves what they said of the last table.
    planner.requests.schedule(row, { phase: 'prefill', queryLen: 2, lastChunk: true });
    planner.vote();
    expect(planner.candidates()).toEqual(chosen);
    planner.abandon();
    planner.build(planner.resolve(planner.vote()));
    expect(planner.candidates()).toEqual([{ key: 0, verdict: 'step-eager', detail: 0 }]);
    expect(candidates).toEqual(chosen);
    expect(() => Object.assign(candidates[0], { verdict: 'larger' })).toThrow(TypeError);
    planner.keepKeys([]);
    refusedWith('ERR_STEP_ORDER', () => planner.candidates());
    planner.dispose();
    refusedWith('ERR_DISPOSED', () => planner.candidates());
  });
});
