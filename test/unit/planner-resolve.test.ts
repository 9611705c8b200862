import { beforeAll, describe, expect, it } from 'vitest';
import {
  createPlanner,
  type DecisionValue,
  decodeKey,
  decodePlan,
  type Limits,
  type LockstepError,
  type Policy,
  type StepPlanner,
} from '../../dist/planner/index.js';
import { VOTE_WORDS } from '../../dist/planner/layout.js';
import { loadModules, type PlannerModules } from '../../dist/planner/modules.js';
import { tableOf, type VoteContext, type VoteRecord, votePlain } from '../oracles/vote-oracle.js';
import { refusedWith } from '../support/planner-session.js';
import { policyWith } from '../support/planner-setup.js';

/** Decodes and prefill lengths of one rank. */
interface Batch extends Partial<VoteContext> {
  readonly decodes?: number;
  readonly drafts?: readonly number[];
  readonly prefills?: readonly number[];
}

const IDLE: Batch = {};
/** vLLM's default sizes up to 64. */
const LADDER = [1, 2, 4, 8, 16, 24, 32, 40, 48, 56, 64];

interface Config {
  readonly policy?: Partial<Policy>;
  readonly sizes?: readonly number[];
  readonly twins?: boolean;
  readonly queryLen?: number;
  readonly keys?: readonly ReturnType<typeof decodeKey>[];
}

let modules: PlannerModules;
beforeAll(async () => {
  modules = await loadModules();
});

async function deciding(ranks: number, config: Config = {}): Promise<(batches: readonly Batch[]) => DecisionValue> {
  const limits: Partial<Limits> = { maxNumSeqs: 64, maxNumBatchedTokens: 1024, queryLen: config.queryLen ?? 1 };
  const policy = policyWith(config.policy ?? {});
  const { sizes = LADDER, twins = true } = config;
  const plan = config.keys
    ? { keys: config.keys }
    : decodePlan({ sizes, twins, policy, limits: { maxNumSeqs: 64, queryLen: limits.queryLen ?? 1 } });
  const planners = await Promise.all(
    Array.from({ length: ranks }, (_, rank) => createPlanner({ limits, policy, plan, rank, ranks, wasm: modules })),
  );
  return (batches) => {
    const table = tableOf(votesOf(planners[0], batches));
    const decisions = planners.map((planner) => decide(planner, table));
    for (const decision of decisions) expect(decision).toEqual(decisions[0]);
    return decisions[0];
  };
}

function decide(planner: StepPlanner, table: Int32Array): DecisionValue {
  planner.vote();
  try {
    return planner.resolve(table).snapshot();
  } finally {
    planner.abandon();
  }
}

function votesOf(planner: StepPlanner, batches: readonly Batch[]): VoteRecord[] {
  const { planHash, policy, plan } = planner;
  return batches.map(({ decodes = 0, drafts, prefills = [], ...intent }) => {
    const decodeLengths = drafts ?? Array.from({ length: decodes }, () => 1);
    const chunks = [
      ...decodeLengths.map((queryLen) => ({ phase: 'decode' as const, queryLen, seqLen: queryLen })),
      ...prefills.map((queryLen) => ({ phase: 'prefill' as const, queryLen, seqLen: queryLen })),
    ];
    return votePlain(chunks, { step: 0, planHash, policy, plan, ...intent });
  });
}

const gathers = (decision: DecisionValue): unknown =>
  decision.parts.map(({ gather }) => [gather.kind, ...gather.tokensPerRank]);

