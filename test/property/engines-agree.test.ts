import fc from 'fast-check';
import { expect, test } from 'vitest';
import { scoreEngines } from '../../dist/capture/compare-engines.js';
import { planCosts, scheduledSteps } from '../../dist/capture/index.js';
import { ladderOf } from '../../dist/cli/planner-options.js';
import { completeLimits, draftQueryLen } from '../../dist/config.js';
import { auditKeys, auditSteps, type CountedSteps, type EngineScore, makePlan } from '../../dist/entry/capture.js';
import {
  createAtomAdapter,
  createVllmDispatcher,
  type EngineCapture,
  type EngineProfile,
  engineCapture,
  type GraphModeName,
  matchMegatronShapes,
  namedPolicy,
  type PolicyName,
} from '../../dist/entry/engines.js';
import { type SimulatedSpan, type SimulateSummary, simulate } from '../../dist/entry/run.js';
import { captureCost, generateWorkload, type RequestTable, schedulerLimits } from '../../dist/entry/workload.js';
import { VOTE_WORDS } from '../../dist/layout/index.js';
import { FULL_RUN, runs } from '../support/property-runs.js';

const memory = captureCost('trtllm-deepseek-r1');

/** A profile of any engine, of the fields that say which graphs it has. */
const profile: fc.Arbitrary<EngineProfile> = fc
  .record(
    {
      engine: fc.constantFrom('vllm', 'sglang', 'trtllm', 'megatron', 'atom'),
      runner: fc.constantFrom('v1', 'v2'),
      maxNumSeqs: fc.integer({ min: 1, max: 40 }),
      maxNumBatchedTokens: fc.integer({ min: 64, max: 700 }),
      queryLen: fc.constantFrom(1, 1, 2, 3, 4, 6),
      ubatches: fc.constantFrom(1, 1, 2, 3),
      graphMode: fc.constantFrom<GraphModeName>('NONE', 'PIECEWISE', 'FULL', 'FULL_DECODE_ONLY', 'FULL_AND_PIECEWISE'),
      attentionSupport: fc.constantFrom('never', 'uniform-single', 'uniform-batch', 'always'),
      sizes: fc.uniqueArray(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 8 }),
      maxSize: fc.integer({ min: 1, max: 60 }),
      prefillSizes: fc.uniqueArray(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 4 }),
      gpu: fc.constantFrom('h100', 'b200', 'l40s'),
      tensorParallelSize: fc.constantFrom(1, 2, 4),
      sequenceParallel: fc.boolean(),
      enforceEager: fc.constantFrom(false, false, true),
      interactive: fc.boolean(),
      numGraphs: fc.constantFrom(4, 16, -1),
      distribution: fc.constantFrom('exponential', 'linear', 'hybrid'),
      allPrefills: fc.boolean(),
      decodeOnly: fc.boolean(),
      mixedPrefills: fc.constantFrom(0, 1, 16),
      draftSchedule: fc.constantFrom([
        { maxRequests: 4, drafts: 2 },
        { maxRequests: null, drafts: 1 },
      ]),
      padding: fc.boolean(),
      maxLoras: fc.constantFrom(0, 2),
      adaptiveVerification: fc.boolean(),
      expertParallelSize: fc.constantFrom(1, 2),
      moeDispatcher: fc.constantFrom('training', 'nccl', 'nvls'),
    },
    { requiredKeys: ['engine', 'maxNumSeqs', 'maxNumBatchedTokens'] },
  )
  .map((drawn) => ({ ...drawn, maxModelLen: 400 }) as EngineProfile)
  .filter((drawn) => isPossible(drawn));

const traffic = fc.record({
  ranks: fc.constantFrom<number>(1, 1, 2, 3),
  threshold: fc.integer({ min: 1, max: 32 }),
  acceptRate: fc.constantFrom<number>(0, 0.7),
  seed: fc.integer({ min: 0, max: 1000 }),
  named: fc.boolean(),
});

interface Traffic {
  readonly ranks: number;
  readonly threshold: number;
  readonly acceptRate: number;
  readonly seed: number;
  /** Whether the engine's policy is given whole by its name, as it is by default, and not as the profile makes it. */
  readonly named: boolean;
}

