import { beforeEach, describe, expect, it } from 'vitest';
import {
  assertShapeContract,
  createPlanner,
  decodePlan,
  type Row,
  type StepPlanner,
  type VoteIntent,
} from '../../../dist/entry/planner.js';
import { VOTE_WORDS } from '../../../dist/layout/layout.js';
import { devicePort } from '../../../dist/planner/index.js';
import { sealTable } from '../../oracles/seal-oracle.js';
import { refusedWith } from '../../support/expectations.js';
import { policyWith } from '../../support/planner-setup.js';

const limits = { maxNumSeqs: 8, maxNumBatchedTokens: 32, maxModelLen: 64, blockSize: 8, numBlocks: 100 };
const plan = decodePlan({ sizes: [1, 2, 4, 8], limits: { maxNumSeqs: 8, queryLen: 1 }, policy: policyWith({}) });

let planner: StepPlanner;
let row: Row;

beforeEach(async () => {
  planner = await createPlanner({ limits, plan, poison: true });
  row = planner.requests.add({ blockIds: [7, 9], numComputedTokens: 8 });
});

function decodeStep(): number {
  planner.requests.schedule(row, { phase: 'decode', queryLen: 1 });
  const local = planner.build(planner.resolve(planner.vote()));
  assertShapeContract(planner.decision, local);
  return local.step;
}