describe('all ranks decode', () => {
  it('sizes differ: everybody runs the graph of the ladder step above the largest', async () => {
    const decide = await deciding(3);
    const decision = decide([{ decodes: 3 }, { decodes: 17 }, { decodes: 9 }]);
    expect(decision).toMatchObject({
      run: 'full',
      reason: 'graph',
      paddedTokens: 24,
      paddedRequests: 24,
      maxTokens: 17,
    });
    expect(gathers(decision)).toEqual([['padded', 24, 24, 24]]);
  });

  it('some are idle: they run a dummy on the same graph', async () => {
    const decide = await deciding(2);
    expect(decide([IDLE, { decodes: 5 }])).toMatchObject({
      run: 'full',
      reason: 'graph',
      paddedTokens: 8,
      busyRanks: 1,
    });
  });

  it('short drafts: each request has a place for the captured query length', async () => {
    const decide = await deciding(2, { queryLen: 4, sizes: [4, 8, 16] });
    const decision = decide([{ drafts: [1, 4, 2] }, { drafts: [3] }]);
    expect(decision).toMatchObject({ run: 'full', reason: 'graph', paddedTokens: 16, paddedRequests: 4, queryLen: 4 });
  });

  it('runs the shortest captured query length that holds every draft', async () => {
    const keys = [decodeKey(8, 4, 1), decodeKey(8, 1, 1)];
    const decide = await deciding(2, { queryLen: 4, keys });
    expect(decide([{ decodes: 2 }, { decodes: 8 }])).toMatchObject({ captureKey: 1, paddedTokens: 8 });
    expect(decide([{ decodes: 2 }, { drafts: [2] }])).toMatchObject({ captureKey: 0, paddedTokens: 32 });
  });

  it('above the ladder: eager on all, each with its own count, and by how much', async () => {
    const decide = await deciding(3, { sizes: [1, 2, 4, 8, 16] });
    const decision = decide([{ decodes: 2 }, { decodes: 19 }, IDLE]);
    expect(decision).toMatchObject({
      run: 'eager',
      reason: 'above-ladder',
      reasonRank: 1,
      reasonDetail: 3,
      captureKey: -1,
    });
    expect(gathers(decision)).toEqual([['variable', 2, 19, 1]]);
  });

  it('a draft longer than any captured one: eager, naming the length', async () => {
    const decide = await deciding(2, { queryLen: 4, keys: [decodeKey(64, 2, 1)] });
    const decision = decide([{ drafts: [1] }, { drafts: [2, 3] }]);
    expect(decision).toMatchObject({ run: 'eager', reason: 'no-key-for-query-length', reasonRank: 1, reasonDetail: 3 });
  });

  it('no graph at all: eager, as a phase without keys', async () => {
    const decide = await deciding(2, { sizes: [] });
    expect(decide([{ decodes: 1 }, IDLE])).toMatchObject({
      run: 'eager',
      reason: 'no-key-for-phase',
      reasonRank: 0,
      reasonDetail: 1,
    });
  });

  it('gives each variant its own graph, and none where the ranks differ', async () => {
    const keys = [8, 16].flatMap((requests) => [
      decodeKey(requests, 1, 1),
      { ...decodeKey(requests, 1, 1), variant: 3 },
    ]);
    const decide = await deciding(2, { keys });
    expect(
      decide([
        { decodes: 2, variant: 3 },
        { decodes: 9, variant: 3 },
      ]),
    ).toMatchObject({ captureKey: 3, variant: 3 });
    expect(decide([{ decodes: 2, variant: 3 }, IDLE])).toMatchObject({ captureKey: 1, variant: 3 });
    expect(decide([{ decodes: 2 }, { decodes: 9, variant: 3 }])).toMatchObject({
      reason: 'no-key-for-variant',
      reasonDetail: -1,
      variant: -1,
    });
    expect(decide([{ decodes: 2, variant: 4 }, IDLE])).toMatchObject({
      run: 'eager',
      reason: 'no-key-for-variant',
      reasonDetail: 4,
    });
    expect(decide([{ decodes: 17, variant: 4 }, IDLE])).toMatchObject({
      reason: 'no-key-for-variant',
      reasonDetail: 4,
    });
  });

  it('above the ladder of a variant, whatever another one holds', async () => {
    const keys = [decodeKey(8, 1, 1), { ...decodeKey(2, 1, 1), variant: 1 }];
    const decide = await deciding(2, { keys });
    expect(
      decide([
        { decodes: 1, variant: 1 },
        { decodes: 4, variant: 1 },
      ]),
    ).toMatchObject({
      run: 'eager',
      reason: 'above-ladder',
      reasonRank: 1,
      reasonDetail: 2,
    });
    expect(decide([{ decodes: 9 }, IDLE])).toMatchObject({ reason: 'above-ladder', reasonRank: 0, reasonDetail: 1 });
  });

  it('votes the padding of its own variant', async () => {
    const plan = { keys: [decodeKey(8, 1, 1), { ...decodeKey(2, 1, 1), variant: 1 }, decodeKey(1, 1, 1)] };
    const planner = await createPlanner({ plan, wasm: modules, limits: { maxModelLen: 64 } });
    const padded = [0, 1, 2].map((variant) => {
      for (let block = 1; block <= 2; block++) {
        planner.requests.schedule(planner.requests.add({ blockIds: [block] }), { phase: 'decode', queryLen: 1 });
      }
      const tokens = planner.vote({ variant })[VOTE_WORDS.indexOf('paddedTokens')];
      planner.abandon();
      return tokens;
    });
    expect(padded).toEqual([8, 2, 2]);
  });
});

