import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS, decodePlan, type Limits } from '../../dist/entry/planner.js';
import { loadModules } from '../../dist/memory/modules.js';
import { METADATA_BUILDS } from '../support/metadata-builds.js';
import { DeviceTable } from '../support/planner-compare.js';
import { PlannerSession } from '../support/planner-session.js';
import { policyWith } from '../support/planner-setup.js';
import { FULL_RUN, runs } from '../support/property-runs.js';
import type { Edit, SessionStep } from '../support/session-steps.js';

const [wasm, native] = await Promise.all(METADATA_BUILDS.map(([, sources]) => loadModules(sources)));
/** The planners of a session, and whether each is poisoned: the two poisoned ones are compared byte by byte. */
const BUILDS = [wasm, wasm, native];
const POISON = [false, true, true];

/** A run of decodes as a server has it: most steps only move on, now and then a request leaves, joins or sends a prompt. */
const steadyArbitrary = fc
  .record({
    maxNumSeqs: fc.integer({ min: 1, max: 40 }),
    blockSize: fc.constantFrom(1, 2, 3, 5, 8, 16, 24, 61, 67, 96, 128),
    queryLen: fc.constantFrom(1, 1, 2, 3, 16),
    contextParallelSize: fc.constantFrom(1, 1, 1, 1, 2),
    hugeCache: fc.boolean(),
    ubatches: fc.constantFrom(1, 1, 2, 3),
    graph: fc.boolean(),
    steps: fc.array(fc.record({ pick: fc.nat(1000), amount: fc.nat(1000), kind: fc.nat(40) }), {
      minLength: 1,
      maxLength: 40,
      size: 'max',
    }),
    requests: fc.array(fc.record({ pick: fc.nat(1000), amount: fc.nat(1000) }), { maxLength: 40, size: 'max' }),
    otherSizes: fc.oneof(
      { weight: 3, arbitrary: fc.constant<number[]>([]) },
      { weight: 1, arbitrary: fc.array(fc.constantFrom(1, 7, 16, 48, 64), { minLength: 1, maxLength: 3 }) },
    ),
  })
  .map(({ hugeCache, otherSizes, ubatches, graph, steps, requests, ...sizes }) => {
    const limits: Limits = {
      ...DEFAULT_LIMITS,
      ...sizes,
      kernelBlockSize: sizes.blockSize,
      maxNumBatchedTokens: 64 + sizes.maxNumSeqs * sizes.queryLen,
      maxModelLen: 1000,
      numBlocks: hugeCache ? 2 ** 31 - 1 : 60000,
      ...(otherSizes.length > 0 && { kvGroups: [sizes.blockSize, ...otherSizes].map((blockSize) => ({ blockSize })) }),
    };
    const policy = policyWith({ ubatches, ubatchThresholdDecode: 4 });
    const plan = graph ? decodePlan({ sizes: [8, limits.maxNumSeqs * limits.queryLen], limits, policy }) : { keys: [] };
    return {
      setup: {
        limits,
        policy,
        plan,
        rank: 0,
        ranks: 1,
        padding: 'lockstep' as const,
        tensors: { csr: true },
        deviceSupplied: [] as const,
      },
      steps,
      requests,
    };
  });

const STEP: Omit<SessionStep, 'continues'> = {
  edits: [],
  everyone: false,
  decodeOnly: true,
  peers: [],
  intent: {},
  retracts: false,
  ending: 'build',
  advance: false,
  drafts: 0,
  turnover: 0,
  lost: false,
};

describe('a steady run of decodes', () => {
  it('holds the plain tensors in every step, whoever leaves or joins, and so does a device table of its edits', () => {
    const lengths: number[] = [];
    fc.assert(
      fc.property(steadyArbitrary, ({ setup, steps, requests }) => {
        const session = new PlannerSession(BUILDS, setup, POISON);
        const edit = (kind: Edit['kind'], from: { pick: number; amount: number }, decodeOnly = true): void =>
          session.edit({ kind, ...from, flag: false }, decodeOnly);
        for (const request of requests) edit('add', request);
        for (const request of requests) edit('schedule', { pick: request.pick, amount: 0 });
        const tables = session.planners.map((planner, index) =>
          planner.local.groups.map((_, group) => new DeviceTable(planner, index === 0 ? 0 : -1, group)),
        );
        const check = (): void => {
          const result = session.step({ ...STEP, continues: 'no' });
          for (const [index, planner] of session.planners.entries()) {
            if (result?.groups === undefined) continue;
            for (const [group, table] of tables[index].entries()) {
              table.apply(planner);
              expect(table.differenceFrom(result.groups[group])).toBeUndefined();
            }
          }
        };
        check();
        let length = 0;
        for (const step of steps) {
          if (step.kind === 0) edit('remove', step);
          if (step.kind === 1) edit('append', step);
          if (step.kind === 2) edit('add', step);
          const continues = step.kind === 3 ? 'at once' : step.kind % 2 === 0 ? 'given, fed' : 'fed';
          const decodes = session.continueDecodes({ continues, drafts: step.amount });
          length = decodes > 0 ? length + 1 : 0;
          lengths.push(length);
          if (step.kind === 4) edit('schedule', step, false);
          if (step.kind === 5) edit('schedule', { pick: step.pick, amount: 0 });
          check();
        }
      }),
      runs(250),
    );
    if (FULL_RUN) expect(Math.max(...lengths)).toBeGreaterThanOrEqual(20);
  });
});