/** What each way says of one engine as it is run over the same traffic. */
interface Answers {
  readonly steps: CountedSteps;
  readonly captured: EngineCapture;
  readonly rows: readonly EngineScore[];
  readonly simulated: SimulateSummary;
  readonly spans: readonly Span[];
}

/** A span of equal steps: what each rank held, and how the steps ran. */
interface Span {
  readonly count: number;
  readonly run: string;
  /** Tokens that every rank computed. */
  readonly size: number;
  readonly reason: string;
  readonly rows: readonly { tokens: number; prefills: number; decodes: number; uniform: number; longest: number }[];
}

/** One of a mode whose graphs run other steps than the policy of the engine's name says. */
const ofMode: [EngineProfile, Traffic] = [
  { engine: 'vllm', graphMode: 'FULL', maxNumSeqs: 16, maxNumBatchedTokens: 256, maxModelLen: 400 },
  { ranks: 1, threshold: 32, acceptRate: 0, seed: 1, named: true },
];

// Two thousand cases take a loaded machine long.
const PATIENCE = 1_800_000;

test(
  'plan, simulate, audit and the dispatchers count the same graphs and eager steps of a profile',
  async () => {
    const seen = { inexact: 0, sized: 0, drafted: 0, eager: 0, cut: 0, piecewise: 0, short: 0, dispatched: 0 };
    await fc.assert(
      fc.asyncProperty(profile, traffic, async (drawn, given) => {
        const answers = await answersOf(drawn, given);
        const { captured, rows, simulated, steps, spans } = answers;
        const { ranks } = given;
        const row = rows.find(({ engine }) => engine === drawn.engine);
        expect({ graphs: row?.graphs, kinds: row?.graphKinds, eager: row?.eagerSteps }).toEqual({
          graphs: simulated.graphs,
          kinds: simulated.graphKinds,
          eager: simulated.eagerDecodeSteps,
        });
        expect(row?.version).toBe(captured.profile.version);

        const { keys } = captured;
        const limits = limitsOf(captured);
        const costs = await planCosts(limits, false, null);
        const audited = await auditSteps(steps, costs, { keys, policy: captured.policy, queryLen: limits.queryLen });
        expect(auditKeys(keys, limits, memory).graphs).toBe(keys.length);
        expect(audited.eagerSteps).toBe(simulated.eagerDecodeSteps);
        expect(audited.paddingRatio).toBe(row?.paddingRatio);

        if (ranks === 1 && captured.policy.decodeMatch === 'uniform' && captured.policy.ubatches === 1) {
          expect(row?.paddingRatio).toBeCloseTo(paddingOf(spans, costs.tokens), 9);
        }

        // The graphs that `explain` looks among are those of the engine, whatever its default ladder is.
        const options = { ...limits, ladder: 'vllm', numBlocks: 2000 };
        const explained = await ladderOf(options, limits, captured.policy, { ladder: undefined, engine: drawn });
        expect(explained.plan.keys).toEqual(keys);

        const sized = await bySizes(answers, costs);
        seen.sized += sized;
        if (captured.profile.draftSchedule !== null) seen.drafted += sized;
        seen.inexact += spans.filter(({ reason }) => reason === 'no-exact-key').length;
        seen.dispatched += await dispatched(answers);
        seen.eager += simulated.eagerDecodeSteps;
        seen.cut += simulated.ubatchedSteps;
        seen.piecewise += simulated.piecewiseSteps;
        const decodes = spans.flatMap((span) => span.rows).filter(({ decodes }) => decodes > 0);
        seen.short += decodes.filter(
          ({ tokens, prefills, decodes }) => prefills === 0 && tokens < decodes * limits.queryLen,
        ).length;
      }),
      { ...runs(2000), examples: [ofMode] },
    );
    if (FULL_RUN)
      for (const [kind, count] of Object.entries(seen)) expect({ kind, some: count > 0 }).toEqual({ kind, some: true });
  },
  PATIENCE,
);

test(
  'with steps that hold a prefill, plan and simulate count the same eager steps',
  async () => {
    await fc.assert(
      fc.asyncProperty(profile, traffic, async (drawn, given) => {
        const { rows, simulated } = await answersOf(drawn, given, true);
        const row = rows.find(({ engine }) => engine === drawn.engine);
        expect(row?.eagerSteps).toBe(simulated.eagerSteps);
      }),
      runs(400),
    );
  },
  PATIENCE,
);