describe('micro-batches', () => {
  const policy = { ubatches: 2, ubatchThresholdDecode: 26 };

  it('two ranks with 25 to 30 decodes each never run eager', async () => {
    const decide = await deciding(2, { policy });
    for (let a = 25; a <= 30; a++) {
      for (let b = 25; b <= 30; b++) {
        const decision = decide([{ decodes: a }, { decodes: b }]);
        const wishes = Number(a >= 26) + Number(b >= 26);
        const reason = ['graph', 'plain-twin', 'graph-ubatched'][wishes];
        expect(decision).toMatchObject({
          run: 'full',
          reason,
          paddedTokens: 32,
          ubatchWishes: wishes,
          plainTwin: wishes === 1,
        });
        expect(decision.parts.map(({ paddedTokens }) => paddedTokens)).toEqual(wishes === 2 ? [16, 16] : [32]);
      }
    }
  });

  it('without plain twins they run eager wherever one of them holds 25', async () => {
    const decide = await deciding(2, { policy, twins: false });
    for (let a = 25; a <= 30; a++) {
      for (let b = 25; b <= 30; b++) {
        const decision = decide([{ decodes: a }, { decodes: b }]);
        if (a > 25 && b > 25) expect(decision).toMatchObject({ run: 'full', reason: 'graph-ubatched' });
        else
          expect(decision).toMatchObject({
            run: 'eager',
            reason: 'no-plain-twin',
            reasonRank: a === 25 ? 0 : 1,
            reasonDetail: 32,
          });
      }
    }
  });

  it('an idle rank neither asks nor refuses, and runs a dummy in each part', async () => {
    const decide = await deciding(3, { policy });
    const decision = decide([IDLE, { decodes: 30 }, IDLE]);
    expect(decision).toMatchObject({ run: 'full', reason: 'graph-ubatched', ubatchWishes: 1, busyRanks: 1 });
    expect(gathers(decision)).toEqual([
      ['padded', 16, 16, 16],
      ['padded', 16, 16, 16],
    ]);
  });

  it('a rank whose ubatches are vetoed gets the plain twin for all', async () => {
    const decide = await deciding(2, { policy });
    const decision = decide([{ decodes: 30 }, { decodes: 30, ubatchVeto: 'shared-block' }]);
    expect(decision).toMatchObject({ reason: 'plain-twin', reasonRank: 1, plainTwin: true });
  });

  it('agreed at a size that has no ubatched key: the plain graph, and not a twin', async () => {
    const keys = [decodeKey(32, 1, 1), decodeKey(16, 1, 2)];
    const decide = await deciding(2, { policy, keys });
    expect(decide([{ decodes: 30 }, { decodes: 28 }])).toMatchObject({
      reason: 'plain-only',
      plainTwin: false,
      reasonRank: -1,
    });
  });

  it('cuts parts of a graph at whole requests and at the token alignment', async () => {
    const aligned = { ubatches: 3, ubatchThresholdDecode: 1, tokenAlignment: 4 };
    const decide = await deciding(2, { policy: aligned, queryLen: 2, sizes: [40] });
    const decision = decide([{ drafts: Array.from({ length: 18 }, () => 2) }, IDLE]);
    expect(decision.parts.map(({ paddedTokens }) => paddedTokens)).toEqual([12, 12, 16]);
  });
});

