import { beforeAll, describe, expect, test } from 'vitest';
import { exploreCapture } from '../../../dist/check/capture-model.js';
import { checkPolicy, HISTORICAL, planDomain, standardDomain } from '../../../dist/check/index.js';
import type { Property } from '../../../dist/check/properties.js';
import { engineCapture } from '../../../dist/engines/index.js';
import { decodeKey } from '../../../dist/keys/capture-key.js';
import { DECISION_WORDS, decisionPart, ENUMS, PART_WORDS, VOTE_WORDS, word } from '../../../dist/layout/layout.js';
import { completeCheckedPolicy } from '../../../dist/policy/policy.js';
import {
  type CheckFixture,
  fixtureOf,
  judgeTable,
  pairOver,
  placeTable,
  resolveTable,
  stateCalled,
} from '../../support/check-fixture.js';

/** Changes one word of the decision or of a vote after the ranks have agreed. */
type Tampering = readonly [what: string, tamper: (fixture: CheckFixture) => void, broken: readonly Property[]];

const decisionWord =
  (name: (typeof DECISION_WORDS)[number], value: number) =>
  ({ rules }: CheckFixture): void => {
    rules.decision.words[word(DECISION_WORDS, name)] = value;
  };
const partWord =
  (part: number, name: (typeof PART_WORDS)[number], value: number) =>
  ({ rules }: CheckFixture): void => {
    rules.decision.words[decisionPart(part, rules.ranks) + word(PART_WORDS, name)] = value;
  };
const rows =
  (part: number, rank: number, value: number) =>
  ({ rules }: CheckFixture): void => {
    rules.decision.words[decisionPart(part, rules.ranks) + PART_WORDS.length + rank] = value;
  };
const voteWord =
  (rank: number, name: (typeof VOTE_WORDS)[number], value: number) =>
  ({ rules }: CheckFixture): void => {
    rules.table[rank * VOTE_WORDS.length + word(VOTE_WORDS, name)] = value;
  };
const all =
  (...steps: readonly ((fixture: CheckFixture) => void)[]) =>
  (fixture: CheckFixture): void => {
    for (const step of steps) step(fixture);
  };

async function agreed(
  labels: readonly string[],
  policy: Parameters<typeof standardDomain>[0] = {},
): Promise<CheckFixture> {
  const fixture = await fixtureOf(standardDomain(policy), labels.length);
  placeTable(
    fixture,
    labels.map((label) => stateCalled(fixture, label)),
  );
  expect(resolveTable(fixture)).toBe(ENUMS.RESOLVE.ok);
  return fixture;
}

function breaks(start: () => Promise<CheckFixture>, tamperings: readonly Tampering[]): void {
  let fixture: CheckFixture;
  beforeAll(async () => {
    fixture = await start();
  });
  test('as the ranks agreed, nothing is broken', () => {
    resolveTable(fixture);
    expect(judgeTable(fixture)).toEqual([]);
  });
  test.each(tamperings)('%s', (_what, tamper, broken) => {
    const table = fixture.rules.table.slice();
    resolveTable(fixture);
    tamper(fixture);
    expect(judgeTable(fixture)).toEqual(broken);
    fixture.rules.table.set(table);
  });
}

