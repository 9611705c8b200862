import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PlanDocument } from '../../../dist/entry/capture.js';
import { engineLadder, parseFlags } from '../../../dist/entry/engines.js';
import type { StepLogLine } from '../../../dist/entry/run.js';
import { rooflineCosts } from '../../../dist/entry/workload.js';
import { ladderCost, leastCostsByLayers } from '../../oracles/ladder-oracle.js';
import { cli, interruptCli } from '../../support/cli.js';
import { completeLog } from '../../support/logs.js';

const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-plan-'));
afterAll(() => rmSync(folder, { recursive: true }));

const file = (name: string, text = ''): string => {
  const at = path.join(folder, name);
  if (text !== '') writeFileSync(at, text);
  return at;
};

const workload = ['--requests', '150', '--speed', '6', '--seed', '3', '--ranks', '2', '--max-num-seqs', '96'];

/** A plan for the steps seen alone, which is the optimum that an independent search finds too. */
function plan(...args: string[]): PlanDocument {
  const { status, stdout, stderr } = cli(['plan', ...args, '--objective', 'seen', '--json']);
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout);
}

/** Counts by size, plain and micro-batched decodes together, and costs, as a plan tells them. */
function problem({ histogram, cost, largestDecode }: PlanDocument, multiple = 1) {
  const sizes = Array.from({ length: largestDecode + 1 }, (_, size) => size);
  const of = (counts: Readonly<Record<string, number>>, size: number): number => counts[size] ?? 0;
  return {
    counts: sizes.map((size) => of(histogram.decode, size) + of(histogram.ubatched, size)),
    costs: sizes.map((size) => of(cost.decode, size)),
    multiple,
    include: [] as number[],
  };
}

const exact = ({ counts, costs }: { counts: number[]; costs: number[] }): number =>
  counts.reduce((sum, count, size) => sum + count * costs[size], 0);

const KEYS =
  'graphs paddingRatio paddingRatioLargest paddingRatioAll timeRatio eagerSteps graphBytes ladders histogram cost engines equalTime equalPadding unseen emit';