describe('prefills', () => {
  it('prefill, or prefill beside decode, runs eager on all: no key for the phase', async () => {
    const decide = await deciding(3);
    expect(decide([{ prefills: [7] }, { prefills: [5, 6] }, IDLE])).toMatchObject({
      run: 'eager',
      reason: 'no-key-for-phase',
      phase: 'prefill',
      reasonRank: 0,
    });
    const mixed = decide([{ decodes: 4 }, { decodes: 1, prefills: [9] }, IDLE]);
    expect(mixed).toMatchObject({
      run: 'eager',
      reason: 'no-key-for-phase',
      phase: 'mixed',
      reasonRank: 1,
      paddedTokens: 10,
    });
    expect(gathers(mixed)).toEqual([['variable', 4, 10, 1]]);
  });

  it('rounds eager counts to the token alignment', async () => {
    const decide = await deciding(3, { policy: { tokenAlignment: 8 } });
    expect(gathers(decide([{ prefills: [9] }, { decodes: 8 }, IDLE]))).toEqual([['variable', 16, 8, 8]]);
  });

  it('agreed micro-batches also run eager, each part of the largest size', async () => {
    const decide = await deciding(2, { policy: { ubatches: 2, ubatchThresholdPrefill: 10 } });
    const decision = decide([{ prefills: [20] }, { prefills: [30] }]);
    expect(decision).toMatchObject({ run: 'eager', reason: 'no-key-for-phase', paddedTokens: 30 });
    expect(gathers(decision)).toEqual([
      ['padded', 15, 15],
      ['padded', 15, 15],
    ]);
  });

  it('a part that is all padding somewhere: a dummy, or no cut, as the policy says', async () => {
    const policy = { ubatches: 2, ubatchThresholdPrefill: 10 };
    const dummy = await deciding(2, { policy });
    expect(gathers(dummy([{ prefills: [20] }, IDLE]))).toEqual([
      ['padded', 10, 10],
      ['padded', 10, 10],
    ]);
    const plain = await deciding(2, { policy: { ...policy, eagerEmptyPart: 'plain' } });
    expect(gathers(plain([{ prefills: [20] }, IDLE]))).toEqual([['variable', 20, 1]]);
  });
});