/** Padding over real tokens of the decodes that ran on graphs, where no decode is padded within its request. */
function paddingOf(spans: readonly Span[], cost: Float64Array): number {
  const of = (size: number): number => cost[Math.min(size, cost.length - 1)];
  let [exact, padding] = [0, 0];
  for (const { count, run, size, rows } of spans) {
    const [{ tokens, prefills, decodes }] = rows;
    if (run === 'eager' || prefills > 0 || decodes === 0) continue;
    exact += count * of(tokens);
    padding += count * (of(size) - of(tokens));
  }
  return padding > 0 ? padding / exact : 0;
}

async function answersOf(drawn: EngineProfile, given: Traffic, mixed = false): Promise<Answers> {
  const { ranks, acceptRate, seed } = given;
  const threshold = { ubatchThresholdDecode: given.threshold };
  const captured = engineCapture(drawn, threshold);
  const { name, ubatches } = captured.policy;
  const policy = given.named ? { ...namedPolicy(name as PolicyName), ubatches, ...threshold } : captured.policy;
  const limits = limitsOf(captured);
  const { draftSchedule = null } = drawn;
  const requests = workload(seed);
  const { maxNumSeqs, maxNumBatchedTokens, queryLen, maxModelLen } = limits;
  const scheduler = schedulerLimits({
    ...{ ranks, acceptRate, draftSchedule, numBlocks: 2000 },
    ...{ maxNumSeqs, maxNumBatchedTokens, queryLen, maxModelLen },
  });
  const steps = await scheduledSteps(requests, { scheduler, policy, split: 0.5 });
  const costs = await planCosts(limits, mixed, null, undefined, policy);
  const rows = await scoreEngines(
    { counts: new Float64Array(1), above: 0, mixed: mixed ? [] : null, tables: steps.tables },
    ...([costs, limits, memory, { policy, ranks, own: drawn }] as const),
  );
  // A whole plan takes longest, and its rows are those.
  if (seed % 10 === 0) {
    const whole = {
      limits,
      policy,
      costs,
      memory,
      mixed,
      ranks,
      engine: drawn,
      sizeMultiple: 1,
      include: [],
      split: 0.5,
    };
    const plan = await makePlan(steps, { ...whole, budget: { kind: 'graphs', most: 64 }, objective: 'seen' });
    expect(plan.engines).toEqual(rows);
  }
  const spans: Span[] = [];
  const simulated = await simulate(
    requests,
    { ranks, limits, policy, engine: drawn, acceptRate },
    { onSpan: (span) => void spans.push(spanOf(span)) },
  );
  return { steps, captured, rows, simulated, spans };
}

/**
 * Holds the answers that see sizes alone, as those of a log, to the rules: where one rank decodes with one length, they are the same. Gives how
 * many decodes there were.
 */
async function bySizes({ captured, spans, steps }: Answers, costs: Parameters<typeof auditSteps>[1]): Promise<number> {
  const { policy, profile: own, keys } = captured;
  const limits = limitsOf(captured);
  if (steps.tables?.tables.ranks !== 1 || policy.ubatches > 1) return 0;
  const { draftSchedule } = own;
  const lengthOf = (requests: number): number =>
    draftSchedule === null ? own.queryLen : draftQueryLen(draftSchedule, requests);
  const decodes = spans.filter(({ rows: [{ prefills, decodes }] }) => prefills === 0 && decodes > 0);
  const uniform = decodes.filter(({ rows: [row] }) => row.tokens === row.decodes * lengthOf(row.decodes));
  const { uncovered } = auditKeys(keys, { ...limits, draftSchedule }, memory, policy);
  for (const { run, rows } of uniform) {
    const { decodes: requests } = rows[0];
    const range = uncovered.find(({ from, to }) => from <= requests && requests <= to);
    // Where no graph is full, decodes on graphs of the pieces are covered.
    expect(range?.run ?? (captured.decodeSizes.length > 0 ? 'full' : 'piecewise')).toBe(run);
  }
  // Sizes alone do not say how many drafts a batch has where that depends on its size.
  if (uniform.length < decodes.length || draftSchedule !== null) return uniform.length;
  const rules = { keys, policy, queryLen: limits.queryLen };
  const { tables: _, ...logged } = steps;
  const { eagerSteps, paddingRatio } = await auditSteps(steps, costs, rules);
  expect(await auditSteps(logged, costs, rules)).toMatchObject({ eagerSteps, paddingRatio });
  return decodes.length;
}

