import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { engineOfPolicy, namedPolicy } from '../../../dist/engines/index.js';
import {
  type CountedSteps,
  loggedSteps,
  makePlan,
  type PlanDocument,
  planCosts,
  scheduledSteps,
} from '../../../dist/entry/capture.js';
import { LOCKSTEP_POLICY } from '../../../dist/entry/planner.js';
import { simulate, spanLines } from '../../../dist/entry/run.js';
import { captureCost, generateWorkload, schedulerLimits } from '../../../dist/entry/workload.js';
import { POLICY_NAMES, type PolicyName } from '../../../dist/names.js';

const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-logged-runs-'));
afterAll(() => rmSync(folder, { recursive: true }));

const limits = { maxNumSeqs: 12, maxNumBatchedTokens: 300, numBlocks: 1200, maxModelLen: 1200, queryLen: 3 };
const requests = generateWorkload({
  requests: 40,
  seed: 5,
  requestsPerSecond: 30,
  inputTokens: { median: 60, max: 300 },
  outputTokens: { median: 30, max: 90 },
});

interface Logged {
  readonly steps: CountedSteps;
  readonly trace: CountedSteps;
  readonly decodes: number;
  readonly eager: number;
  /** Padding of decodes on graphs over the real tokens of the largest rank. */
  readonly ratio: number;
}

function write(lines: readonly object[]): string {
  const file = path.join(folder, 'steps.jsonl');
  writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  return file;
}

/** A simulation on an engine's graphs, its log read, and its requests scheduled anew. */
async function simulated(name: PolicyName, ranks: number): Promise<Logged> {
  const policy = namedPolicy(name);
  const lines: object[] = [];
  let [decodes, eager, exact, padded] = [0, 0, 0, 0];
  const ladder = engineOfPolicy(name)?.engine ?? 'vllm';
  await simulate(
    requests,
    { ranks, limits, policy, ladder, acceptRate: 0.6 },
    {
      onSpan: (span) => {
        for (const line of spanLines(span)) {
          lines.push(line);
          const { phase, run, maxTokens, paddedTokens } = line.decision;
          if (phase !== 'decode') continue;
          decodes++;
          if (run === 'eager') eager++;
          else [exact, padded] = [exact + maxTokens, padded + paddedTokens];
        }
      },
    },
  );
  const scheduler = schedulerLimits({ ranks, acceptRate: 0.6, ...limits });
  const options = { scheduler, policy, split: 0.5 };
  return {
    steps: await loggedSteps(write(lines), options),
    trace: await scheduledSteps(requests, options),
    decodes,
    eager,
    ratio: exact === 0 ? 0 : padded / exact - 1,
  };
}

async function planOf(steps: CountedSteps, name: PolicyName, ranks: number): Promise<PlanDocument> {
  const policy = namedPolicy(name);
  const costs = await planCosts({ ...limits, blockSize: 16 } as never, false, null, undefined, policy);
  return makePlan(steps, {
    ...{ limits: limits as never, policy, costs, memory: captureCost('trtllm-deepseek-r1'), ranks },
    ...{ sizeMultiple: 1, include: [], mixed: false, split: 0.5, budget: { kind: 'graphs', most: 16 } },
    objective: 'seen',
  });
}

describe('a step log as the source of a plan', () => {
  test.each(POLICY_NAMES)(
    'under policy %s: engines do what they do of the trace, and the steps ran as they ran',
    async (name) => {
      for (const ranks of [1, 2]) {
        const { steps, trace, decodes, eager, ratio } = await simulated(name, ranks);
        const plan = await planOf(steps, name, ranks);
        expect(plan.engines).toEqual((await planOf(trace, name, ranks)).engines);
        expect(plan.asRan).toMatchObject({ steps: decodes, eagerSteps: eager, graphBytes: null, captureSeconds: null });
        expect(plan.asRan?.paddingRatio).toBeCloseTo(ratio, 12);
        expect(plan.log).toBeNull();
      }
    },
  );

  const rank = (tokens: number, decodeRequests: number) => ({
    ...{ tokens, prefillRequests: 0, decodeRequests, maxDecodeQueryLen: 1, maxQueryLen: 1, uniformQueryLen: 1 },
  });
  const decision = (run: string, paddedTokens: number) => ({ run, paddedTokens, parts: [{}] });
  const read = (lines: readonly object[]): Promise<CountedSteps> => {
    const scheduler = schedulerLimits({ ranks: 2, ...limits, queryLen: 1 });
    return loggedSteps(write(lines), { scheduler, policy: LOCKSTEP_POLICY, split: 0.5 });
  };

  test('of decodes on 8 tokens, eager, and on what the line does not say', async () => {
    const rows = [rank(5, 5), rank(2, 2)];
    const { ran, tables } = await read([
      { step: 0, rows, decision: decision('full', 8) },
      { step: 1, rows, decision: decision('piecewise', 8) },
      { step: 2, rows, decision: decision('eager', 5) },
      { step: 3, rows, decision: { parts: [{}] } },
      // Fewer than the batch has: not what it ran on.
      { step: 4, rows, decision: decision('full', 4) },
    ]);
    expect(ran).toEqual({
      ran: [
        { tokens: 5, size: 8, eager: false, count: 2 },
        { tokens: 5, size: null, eager: true, count: 1 },
        { tokens: 5, size: null, eager: false, count: 2 },
      ],
      graphs: 1,
      capture: null,
    });
    expect(tables?.tables.length).toBe(1);
    expect([...(tables?.counts ?? [])]).toEqual([5]);
  });

  test.each([
    ['lengths are missing', [rank(5, 5), { tokens: 2, prefillRequests: 0, decodeRequests: 2, maxDecodeQueryLen: 1 }]],
    ['lengths do not fit the tokens', [rank(5, 5), { ...rank(2, 2), maxQueryLen: 2, uniformQueryLen: 2 }]],
    ['there is another number of ranks', [rank(5, 5)]],
  ])('what ranks held is not known where %s, and sizes count', async (_, rows) => {
    const whole = { step: 0, rows: [rank(5, 5), rank(2, 2)], decision: decision('full', 8) };
    const { tables, whole: histogram } = await read([whole, { step: 1, rows, decision: decision('full', 8) }]);
    expect(tables).toBeUndefined();
    expect(histogram.toJSON()).toMatchObject({ decode: { 5: 2 } });
  });
});