describe('vetoes, idling and faults', () => {
  it('a veto of one busy rank wins for all, with its reason; an idle rank has nothing to veto', async () => {
    const decide = await deciding(3);
    const decision = decide([
      { decodes: 3 },
      { decodes: 2, graphVeto: 'cascade-attention' },
      { decodes: 1, graphVeto: 'other' },
    ]);
    expect(decision).toMatchObject({ run: 'eager', reason: 'vetoed', reasonRank: 1, reasonDetail: 3 });
    expect(decide([{ decodes: 3 }, { graphVeto: 'other' }, IDLE])).toMatchObject({ run: 'full', reason: 'graph' });
  });

  it('enforceEager runs no graph', async () => {
    const decide = await deciding(2, { policy: { enforceEager: true } });
    expect(decide([IDLE, { decodes: 2 }])).toMatchObject({ run: 'eager', reason: 'enforce-eager', reasonRank: 1 });
  });

  it('all idle: park, until every rank wishes to leave', async () => {
    const decide = await deciding(3);
    const parked = { run: 'park', parts: [], paddedTokens: 0, busyRanks: 0, captureKey: -1, phase: 'idle' };
    expect(decide([IDLE, IDLE, IDLE])).toMatchObject({ ...parked, reason: 'all-idle', leave: false });
    expect(decide([{ leave: true }, IDLE, { leave: true }])).toMatchObject({
      ...parked,
      reason: 'all-idle',
      leave: false,
    });
    expect(decide([{ leave: true }, { leave: true }, { leave: true }])).toMatchObject({
      ...parked,
      reason: 'leave',
      leave: true,
    });
  });

  it('a rank with work keeps everybody, whoever wishes to leave', async () => {
    const decide = await deciding(2);
    expect(decide([{ leave: true }, { decodes: 1, leave: true }])).toMatchObject({ run: 'full', leave: false });
  });

  it('a fault reaches every rank, with its codes', async () => {
    const decide = await deciding(4);
    const error = refusedWith('ERR_RANK_FAULT', () =>
      decide([{ fault: 5 }, { decodes: 2 }, IDLE, { fault: 9, decodes: 1 }]),
    );
    expect(error.details).toMatchObject({ ranks: [0, 3], codes: [5, 9] });
    expect(error.message).toContain('Rank 0, 3');
    expect(error.message).toContain('end all ranks');
  });

  it.each<[string, Partial<VoteRecord>]>([
    ['version', { version: 99 }],
    ['step', { step: 4 }],
    ['plan', { planHash: 12345 }],
    ['limits', { tokens: 5 }],
    ['limits', { decodeRequests: 2000 }],
  ])('a vote of another %s is refused, naming its rank', async (what, words) => {
    const planner = await createPlanner({ ranks: 3, wasm: modules, limits: { maxModelLen: 64 } });
    const votes = votesOf(planner, [{ decodes: 2 }, { decodes: 3 }, { decodes: 1 }]);
    const table = tableOf(votes.map((vote, rank) => (rank === 2 ? { ...vote, ...words } : vote)));
    const error: LockstepError = refusedWith('ERR_RANKS_DIVERGED', () => decide(planner, table));
    expect(error.details).toMatchObject({ what, ranks: [2] });
  });

  it.each<[string, Partial<VoteRecord>, number[]]>([
    ['control (0 run, 1 leave, 2 fault) by rank is 0, 7', { control: 7 }, [0, 7]],
    ['control (0 run, 1 leave, 2 fault) by rank is 0, -1', { control: -1 }, [0, -1]],
    ['maxNumBatchedTokens 8192) by rank is 2, 9000', { tokens: 9000, part0Tokens: 9000 }, [2, 9000]],
    ['tokens (at least one a request', { tokens: 2, part0Tokens: 2 }, [2, 2]],
    ['decodeRequests (of maxNumSeqs 256 requests in all) by rank is 2, 257', { decodeRequests: 257 }, [2, 257]],
    ['prefillRequests (of maxNumSeqs 256', { prefillRequests: -1 }, [0, -1]],
    ['the tokens of all parts (as many as tokens: 2, 3) by rank is 2, 4', { part1Tokens: 1 }, [2, 4]],
  ])('names the word of a vote that cannot be one: %s', async (said, words, values) => {
    const planner = await createPlanner({ ranks: 2, wasm: modules, limits: { maxModelLen: 64 } });
    const [first, second] = votesOf(planner, [{ decodes: 2 }, { decodes: 3 }]);
    const table = tableOf([first, { ...second, ...words }]);
    const error = refusedWith('ERR_RANKS_DIVERGED', () => decide(planner, table));
    expect(error.message).toContain(said);
    expect(error.details).toMatchObject({ what: 'limits', ranks: [1], values });
  });

  it.each<[string, number[], number[]]>([
    ['of two', [0, 1], [0, 1]],
    ['where all differ', [0, 1, 2], [0, 1, 2]],
    ['where as many say one as another', [1, 0, 1, 0], [0, 1, 2, 3]],
    ['but those in the majority', [0, 5, 0, 6], [1, 3]],
  ])('names every rank that may be wrong: all %s', async (_name, steps, ranks) => {
    const decide = await deciding(steps.length);
    const error = refusedWith('ERR_RANKS_DIVERGED', () => decide(steps.map((step) => ({ step }))));
    expect(error.details).toMatchObject({ what: 'step', values: steps, ranks });
  });

  it('a fault does not hide a rank that is elsewhere', async () => {
    const decide = await deciding(3);
    const error = refusedWith('ERR_RANKS_DIVERGED', () => decide([{ fault: 5 }, { step: 1 }, IDLE]));
    expect(error.details).toMatchObject({ what: 'step', ranks: [1], values: [0, 1, 0] });
  });
});
