import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type CountedSteps, type CountOptions, loggedSteps, scheduledSteps } from '../../../dist/entry/capture.js';
import { namedPolicy, policyNames } from '../../../dist/entry/engines.js';
import type { DecisionValue, Policy } from '../../../dist/entry/planner.js';
import { simulate, spanLines } from '../../../dist/entry/run.js';
import { generateWorkload, type RequestTable, schedulerLimits } from '../../../dist/entry/workload.js';

const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-plan-simulate-'));
afterAll(() => rmSync(folder, { recursive: true }));

const limits = { maxNumSeqs: 24, maxNumBatchedTokens: 512, numBlocks: 1200, maxModelLen: 1200, queryLen: 1 };
const SEEDS = [3, 8];
const RANKS = [1, 2, 4];

function workload(seed: number): RequestTable {
  return generateWorkload({
    requests: 60,
    seed,
    requestsPerSecond: 12,
    inputTokens: { median: 120, max: 900 },
    outputTokens: { median: 40, max: 150 },
  });
}

/** Steps by what they hold: decodes by size, in one batch or several, and those with a prefill by tokens. */
type Counts = Record<string, number>;

function add(counts: Counts, name: string, count: number): void {
  counts[name] = (counts[name] ?? 0) + count;
}

/** What a decision says of its step where no graph is captured and a decode is of one token; null of a parked one. */
function nameOf({ phase, maxTokens, parts }: DecisionValue): string | null {
  if (phase === 'idle') return null;
  if (phase !== 'decode') return `mixed ${maxTokens}`;
  return `${parts.length > 1 ? 'ubatched' : 'decode'} ${maxTokens}`;
}

/** Steps as the ranks of a simulation without a graph decide them, and its step log. */
async function simulated(
  requests: RequestTable,
  ranks: number,
  policy: Policy,
): Promise<{ counts: Counts; log: string }> {
  const counts: Counts = {};
  const lines: string[] = [];
  const summary = await simulate(
    requests,
    { ranks, limits, policy },
    {
      onSpan: (span) => {
        for (const line of spanLines(span)) {
          lines.push(`${JSON.stringify(line)}\n`);
          const name = nameOf(line.decision);
          if (name !== null) add(counts, name, 1);
        }
      },
    },
  );
  expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBe(summary.eagerSteps);
  const log = path.join(folder, 'steps.jsonl');
  writeFileSync(log, lines.join(''));
  return { counts, log };
}

function planned({ whole }: CountedSteps): Counts {
  const counts: Counts = {};
  for (const [size, count] of whole.decode) add(counts, `decode ${size}`, count);
  for (const [size, count] of whole.ubatched) add(counts, `ubatched ${size}`, count);
  for (const { tokens, count } of whole.mixed) add(counts, `mixed ${tokens}`, count);
  return counts;
}

describe('plan and simulate', () => {
  it.each(policyNames())('count the same steps under policy %s, from the trace and from the step log', async (name) => {
    let ubatched = 0;
    for (const ubatches of [1, 2]) {
      // Low enough for these few requests to be cut at all.
      const own = namedPolicy(name);
      const ubatchThresholdDecode = Math.min(own.ubatchThresholdDecode, 5);
      const policy = { ...own, ubatches, ubatchThresholdDecode, ubatchThresholdPrefill: 60 };
      for (const ranks of RANKS) {
        const scheduler = schedulerLimits({ ranks, ...limits });
        const options: CountOptions = { scheduler, policy, split: 0.5 };
        for (const seed of SEEDS) {
          const requests = workload(seed);
          const { counts, log } = await simulated(requests, ranks, policy);
          const of = { name, ubatches, ranks, seed };
          expect({ ...of, counts: planned(await scheduledSteps(requests, options)) }).toEqual({ ...of, counts });
          expect({ ...of, counts: planned(await loggedSteps(log, options)) }).toEqual({ ...of, counts });
          for (const [step, count] of Object.entries(counts)) if (step.startsWith('ubatched')) ubatched += count;
        }
      }
    }
    expect(ubatched).toBeGreaterThan(0);
  });

  it('count the same steps where ranks hold on to micro-batches after they had them', async () => {
    const policy = { ...namedPolicy('lockstep'), ubatches: 2, ubatchThresholdDecode: 7, ubatchHysteresis: 3 };
    const options: CountOptions = { scheduler: schedulerLimits({ ranks: 2, ...limits }), policy, split: 0.5 };
    const { counts, log } = await simulated(workload(3), 2, policy);
    expect(planned(await scheduledSteps(workload(3), options))).toEqual(counts);
    expect(planned(await loggedSteps(log, options))).toEqual(counts);
    expect(Object.keys(counts)).toEqual(expect.arrayContaining(['ubatched 6', 'decode 6']));
  });
});