/** Looks every decode of one rank up with the engine's own dispatcher, where there is one; gives how many steps were. */
async function dispatched({ captured, spans, simulated, steps }: Answers): Promise<number> {
  const { policy, profile: own, decodeSizes, keys } = captured;
  const { engine, queryLen, maxNumSeqs } = own;
  if (steps.tables?.tables.ranks !== 1 || policy.ubatches > 1) return 0;
  const decodes = spans.filter(({ rows: [{ prefills, decodes }] }) => prefills === 0 && decodes > 0);
  const runsOf = async (): Promise<((row: Span['rows'][0]) => boolean | Promise<boolean>) | null> => {
    if (engine === 'vllm') {
      const vllm = await createVllmDispatcher({ profile: given(own) });
      const modeOf = ({ tokens: numTokens, decodes: numRequests, uniform, longest }: Span['rows'][0]): string => {
        const lengths = uniform > 0 ? { uniformQueryLen: uniform } : { uniformQueryLen: null, longestDecode: longest };
        return vllm.dispatch({ numRequests, numTokens, ...lengths }).mode;
      };
      for (const { run, rows } of decodes) expect(modeOf(rows[0])).toBe(run === 'eager' ? 'none' : run);
      return (row) => modeOf(row) !== 'none';
    }
    if (engine === 'atom' && captured.mode !== 'PIECEWISE') {
      const captureSizes = decodeSizes.map((size) => size / queryLen);
      const atom = await createAtomAdapter({ captureSizes, queryLen, maxNumSeqs, enforceEager: own.enforceEager });
      const step = { isPrefill: false, uniformDecodeAcrossRanks: true };
      return ({ decodes: numRequests }) =>
        atom.forwardMode({ ...step, numRequests, paddedTokensAcrossRanks: numRequests * queryLen }).useGraph;
    }
    if (engine === 'megatron' && queryLen === 1) {
      const shapes = keys.map((key) => [key.tokens, key.prefillRequests, key.decodeRequests] as const);
      return async ({ tokens, decodes: numDecodeRequests }) =>
        (await matchMegatronShapes(
          shapes as never,
          { numTokens: tokens, numPrefillRequests: 0, numDecodeRequests },
          false,
        )) !== null;
    }
    return null;
  };
  const runs = await runsOf();
  if (runs === null) return 0;
  let eager = 0;
  for (const { rows, count } of decodes) if (!(await runs(rows[0]))) eager += count;
  expect(eager).toBe(simulated.eagerDecodeSteps);
  return decodes.length;
}

/** A complete profile as it can be given. */
function given(own: EngineCapture['profile']): Omit<EngineProfile, 'engine'> {
  const { engine: _, ...others } = own;
  return Object.fromEntries(Object.entries(others).filter(([, value]) => value !== null));
}

function limitsOf({ profile: { maxNumSeqs, maxNumBatchedTokens, queryLen, maxModelLen } }: EngineCapture) {
  return completeLimits({ maxNumSeqs, maxNumBatchedTokens, queryLen, maxModelLen, numBlocks: 2000 });
}

function workload(seed: number): RequestTable {
  return generateWorkload({
    ...{ requests: 25, seed, requestsPerSecond: 40 },
    inputTokens: { median: 30, max: 60 },
    outputTokens: { median: 20, max: 60 },
  });
}

function isPossible(drawn: EngineProfile): boolean {
  try {
    engineCapture(drawn);
    return true;
  } catch {
    return false;
  }
}

const [T, P, D, U, Q] = ['tokens', 'prefillRequests', 'decodeRequests', 'uniformQueryLen', 'maxQueryLen'].map((name) =>
  VOTE_WORDS.indexOf(name as (typeof VOTE_WORDS)[number]),
);

function spanOf({ steps, rows, decision }: SimulatedSpan): Span {
  return {
    count: steps,
    run: decision.run,
    size: decision.paddedTokens,
    reason: decision.reason,
    rows: rows.map((row) => ({ tokens: row[T], prefills: row[P], decodes: row[D], uniform: row[U], longest: row[Q] })),
  };
}
