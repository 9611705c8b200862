import { describe, expect, it } from 'vitest';
import * as capture from '../../../dist/entry/capture.js';
import * as check from '../../../dist/entry/check.js';
import * as planner from '../../../dist/entry/planner.js';
import * as run from '../../../dist/entry/run.js';
import * as workload from '../../../dist/entry/workload.js';

const JUNK = [undefined, null, {}, [], 1, Number.NaN, 'x', { nonsense: 1 }, [{}], true];

/** Calls that take options or values of a user, of every entry that plans. */
const CALLS: Readonly<Record<string, (...given: never[]) => unknown>> = {
  decodePlan: planner.decodePlan,
  createPlanner: planner.createPlanner,
  keyKind: planner.keyKind,
  kvGroupsOf: planner.kvGroupsOf,
  checkPlanOptions: capture.checkPlanOptions,
  makePlan: capture.makePlan,
  planCosts: capture.planCosts,
  planKeys: capture.planKeys,
  largestDecode: capture.largestDecode,
  uncapturedMaxima: capture.uncapturedMaxima,
  optimiseLadder: capture.optimiseLadder,
  scoreLadder: capture.scoreLadder,
  shareGraphs: capture.shareGraphs,
  expectedSteps: capture.expectedSteps,
  costsOfLog: capture.costsOfLog,
  scheduledSteps: capture.scheduledSteps,
  loggedSteps: capture.loggedSteps,
  engineSteps: capture.engineSteps,
  detectSource: capture.detectSource,
  readPlanFile: capture.readPlanFile,
  readPolicy: capture.readPolicy,
  writePlanFile: capture.writePlanFile,
  readRequests: workload.readRequests,
  readTrace: (source: never, options: never) => workload.readTrace(source, options).next(),
  readCaptureLog: workload.readCaptureLog,
  readCostTable: workload.readCostTable,
  readCosts: workload.readCosts,
  fitCaptureCost: workload.fitCaptureCost,
  captureOf: workload.captureOf,
  parseCostModel: workload.parseCostModel,
  rooflineCosts: workload.rooflineCosts,
  generateWorkload: workload.generateWorkload,
  traceFacts: workload.traceFacts,
  SchedulerModel: (table: never, limits: never) => new workload.SchedulerModel(table, limits),
  fromShared: workload.RequestTable.fromShared as never,
  checkPolicy: check.checkPolicy,
  planDomain: check.planDomain,
  simulate: run.simulate,
  runWorkload: run.runWorkload,
  replayLog: run.replayLog,
  compareRecordings: run.compareRecordings,
};

describe('calls with what they do not take', () => {
  it.each(Object.entries(CALLS))('%s throws errors of ours alone', async (_, call) => {
    for (const first of JUNK) {
      for (const second of [undefined, {}, 1, { nonsense: 1 }]) {
        const found = await Promise.resolve()
          .then(() => call(first as never, second as never))
          .catch((error: unknown) => error);
        if (found instanceof Error) {
          expect(found, `${JSON.stringify(first)}, ${JSON.stringify(second)}`).toBeInstanceOf(planner.LockstepError);
        }
      }
    }
  });

  it('names an option that there is not, and one that is missing', async () => {
    const refused = (call: () => unknown) => expect(Promise.resolve().then(call)).rejects;
    await refused(() => planner.decodePlan({} as never)).toThrow(
      /decodePlan has no sizes, which it needs[\s\S]*no limits/,
    );
    await refused(() => planner.createPlanner({ wasm: 1 } as never)).toThrow(/wasm is 1; it must be an object/);
    await refused(() => planner.createPlanner({ wasm: { rule: new URL('file:///x') } } as never)).toThrow(
      /wasm has no rule/,
    );
    await refused(() => capture.engineSteps('x', { schedule: 1 } as never)).toThrow(
      /the options of counting has no schedule/,
    );
    await refused(() => check.checkPolicy({ pair: {}, rank: 2 } as never)).toThrow(
      /checkPolicy has no rank; it has pair/,
    );
    await refused(() => workload.readRequests('x', { limits: 3 } as never)).toThrow(/no limits; they have limit/);
    await refused(() => workload.readRequests(7 as never)).toThrow(/the source is 7; give a path, a URL, or a stream/);
  });

  it('refuses a plan of 100,000 graphs at once, and writes out no more faults than can be read', async () => {
    const keys = Array.from({ length: 100_000 }, (_, index) => planner.decodeKey(1 + (index % 65_536), 1, 1));
    const begin = performance.now();
    await expect(planner.createPlanner({ plan: { keys } })).rejects.toThrow(
      /has 100000 graphs; it can have 32768 at most/,
    );
    const faulty = Array.from({ length: 30_000 }, () => planner.decodeKey(1, 1, 1));
    const error = await planner.createPlanner({ plan: { keys: faulty } }).then(
      () => new Error('was accepted'),
      (reason: Error) => reason,
    );
    expect(error.message).toMatch(/and 29949 more$/);
    expect(performance.now() - begin).toBeLessThan(20_000);
  });
});