describe('a graph of 8 tokens, 3 decodes beside an idle rank', () => {
  breaks(
    () => agreed(['3 decodes of 2 tokens', 'idle']),
    [
      ['P2: one rank leaves the others', decisionWord('leave', 1), ['P2']],
      ['P2: a rank had a fault', voteWord(1, 'control', ENUMS.CONTROL.fault), ['P2']],
      ['P3, P4: no row for the idle rank', rows(0, 1, 0), ['P3', 'P4']],
      ['P4: another kind of gather', partWord(0, 'gather', ENUMS.GATHER.variable), ['P4']],
      ['P4: no gather at all', partWord(0, 'gather', ENUMS.GATHER.none), ['P4']],
      ['P5: a rank holds more than the graph', voteWord(0, 'tokens', 9), ['P4', 'P5', 'P9']],
      ['P5, P9: fewer requests than captured', decisionWord('paddedRequests', 2), ['P5', 'P9']],
      ['P9: a request longer than its slot', voteWord(0, 'maxQueryLen', 3), ['P9']],
      ['P9: a prefill in a graph without prefill slots', voteWord(0, 'prefillRequests', 1), ['P9']],
      ['P9: more decodes than slots', voteWord(0, 'decodeRequests', 5), ['P5', 'P9']],
      ['P9: another variant', voteWord(0, 'variant', 1), ['P9']],
      ['P9: a rank forbids graphs', voteWord(0, 'graphVeto', 1), ['P9']],
      ['P9: another graph than the sizes say', decisionWord('captureKey', 4), ['P9']],
      ['P9: a graph of another mode', decisionWord('run', ENUMS.RUN.piecewise), ['P9']],
      ['P9: no graph at all', decisionWord('captureKey', -1), ['P9']],
      ['P3: a part that no rank has', decisionWord('parts', 2), ['P3', 'P4', 'P9']],
      [
        'P5: parked with work to do',
        all(
          decisionWord('run', 0),
          decisionWord('paddedTokens', 0),
          decisionWord('parts', 0),
          decisionWord('captureKey', -1),
        ),
        ['P5'],
      ],
      [
        'P6: eager, where the graph holds the batch',
        all(
          decisionWord('run', ENUMS.RUN.eager),
          decisionWord('captureKey', -1),
          partWord(0, 'gather', ENUMS.GATHER.variable),
          rows(0, 0, 6),
          rows(0, 1, 1),
        ),
        ['P6'],
      ],
    ],
  );
});

describe('a graph of 8 tokens in two micro-batches', () => {
  breaks(
    () => agreed(['4 decodes of 2 tokens', '4 decodes of 2 tokens']),
    [
      ['P3: a part without a token', all(...[0, 1].flatMap((rank) => [rows(0, rank, 0), rows(1, rank, 8)])), ['P3']],
      ['P3: parts that do not make up the graph', all(rows(0, 0, 6), rows(0, 1, 6)), ['P3']],
      ['P4: the second part gathers otherwise', partWord(1, 'gather', ENUMS.GATHER.variable), ['P4']],
      ['P9: a cut inside a window', partWord(0, 'paddedTokens', 3), ['P9']],
      ['P9: the plain twin, cut', decisionWord('captureKey', 3), ['P9']],
      ['P11: a rank forbids the cut', voteWord(1, 'ubatchVeto', 2), ['P11']],
    ],
  );
});

describe('eager micro-batches, sized by the largest of each part', () => {
  breaks(
    () => agreed(['1 prefill of 33 tokens', '1 prefill of 35 tokens']),
    [
      [
        'P4: a part too short for a rank, and one too long',
        all(...[0, 1].flatMap((rank) => [rows(0, rank, 16), rows(1, rank, 20)])),
        ['P4'],
      ],
      ['P3: a part that runs on one rank alone', all(rows(0, 0, 0), rows(0, 1, 0)), ['P3', 'P4']],
      ['P4: a sum of parts', partWord(0, 'gather', ENUMS.GATHER.sum), ['P4']],
    ],
  );
});

describe('eager with an alignment of 2', () => {
  breaks(
    () => agreed(['1 decode of 1 token, vetoes graphs', 'idle'], { tokenAlignment: 2 }),
    [
      ['P5: rows that the ranks of a tensor group cannot share', rows(0, 1, 3), ['P5']],
      ['P3: the idle rank brings nothing', rows(0, 1, 0), ['P3']],
    ],
  );
});

describe('an exclusive resource', () => {
  breaks(
    () => agreed(['4 decodes of 2 tokens', '4 decodes of 2 tokens'], { exclusiveResources: ['custom-all-gather'] }),
    [['P11: parts overlap on it', decisionWord('overlap', 1), ['P11']]],
  );
});

describe('all ranks wish to leave', () => {
  breaks(
    () => agreed(['idle, wants to leave', 'idle, wants to leave']),
    [
      ['P2: they park for ever', decisionWord('leave', 0), ['P2']],
      ['P2: one of them does not', voteWord(1, 'control', 0), ['P2']],
    ],
  );
});