describe('the order of a step', () => {
  it('is vote, resolve, build, once each', () => {
    refusedWith('ERR_STEP_ORDER', () => planner.resolve(planner.table));
    refusedWith('ERR_STEP_ORDER', () => planner.build(planner.decision));
    planner.vote();
    refusedWith('ERR_STATE_FROZEN', () => planner.vote());
    refusedWith('ERR_STEP_ORDER', () => planner.build(planner.decision));
    planner.resolve(planner.table);
    refusedWith('ERR_STEP_ORDER', () => planner.resolve(planner.table));
    refusedWith('ERR_STATE_FROZEN', () => planner.vote());
    planner.build(planner.decision);
    refusedWith('ERR_STEP_ORDER', () => planner.build(planner.decision));
    expect(planner.step).toBe(1);
  });

  it('freezes the batch from vote to build', () => {
    const edits: (() => unknown)[] = [
      () => planner.requests.add({ blockIds: [3] }),
      () => planner.requests.schedule(row, { phase: 'decode', queryLen: 1 }),
      () => planner.requests.appendBlocks(row, [3]),
      () => planner.requests.advance(row, 1),
      () => planner.requests.remove(row),
      () => devicePort(planner).invalidateDeviceTable(),
      () => planner.keepKeys([0]),
    ];
    planner.vote();
    for (const edit of edits) refusedWith('ERR_STATE_FROZEN', edit);
    planner.resolve(planner.table);
    for (const edit of edits) refusedWith('ERR_STATE_FROZEN', edit);
    planner.build(planner.decision);
    expect(decodeStep()).toBe(1);
  });

  it('goes on after a step that was given up, before or after its decision', () => {
    expect(decodeStep()).toBe(0);
    planner.vote();
    planner.abandon();
    expect(decodeStep()).toBe(1);
    planner.requests.schedule(row, { phase: 'decode', queryLen: 1 });
    planner.resolve(planner.vote());
    planner.abandon();
    expect(planner.scheduledTokens).toBe(0);
    expect(decodeStep()).toBe(2);
    expect(planner.local.tensors.slotMapping[0]).toBe(72n);
  });

  it('takes a vote back, and votes the same batch again, or an edited one', () => {
    const another = planner.requests.add({ blockIds: [5] });
    for (const ends of [1, 2]) {
      planner.requests.schedule(row, { phase: 'decode', queryLen: 1 });
      const vote = planner.vote().slice();
      planner.retract();
      expect([planner.frozen, planner.scheduledTokens]).toEqual([false, 1]);
      expect([...planner.vote()]).toEqual([...vote]);
      planner.retract();
      if (ends === 2) planner.requests.schedule(another, { phase: 'decode', queryLen: 1 });
      expect(planner.build(planner.resolve(planner.vote())).tokens).toBe(ends);
    }
    refusedWith('ERR_STEP_ORDER', () => planner.retract());
    planner.resolve(planner.vote());
    refusedWith('ERR_STEP_ORDER', () => planner.retract());
  });

  it('takes only the decision of its own planner', async () => {
    const other = await createPlanner({ limits, plan });
    const decision = other.resolve(other.vote());
    planner.resolve(planner.vote());
    refusedWith('ERR_STALE_VIEW', () => planner.build(decision));
    expect(planner.build(planner.decision).step).toBe(0);
  });

  it('follows the previous decision, its own or a given one', async () => {
    decodeStep();
    const before = planner.decision.snapshot();
    const table = planner.vote().slice();
    const hash = table[VOTE_WORDS.indexOf('decisionHash')];
    table[1] = 7;
    const error = refusedWith('ERR_RANKS_DIVERGED', () => planner.resolve(sealTable(table, hash)));
    expect(error.details).toMatchObject({ what: 'previous', values: [7] });
    expect(planner.decision.snapshot()).toEqual(before);
    const pair = await createPlanner({ limits, plan, ranks: 2 });
    refusedWith('ERR_INPUT_INVALID', () => planner.resolve(planner.table, pair.decision));
    table[1] = 1;
    expect(planner.resolve(sealTable(table, hash), null).step).toBe(1);
  });

  it('refuses a table of another number of ranks', () => {
    planner.vote();
    const error = refusedWith('ERR_INPUT_INVALID', () => planner.resolve(new Int32Array(64)));
    expect(error.details).toEqual({ words: 64, expected: 32 });
    expect(planner.build(planner.resolve(planner.table)).step).toBe(0);
  });

  it('is not built from a table whose own row is another than was voted', async () => {
    const own = await createPlanner({ limits, plan, ranks: 2, rank: 0, poison: true });
    const peer = await createPlanner({ limits, plan, ranks: 2, rank: 1 });
    const rows = Array.from({ length: 8 }, (_, index) =>
      own.requests.add({ blockIds: [index + 1], numComputedTokens: 4 }),
    );
    for (const each of rows) own.requests.schedule(each, { phase: 'decode', queryLen: 1 });
    const votes = [own.vote().slice(), peer.vote().slice()];

    // As if this rank held one decode: its other tokens would never be computed.
    const short = Int32Array.from([...votes[0], ...votes[1]]);
    for (const name of ['tokens', 'decodeRequests', 'part0Tokens'] as const) short[VOTE_WORDS.indexOf(name)] = 1;
    expect(own.resolve(sealTable(short)).paddedTokens).toBe(1);
    const built = [own.local.paddedTokens, own.local.attentionRequests, own.local.queryLen];
    const error = refusedWith('ERR_RANKS_DIVERGED', () => own.build(own.decision));
    expect(error.details).toMatchObject({ what: 'own row', word: 'tokens', found: 1, voted: 8, ranks: [0], step: 0 });
    // The forward batch is still that of the last step that was built.
    expect([own.local.paddedTokens, own.local.attentionRequests, own.local.queryLen]).toEqual(built);
    refusedWith('ERR_STATE_FROZEN', () => own.requests.remove(rows[0]));
    own.abandon();

    // The peer's row in this one's place, gathered into the planner's own table.
    for (const each of rows) own.requests.schedule(each, { phase: 'decode', queryLen: 1 });
    own.vote();
    own.table.set([...votes[1], ...votes[0]]);
    expect(refusedWith('ERR_RANKS_DIVERGED', () => own.resolve(own.table)).details).toMatchObject({ ranks: [0, 1] });
    own.resolve(sealTable(own.table));
    refusedWith('ERR_RANKS_DIVERGED', () => own.build(own.decision));
    own.abandon();

    // A veto that got lost on the way.
    own.vote({ graphVeto: 'other' });
    own.table.set([...votes[1], ...votes[1]]);
    own.resolve(sealTable(own.table));
    expect(refusedWith('ERR_RANKS_DIVERGED', () => own.build(own.decision)).details.word).toBe('graphVeto');
    own.abandon();

    for (const each of rows) own.requests.schedule(each, { phase: 'decode', queryLen: 1 });
    own.vote();
    own.table.set([...votes[0], ...votes[1]]);
    expect(own.build(own.resolve(own.table)).tokens).toBe(8);
    assertShapeContract(own.decision, own.local);
  });

  it('says what ends a frozen batch', () => {
    planner.vote();
    const remove = (): void => planner.requests.remove(row);
    expect(refusedWith('ERR_STATE_FROZEN', remove).message).toContain('call resolve() and build() first, or abandon()');
    planner.resolve(planner.table);
    expect(refusedWith('ERR_STATE_FROZEN', remove).message).toContain('call build() first, or abandon()');
  });

  it.each<[string, VoteIntent]>([
    ['a veto that does not exist', { graphVeto: 'embedding' as 'other' }],
    ['a veto named like a method', { ubatchVeto: 'toString' as 'other' }],
    ['half a variant', { variant: 0.5 }],
    ['a negative variant', { variant: -1 }],
    ['a fault that is not a number', { fault: Number.NaN }],
    ['a misspelled name, which would be no veto at all', { vetoGraph: 'other' } as VoteIntent],
    ['nothing', null as unknown as VoteIntent],
  ])('refuses %s before anything is frozen', (_name, intent) => {
    refusedWith('ERR_INPUT_INVALID', () => planner.vote(intent));
    expect(decodeStep()).toBe(0);
  });

  it('ends for good with dispose', () => {
    planner[Symbol.dispose]();
    const calls: (() => unknown)[] = [
      () => planner.vote(),
      () => planner.resolve(planner.table),
      () => planner.build(planner.decision),
      () => planner.requests.add({ blockIds: [3] }),
      () => planner.requests.remove(row),
      () => planner.requests.numComputedTokens(row),
      () => devicePort(planner).holdStaging(0),
      () => devicePort(planner).invalidateDeviceTable(),
      () => planner.keepKeys([0]),
    ];
    for (const call of calls) refusedWith('ERR_DISPOSED', call);
    planner.dispose();
    planner.abandon();
    refusedWith('ERR_DISPOSED', () => planner.vote());
  });
});

