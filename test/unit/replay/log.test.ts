import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Policy } from '../../../dist/entry/planner.js';
import { replayLog, type SimulateOptions, type SimulateSummary, simulate, spanLines } from '../../../dist/entry/run.js';
import { generateWorkload } from '../../../dist/entry/workload.js';
import { completeSimulateOptions } from '../../../dist/simulation/index.js';
import { policyWith } from '../../support/planner-setup.js';

const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-replay-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const requests = generateWorkload({ requests: 60, seed: 5 });
let files = 0;

function fileOf(lines: readonly object[], end?: number): string {
  const file = path.join(folder, `${files++}.jsonl`);
  const all = end === undefined ? lines : [...lines, { schemaVersion: 1, end }];
  writeFileSync(file, all.map((line) => `${JSON.stringify(line)}\n`).join(''));
  return file;
}

async function simulated(
  options: SimulateOptions,
  given = requests,
): Promise<{ lines: object[]; summary: SimulateSummary }> {
  const lines: object[] = [];
  const summary = await simulate(given, options, {
    onSpan: (span) => {
      for (const line of spanLines(span)) lines.push(line);
    },
  });
  return { lines, summary };
}

const replayed = (lines: readonly object[], options: SimulateOptions, end?: number) =>
  replayLog(fileOf(lines, end), completeSimulateOptions(options));

const POLICIES: readonly [string, Partial<Policy>][] = [
  ['lockstep', {}],
  ['micro-batches', { ubatches: 2, ubatchThresholdDecode: 8, ubatchThresholdPrefill: 64 }],
  ['micro-batches that are kept', { ubatches: 2, ubatchThresholdDecode: 8, ubatchHysteresis: 6 }],
];

describe('a step log', () => {
  it.each(POLICIES)('decides again what it decided, under its own policy: %s', async (_name, policy) => {
    const options = { ranks: 3, policy: policyWith(policy), ladder: 'vllm' };
    const { lines, summary } = await simulated(options);
    const found = await replayed(lines, options, lines.length);
    expect(found).toMatchObject({
      ranks: 3,
      lines: lines.length,
      compared: lines.length,
      different: 0,
      first: null,
      complete: true,
      steps: summary.steps,
      graphSteps: summary.graphSteps,
      eagerSteps: summary.eagerSteps,
      reasons: summary.reasons,
    });
    expect(found.timeRatio).toBeCloseTo(summary.timeRatio, 12);
    expect(found.loggedTimeRatio).toBeCloseTo(summary.timeRatio, 12);
  });

  it('decides under other graphs what a simulation with them decides, and names the first difference', async () => {
    const { lines } = await simulated({ ranks: 2, ladder: 'vllm' });
    const other = { ranks: 2, ladder: [4, 16] };
    const { summary, lines: wanted } = await simulated(other);
    const found = await replayed(lines, other);
    expect(found).toMatchObject({ reasons: summary.reasons, graphSteps: summary.graphSteps, complete: false });
    expect(found.timeRatio).toBeCloseTo(summary.timeRatio, 12);
    const at = lines.findIndex((line, index) => {
      const pick = (each: object): unknown => {
        const { run, reason, paddedTokens, paddedRequests, queryLen, parts } = (
          each as { decision: Record<string, unknown> }
        ).decision;
        return [run, reason, paddedTokens, paddedRequests, queryLen, parts];
      };
      return JSON.stringify(pick(line)) !== JSON.stringify(pick(wanted[index] as object));
    });
    expect(at).toBeGreaterThanOrEqual(0);
    expect(found.first?.line).toBe(at + 1);
    expect(found.different).toBeGreaterThan(0);
  });

  it('without its beginning, or without some of its steps, differs only where no step before can have led to it', async () => {
    const keeping = { ubatches: 2, ubatchThresholdDecode: 16, ubatchThresholdPrefill: 512, ubatchHysteresis: 8 };
    const options = { ranks: 2, policy: policyWith(keeping), ladder: 'vllm' };
    const { lines } = await simulated(options, generateWorkload({ requests: 300 }));
    const decisionOf = (line: object | undefined): { parts: readonly object[] } =>
      (line as { decision: { parts: readonly object[] } }).decision;
    const cuts = lines.flatMap((_, at) => (at > 0 && decisionOf(lines[at - 1]).parts.length > 1 ? [at] : []));
    // Some follow from micro-batches alone.
    let remembering = 0;
    for (const at of cuts.filter((_, index) => index % 10 === 0)) {
      const found = await replayed(lines.slice(at, at + 3), options);
      expect(found.first, `from line ${at + 1} on`).toBeNull();
      const begins = [{ ...lines[at], step: 0 }];
      remembering += (await replayed(begins, options)).different;
    }
    expect(remembering).toBeGreaterThan(0);
    const at = cuts[0] as number;
    expect(await replayed([...lines.slice(0, 1), ...lines.slice(at)], options)).toMatchObject({ different: 0 });
    const wrong = lines
      .slice(at)
      .map((line, index) => (index === 0 ? { ...line, decision: { ...decisionOf(line), paddedTokens: 12345 } } : line));
    expect(await replayed(wrong, options)).toMatchObject({ different: 1, first: { line: 1 } });
  });

  it('without its last line was killed, unless it has none by right', async () => {
    const { lines } = await simulated({ ranks: 1, ladder: 'vllm' });
    expect((await replayed(lines, { ranks: 1 })).complete).toBe(false);
    expect((await replayed(lines, { ranks: 1 }, lines.length - 1)).complete).toBe(false);
    const unversioned = lines.map(({ schemaVersion, ...line }: { schemaVersion?: number }) => line);
    expect((await replayed(unversioned, { ranks: 1 })).complete).toBeNull();
  });
});