describe('pairs of policy and plan', () => {
  const named = (name: string): (typeof HISTORICAL)[number] =>
    HISTORICAL.find((policy) => policy.name === name) as (typeof HISTORICAL)[number];

  test.each<[Property, Parameters<typeof checkPolicy>[0]['pair']]>([
    ['P1', standardDomain({ prepare: 'local' })],
    ['P2', standardDomain({ partSizes: 'local' })],
    ['P2', standardDomain({ captureGuard: 'none' })],
    // Two requests in two parts, at an alignment of two requests: no planner would capture it.
    ['P3', pairOver({ tokenAlignment: 4, ubatchThresholdDecode: 4 }, () => [decodeKey(2, 2, 2)])],
    ['P4', standardDomain({ partSizes: 'local' })],
    ['P5', standardDomain({ prepare: 'local' })],
    ['P6', standardDomain({ twins: false })],
    ['P6', standardDomain({ mixedGraphs: 'one-rank', ubatches: 1 }, { piecewise: false })],
    ['P9', named('megatron-before-3509').pair('before')],
    ['P10', standardDomain({ ubatchCaptureMinRequests: 1, ubatchThresholdDecode: 3, ubatchMinRequests: 4 })],
    ['P10', standardDomain({ enforceEager: true })],
    ['P11', standardDomain({ exclusiveResources: ['side-stream'], onSharedResource: 'overlap' })],
  ])('%s is found to be broken', async (property, pair) => {
    const { violations, complete } = await checkPolicy({ pair });
    expect(complete).toBe(true);
    expect(violations.map((violation) => violation.property)).toContain(property);
  });
});

test.each(['agreed', 'any-step', 'decodes'] as const)(
  'every property holds with mixedGraphs %s',
  async (mixedGraphs) => {
    const pair = standardDomain({ mixedGraphs });
    const { violations, complete } = await checkPolicy({ pair });
    expect(complete).toBe(true);
    expect(violations).toEqual([]);
    const kinds = new Set(pair.plan.keys.map((key) => key.prefillRequests > 0));
    expect(kinds).toContain(true);
  },
);

test.each([
  { graphMode: 'FULL_DECODE_ONLY', adaptiveVerification: true, queryLen: 2, maxNumSeqs: 16, sizes: [4, 8, 12, 24, 32] },
  // Three decodes of three tokens, or of which one is shortened to one, are not 8 tokens.
  { graphMode: 'FULL_AND_PIECEWISE', adaptiveVerification: true, queryLen: 3, maxNumSeqs: 4, sizes: [6, 7, 8, 9] },
  { graphMode: 'FULL', queryLen: 3, maxNumSeqs: 4, sizes: [3, 5, 8] },
] as const)('every graph in which decodes may have any length is reached: %j', async (more) => {
  const { keys, policy, profile } = engineCapture({ engine: 'vllm', maxNumBatchedTokens: 64, ...more });
  const { maxNumSeqs, maxNumBatchedTokens, queryLen } = profile;
  const pair = planDomain(policy, { keys }, { maxNumSeqs, maxNumBatchedTokens, queryLen });
  const { violations, complete } = await checkPolicy({ pair, ranks: 1 });
  expect(complete).toBe(true);
  expect(violations).toEqual([]);
  // Decodes alone fill each, and are one token below and above it.
  const { local } = await fixtureOf(pair, 1);
  const decodes = local.filter(({ row }) => row[word(VOTE_WORDS, 'phase')] === ENUMS.PHASE.decode);
  const tokens = new Set(decodes.map(({ row }) => row[word(VOTE_WORDS, 'tokens')]));
  const most = maxNumSeqs * queryLen;
  for (const key of keys.filter(({ prefillRequests }) => prefillRequests > 0)) {
    for (const near of [key.tokens - 1, key.tokens, key.tokens + 1]) if (near <= most) expect(tokens).toContain(near);
  }
});

test('the guard: all or none enter a capture, whatever room each has', () => {
  const { keys } = standardDomain({}).plan;
  for (let ranks = 1; ranks <= 8; ranks++) {
    const { states, violations } = exploreCapture(keys, completeCheckedPolicy(), ranks);
    expect(violations).toEqual([]);
    expect(states).toBe(keys.length * (ranks + 1) * 2);
  }
  const alone = exploreCapture(keys, completeCheckedPolicy({ captureGuard: 'none' }), 1);
  expect(alone.violations).toEqual([]);
});