describe('staging sets', () => {
  it('take turns, and one that is being copied is never written', () => {
    decodeStep();
    const { details } = refusedWith('ERR_INPUT_INVALID', () => devicePort(planner).holdStaging(2));
    expect(details).toEqual({ set: 2 });
    devicePort(planner).holdStaging(planner.local.staging);
    const held = planner.local.snapshot();
    const view = planner.local.tensors;
    planner.requests.advance(row, 1);
    decodeStep();
    expect(planner.local.staging).toBe(1);
    expect(view.slotMapping[0]).toBe(held.tensors.slotMapping[0]);

    planner.requests.schedule(row, { phase: 'decode', queryLen: 1 });
    const error = refusedWith('ERR_STAGING_BUSY', () => planner.vote());
    expect(error.details).toEqual({ step: 2, staging: 0 });
    devicePort(planner).releaseStaging(0);
    const local = planner.build(planner.resolve(planner.vote()));
    expect([local.step, local.staging, local.tokens, local.tensors.positions[0]]).toEqual([2, 0, 1, 9n]);
  });

  it('snapshots outlive their turn', () => {
    decodeStep();
    const [decision, local] = [planner.decision.snapshot(), planner.local.snapshot()];
    for (let step = 0; step < 3; step++) {
      planner.requests.advance(row, 1);
      decodeStep();
    }
    expect(decision).toMatchObject({ step: 0, run: 'full', reason: 'graph' });
    expect([...local.tensors.positions]).toEqual([8n]);
    expect(() => Object.assign(decision, { step: 9 })).toThrow(TypeError);
    expect(() => Object.assign(local.parts[0], { tokens: [] })).toThrow(TypeError);
  });
});