describe('lockstep plan', () => {
  let nine: PlanDocument;
  const costTable = (): string =>
    file('cost.csv', `num_tokens,time_ms\n1,1\n8,1.1\n16,1.3\n24,1.5\n32,1.9\n48,2.2\n64,2.4\n96,3.4\n`);

  beforeAll(() => {
    nine = plan(...workload, '--graphs', '9');
  });

  it('prints one JSON document with the keys scripts rely on, costs from 1 to the largest decode', () => {
    expect(Object.keys(nine)).toEqual(expect.arrayContaining(['schemaVersion', ...KEYS.split(' ')]));
    expect(Object.keys(nine.cost.decode).map(Number)).toEqual(Array.from({ length: 96 }, (_, i) => i + 1));
    expect(nine.engines.map(({ engine }) => engine)).toEqual(['vllm', 'sglang', 'trtllm', 'megatron', 'atom']);
    expect(nine.ladders.decode.at(-1)).toBe(96);
    expect(nine.graphs).toBe(9);
  });

  it('is the best ladder of so many graphs, as an independent search over its own histogram says', () => {
    for (const document of [nine, plan(...workload, '--graphs', '6', '--cost', costTable())]) {
      const p = problem(document);
      const least = leastCostsByLayers(p, document.graphs).at(-1) as number;
      expect(ladderCost(p, document.ladders.decode)).toBeCloseTo(least, 6);
      expect(document.timeRatio).toBeCloseTo(least / exact(p) - 1, 9);
    }
  });

  it('takes the fewest graphs within a loss of time, and within a padding', () => {
    const byTime = plan(...workload, '--max-time-loss', '0.01', '--cost', costTable());
    const time = problem(byTime);
    const within = leastCostsByLayers(time, 96).findIndex((cost) => cost <= exact(time) * 1.01) + 1;
    expect(byTime.graphs).toBe(within);
    expect(byTime.timeRatio).toBeLessThanOrEqual(0.01);
    const byPadding = plan(...workload, '--max-padding', '0.05', '--cost', costTable());
    const tokens = { ...problem(byPadding), costs: Array.from({ length: 97 }, (_, size) => size) };
    expect(byPadding.graphs).toBe(leastCostsByLayers(tokens, 96).findIndex((cost) => cost <= exact(tokens) * 1.05) + 1);
    expect(plan(...workload).budget).toEqual({ kind: 'time-loss', most: 0.001 });
  });

  it('without a budget loses little more than a multiple makes it lose', () => {
    const eights = plan(...workload, '--size-multiple', '8');
    const p = problem(eights, 8);
    const least = leastCostsByLayers(p, 12).at(-1) as number;
    const within = leastCostsByLayers(p, 12).findIndex((cost) => cost <= least + 0.001 * exact(p)) + 1;
    expect(least).toBeGreaterThan(1.01 * exact(p));
    expect(eights.graphs).toBe(within);
  });

  it('fits the memory it is given, and no better ladder would', () => {
    const fits = plan(...workload, '--graph-memory', '77MB');
    expect(fits.graphs).toBe(7);
    expect(fits.graphBytes).toBe(70e6);
    expect(fits.ladders).toEqual(plan(...workload, '--graphs', '7').ladders);
  });

  it('spends what the steps seen leave of a number or of memory on sizes that were not seen', () => {
    const quiet = ['--requests', '40', '--ranks', '4', '--max-num-seqs', '256'];
    const fewest = plan(...quiet, '--max-time-loss', '0');
    expect(fewest.paddingRatio).toBe(0);
    const full = plan(...quiet, '--graphs', '40');
    expect(fewest.graphs).toBeLessThan(20);
    expect(full.graphs).toBe(40);
    expect(full.ladders.decode).toEqual(expect.arrayContaining([...fewest.ladders.decode]));
    expect(full.paddingRatio).toBe(0);
    expect(full.curve).toEqual(fewest.curve);
    const worst = ({ audit }: PlanDocument): number => audit.worstPadding?.ratio ?? 0;
    expect(worst(fewest)).toBeGreaterThan(10);
    expect(worst(full)).toBeLessThan(0.3);
    expect(plan(...quiet, '--graph-memory', '405MB').ladders).toEqual(full.ladders);
  });

  it("scores the engines' defaults as the histogram says, and our fewest graphs as good as each", () => {
    const p = problem(nine);
    for (const { engine, graphs, paddingRatio, eagerSteps } of nine.engines) {
      const { decodeSizes } = engineLadder(engine, { maxNumSeqs: 96, maxNumBatchedTokens: 8192, queryLen: 1 });
      const largest = decodeSizes.at(-1) as number;
      const held = p.counts.map((count, size) => (size <= largest ? count : 0));
      const padded = held.reduce(
        (sum, count, size) => sum + count * ((decodeSizes.find((step) => step >= size) ?? 0) || 0),
        0,
      );
      const real = held.reduce((sum, count, size) => sum + count * size, 0);
      expect(graphs).toBe(decodeSizes.length);
      expect(paddingRatio).toBeCloseTo(padded / real - 1, 9);
      expect(eagerSteps).toBe(p.counts.reduce((sum, count, size) => sum + (size > largest ? count : 0), 0));
      const least = leastCostsByLayers(p, 96).findIndex((cost) => cost / exact(p) - 1 <= paddingRatio + 1e-12) + 1;
      expect(nine.equalPadding.find((equal) => equal.engine === engine)?.graphs).toBe(least);
      expect(nine.equalTime.find((equal) => equal.engine === engine)?.graphs).toBe(least);
    }
  });

  it('tells every engine the ladder in flags that it reads back, or says what else it captures', () => {
    const limits = { maxNumSeqs: 96, maxNumBatchedTokens: 8192, queryLen: 1 };
    for (const { engine, flags, exact: same, note } of nine.emitted) {
      expect(nine.emit[engine]).toBe(flags);
      expect(JSON.stringify(parseFlags(engine, flags, limits)) === JSON.stringify(nine.ladders.decode)).toBe(same);
      if (!same) expect(note).toMatch(/does not capture|captures/);
    }
    expect(nine.emitted.filter((emitted) => !emitted.exact).map(({ engine }) => engine)).toEqual(['megatron']);
  });

  it('counts a step log as it counts the trace, and its unseen part is the rest of its lines', () => {
    const log = file('steps.jsonl');
    expect(cli(['simulate', ...workload, '--steps-out', log]).status).toBe(0);
    const ofLog = plan(log, ...workload.slice(6), '--graphs', '5', '--split', '0.4');
    expect(ofLog.source).toBe('step-log');
    expect(ofLog.histogram).toEqual(nine.histogram);
    const busy = completeLog<StepLogLine>(log)
      .filter(({ rows }) => rows.some(({ tokens }) => tokens > 0))
      .map((line) => JSON.stringify(line));
    const at = Math.ceil(busy.length * 0.4);
    const [seen, rest] = [busy.slice(0, at), busy.slice(at)].map((lines, index) =>
      plan('--steps', file(`part-${index}.jsonl`, lines.join('\n')), ...workload.slice(6), '--graphs', '5'),
    );
    expect(ofLog.unseen?.ladder).toEqual(seen.ladders.decode);
    const p = problem(rest);
    expect(ofLog.unseen?.paddingRatio).toBeCloseTo(ladderCost(p, seen.ladders.decode) / exact(p) - 1, 9);
    const theirs = (scores: readonly { engine: string; paddingRatio: number }[]) =>
      scores.map(({ engine, paddingRatio }) => [engine, paddingRatio]);
    expect(theirs(ofLog.unseen?.engines ?? [])).toEqual(theirs(rest.engines));
  });

  it("reads engines' own logs, which tell of no order", () => {
    const log = path.join(import.meta.dirname, '../../fixtures/engines/sglang-batches.log');
    const document = plan(log, '--max-num-seqs', '1024', '--graphs', '4');
    expect(document).toMatchObject({ source: 'engine-log', unseen: null });
    expect(plan('--log', log, '--max-num-seqs', '1024', '--graphs', '4')).toEqual(document);
    const started = JSON.stringify({ timestamp: '2026-10-02T14:11:20Z', message: 'ready' });
    const json = file('json.log', `${started}\n${readFileSync(log, 'utf8')}`);
    expect(plan(json, '--max-num-seqs', '1024', '--graphs', '4')).toEqual(document);
  });

  it('names the line of a step log that was cut off', () => {
    const log = file('cut.jsonl', '{"step":0,"rows":[{"tokens":1,');
    const { status, stdout, stderr } = cli(['plan', log]);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/cut\.jsonl:1: the line must be one JSON object.*; correct or remove the line/);
  });

  it('does not guess what a pipe holds', () => {
    const pipe = path.join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const { status, stderr } = cli(['plan', pipe]);
    expect(status).toBe(2);
    expect(stderr).toMatch(/set --trace, --steps or --log/);
  });

  it('keeps sizes to multiples and drafts, and captures what it must', () => {
    const drafts = plan(...workload, '--query-len', '3', '--size-multiple', '4', '--include', '24,60', '--graphs', '8');
    expect(drafts.largestDecode).toBe(288);
    expect(drafts.ladders.decode.filter((size) => size % 12 !== 0)).toEqual([]);
    expect(drafts.ladders.decode).toEqual(expect.arrayContaining([24, 60, 288]));
  });

  it('captures a plain twin of every size in micro-batches, and shares the graphs among both', () => {
    const out = file('twins.json');
    const threshold = ['--ubatches', '2', '--ubatch-threshold-decode', '8'];
    const twins = plan(...workload, ...threshold, '--graphs', '14', '--out', out);
    const { decode, ubatched } = twins.ladders;
    expect(decode.length + ubatched.length).toBe(twins.graphs);
    expect(twins.graphs).toBeLessThanOrEqual(14);
    expect(ubatched).toEqual(decode.filter((size) => size >= 8));
    // Exactly: an independent search in which sizes from the threshold on take two graphs finds no better.
    const p = { ...problem(twins), twinsFrom: 8 };
    expect(ladderCost(p, decode)).toBe(leastCostsByLayers(p, 14).at(-1));
    expect(twins.twins.map(({ size }) => size)).toEqual(ubatched);
    const counted = Object.values(twins.histogram.ubatched).reduce((sum, count) => sum + count, 0);
    expect(counted).toBeGreaterThan(0);
    expect(twins.twins.reduce((sum, { ubatchedSteps }) => sum + ubatchedSteps, 0)).toBe(counted);
    const simulated = JSON.parse(cli(['simulate', ...workload, '--plan', out, '--json']).stdout);
    expect(simulated.graphs).toBe(twins.graphs);
    expect(simulated.eagerDecodeSteps).toBe(0);
    expect(simulated.reasons['no-plain-twin'] ?? 0).toBe(0);
  });

  it('plans what simulate then does, step by step, steps with a prefill too', () => {
    const out = file('mixed.json');
    const one = ['--requests', '120', '--speed', '8', '--ranks', '1', '--max-num-seqs', '64'];
    const mixed = plan(...one, '--mixed', '--graphs', '40', '--out', out);
    expect(mixed.graphs).toBeLessThanOrEqual(40);
    expect(mixed.ladders.mixed.length + mixed.ladders.decode.length).toBe(mixed.graphs);
    expect(mixed.unplannedSteps).toBe(0);
    const { exactCost, padding, lowerBound, gap, graphs } = mixed.mixedGrid ?? ({} as never);
    expect(graphs).toBe(mixed.ladders.mixed.length);
    expect(padding).toBeGreaterThanOrEqual(lowerBound);
    expect(gap).toBeCloseTo((exactCost + padding) / (exactCost + lowerBound) - 1, 12);
    expect(mixed.audit.mixed?.unreachable).toEqual([]);
    const simulated = JSON.parse(cli(['simulate', ...one, '--plan', out, '--json']).stdout);
    expect(simulated.steps).toBe(mixed.steps);
    expect(simulated.eagerSteps).toBe(mixed.eagerSteps);
    expect(simulated.paddingRatio).toBeCloseTo(mixed.paddingRatio, 9);
  });

  it.each([
    ['a trace', []],
    ['a trace, with graphs for prefills', ['--mixed']],
  ])('says the same padding of 2 ranks as simulate: %s', (_, options) => {
    const [out, log] = [file('ranks.json'), file('ranks.jsonl')];
    const two = ['--requests', '120', '--speed', '8', '--ranks', '2', '--max-num-seqs', '64'];
    const planned = plan(...two, ...options, '--graphs', '20', '--out', out);
    const simulated = JSON.parse(cli(['simulate', ...two, '--plan', out, '--steps-out', log, '--json']).stdout);
    expect(simulated.paddingRatioLargest).toBeCloseTo(planned.paddingRatio, 9);
    expect(planned.paddingRatioLargest).toBe(planned.paddingRatio);
    expect(planned.paddingRatioAll).toBeCloseTo(simulated.paddingRatio, 9);
    expect(simulated.paddingRatioAll).toBe(simulated.paddingRatio);
    // The second rank has fewer tokens than the first in most steps, and is padded as far.
    expect(planned.paddingRatioAll).toBeGreaterThan(1.02 * (1 + planned.paddingRatioLargest) - 1);
    const logged = plan('--steps', log, '--max-num-seqs', '64', ...options, '--graphs', '20');
    expect(logged.paddingRatioAll).toBeCloseTo(planned.paddingRatioAll, 9);
  });

  it('takes times from the roofline of a named model on a named GPU, and simulate counts by the same', () => {
    const model = ['--cost-model', 'h100:llama-3-70b', '--tensor-parallel-size', '4'];
    const out = file('roofline.json');
    const planned = plan(...workload, ...model, '--graphs', '5', '--out', out);
    expect(planned.costModel).toMatchObject({
      name: 'roofline of llama-3-70b on h100, tensor parallel 4',
      unit: 'ms',
      raised: 0,
    });
    const { costs } = rooflineCosts({ gpu: 'h100', model: 'llama-3-70b', tensorParallelSize: 4, maxSize: 96 });
    expect(Object.values(planned.cost.decode)).toEqual([...costs.subarray(1)]);
    const p = problem(planned);
    const least = leastCostsByLayers(p, 5).at(-1) as number;
    expect(ladderCost(p, planned.ladders.decode) / least).toBeCloseTo(1, 12);
    const simulated = JSON.parse(cli(['simulate', ...workload, '--plan', out, ...model, '--json']).stdout);
    expect(simulated.costModel).toBe(planned.costModel.name);
    expect(simulated.timeRatio).toBeCloseTo(planned.timeRatio, 9);
    const table = JSON.parse(cli(['simulate', ...workload, '--plan', out, '--cost', costTable(), '--json']).stdout);
    expect(table.timeRatio).toBeGreaterThan(0);
    expect(table.timeRatio).not.toBe(simulated.timeRatio);
  });

  it('tells of no unseen part where all steps seen hold a prefill', () => {
    const { unseen } = plan(...workload);
    expect(unseen).toBeNull();
  });

  const report = ['--graphs', '9', '--ubatches', '2'];
  it('prints a ladder, the curve, the engines, the unseen part, the audit and flags that people can read', () => {
    const { status, stdout } = cli(['plan', '--requests', '300', '--speed', '3', '--max-num-seqs', '96', ...report]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^Planned [89] graphs for [\d,]+ steps of a generated workload \(300 requests, seed 0\)$/m);
    expect(stdout).toMatch(/^ {2}decode +[\d ]+ 96$/m);
    expect(stdout).toMatch(/█.* %( <)?$/m);
    expect(stdout).toMatch(/^ {2}vllm +\d+ +[\d.]+ % .* MiB .* s +\d+$/m);
    expect(stdout).toMatch(/^unseen: planned on the first 50.0 % of the time/m);
    expect(stdout).toMatch(/^ {2}covered +every decode up to 96 tokens$/m);
    expect(stdout).toMatch(/^twins\n {2}\d+ +[\d,]+ steps plain/m);
    expect(stdout).toMatch(/^ {2}vllm +--cudagraph-capture-sizes [\d ]+ 96$/m);
  });

  it.each<[string, () => string[], RegExp]>([
    ['mixed graphs that no step would run', () => ['--mixed', '--policy', 'vllm-v1'], /policy vllm-v1 never runs/],
    ['mixed graphs on too many ranks', () => ['--mixed', '--policy', 'megatron'], /megatron on 2 ranks never runs/],
    ['two sources of costs', () => ['--cost', costTable(), '--cost-model', 'h100:phi-2'], /--cost and --cost-model/],
    [
      'a cost model that is unknown',
      () => ['--cost-model', 'h900:phi-2'],
      /of the GPUs a100.* and the models llama-2-7b/,
    ],
    [
      'a cost model that cannot be shared so',
      () => ['--cost-model', 'h100:llama-2-7b', '--tensor-parallel-size', '3'],
      /must divide the model's 32 heads/,
    ],
    ['a file that is empty', () => [file('empty', '\n')], /empty/],
    ['a trace without a request', () => [file('none.csv', 'TIMESTAMP,ContextTokens,GeneratedTokens\n')], /no requests/],
    ['a log with no usable line', () => [file('words.log', 'INFO: ready\n')], /holds no batch/],
    [
      'a CSV whose columns have other names',
      () => [file('own.csv', 'time,prompt,completion\n0,20,3\n')],
      /for this header: --columns timestamp=time,input_length=prompt,output_length=completion/,
    ],
    ['a log without a decode', () => [file('p.log', 'Prefill batch, #new-seq: 1, #new-token: 9\n')], /--mixed/],
    [
      'a logged size above the maximum',
      () => [file('big.log', 'Decode batch, #running-req: 300\n')],
      /300 tokens is above the largest size 256; raise --max-num-seqs/,
    ],
    ['no graphs', () => ['--graphs', '0'], /--graphs is 0/],
    ['two budgets', () => ['--graphs', '3', '--max-padding', '0.1'], /--graphs and --max-padding are given/],
    ['two sources', () => ['--trace', 'a.csv', '--log', 'b.log'], /--trace and --log are given/],
    [
      'more sizes than graphs',
      () => ['--graphs', '2', '--include', '4,8'],
      /No plan keeps to --graphs 2: .* at least 3 graphs/,
    ],
    ['too little memory', () => ['--graph-memory', '1MB'], /No plan keeps to --graph-memory/],
    ['memory that is no number', () => ['--graph-memory', 'much'], /512MiB/],
    [
      'a padding out of reach',
      () => ['--max-padding', '0', '--size-multiple', '8'],
      /No plan keeps to --max-padding 0/,
    ],
    ['a size above the maximum', () => ['--include', '999'], /999; it must be an integer from 1 to 256/],
    ['a multiple that the maximum is none of', () => ['--size-multiple', '7'], /largest decode of 256/],
    ['a split of everything', () => ['--split', '1'], /--split is 1/],
    ['negative times', () => ['--cost', file('neg.csv', 'num_tokens,time\n1,1\n256,-2\n')], /neg\.csv:3: time/],
    ['a table that is too short', () => ['--cost', file('short.csv', 'num_tokens,time\n1,1\n100,2\n')], /ends at 100/],
    ['rows of no table', () => ['--tensor-parallel-size', '4'], /give --cost too/],
    ['a capture cost that is not known', () => ['--capture-cost', 'mine'], /vllm-qwen3-0\.6b/],
    ['requests that never fit', () => ['--max-model-len', '2'], /None of the 20 requests fits/],
    ['an output that cannot be written', () => ['--out', '/nowhere/plan.json'], /\/nowhere\/plan\.json/],
  ])('refuses %s with exit 2', (_what, args, message) => {
    const { status, stdout, stderr } = cli(['plan', '--requests', '20', ...args()]);
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/\[ERR_[A-Z_]+\]/);
    expect(status).toBe(2);
    expect(stdout).toBe('');
  });

  it('on SIGINT stops at once, prints no plan and exits 130', async () => {
    const { status, stdout, seconds } = await interruptCli(
      ['plan', '--requests', '3000000', '--json'],
      'SIGINT',
      false,
    );
    expect(status).toBe(130);
    expect(stdout).toBe('');
    expect(seconds).toBeLessThan(20);
  });
});