describe('rows that an engine logged', () => {
  it('are facts: what it knows of each rank, and its own decision where there is one', async () => {
    const rows = [
      { tokens: 3, prefillRequests: 0, decodeRequests: 3 },
      { tokens: 5, prefillRequests: 0, decodeRequests: 5 },
    ];
    const lines = [
      { step: 7, rows, decision: { run: 'full', paddedTokens: 8 } },
      { step: 8, rows, decision: { run: 'full', paddedTokens: 5 } },
      { step: 9, rows: [rows[0], { tokens: 40, prefillRequests: 1, decodeRequests: 2 }] },
    ];
    const found = await replayed(lines, { ranks: 2, ladder: [4, 8] });
    expect(found).toMatchObject({ steps: 3, graphSteps: 2, eagerSteps: 1, compared: 2, different: 1, complete: null });
    expect(found.reasons).toEqual({ graph: 2, 'no-key-for-phase': 1 });
    expect(found.first).toEqual({ line: 2, step: 8, differs: { paddedTokens: { logged: 5, derived: 8 } } });
  });

  it.each<[string, unknown, string]>([
    ['no object', 5, 'one JSON object'],
    ['no rows', { rows: [] }, 'the votes of at least one rank'],
    [
      'a row without tokens',
      { rows: [{ decodeRequests: 1, prefillRequests: 0 }] },
      'tokens of rank 0 must be an integer',
    ],
    ['half a token', { rows: [{ tokens: 0.5, decodeRequests: 1, prefillRequests: 0 }] }, 'tokens of rank 0'],
    ['another version', { schemaVersion: 9, rows: [] }, 'schemaVersion of a step log must be 1'],
  ])('are refused with file and line: %s', async (_what, line, message) => {
    const good = { rows: [{ tokens: 1, prefillRequests: 0, decodeRequests: 1 }] };
    const file = fileOf([good, line as object]);
    const options = completeSimulateOptions({ ranks: 1 });
    await expect(replayLog(file, options)).rejects.toMatchObject({ code: 'ERR_INPUT_INVALID' });
    await expect(replayLog(file, options)).rejects.toThrow(message);
    await expect(replayLog(file, options)).rejects.toThrow(`${file}:2`);
  });

  it('of another number of ranks than before are refused', async () => {
    const row = { tokens: 1, prefillRequests: 0, decodeRequests: 1 };
    const file = fileOf([{ rows: [row] }, { rows: [row, row] }]);
    await expect(replayLog(file, completeSimulateOptions({ ranks: 1 }))).rejects.toThrow(
      '1 ranks, as in the lines before',
    );
    await expect(replayLog(fileOf([]), completeSimulateOptions({ ranks: 1 }))).rejects.toThrow('empty');
  });
});
