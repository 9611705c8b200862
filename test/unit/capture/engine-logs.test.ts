import { describe, expect, it } from 'vitest';
import { costsOfLog, engineSteps, type LogFinding, makePlan, planCosts } from '../../../dist/entry/capture.js';
import { readEngineRun } from '../../../dist/entry/engines.js';
import { DEFAULT_LIMITS, LOCKSTEP_POLICY } from '../../../dist/entry/planner.js';
import { captureCost, schedulerLimits } from '../../../dist/entry/workload.js';
import { cli } from '../../support/cli.js';

const limits = { ...DEFAULT_LIMITS, maxNumSeqs: 128, maxNumBatchedTokens: 2048 };

async function* text(...lines: string[]): AsyncGenerator<string> {
  yield `${lines.join('\n')}\n`;
}

const counted = (lines: readonly string[], more: { maxNumSeqs?: number; queryLen?: number } = {}, interval?: number) =>
  engineSteps(text(...lines), {
    scheduler: schedulerLimits({ ranks: 1, maxNumSeqs: 128, maxNumBatchedTokens: 2048, ...more }),
    policy: LOCKSTEP_POLICY,
    split: 0.5,
    ...(interval === undefined ? {} : { decodeLogInterval: interval }),
  });

const told = (findings: readonly LogFinding[] = []) => findings.map(({ text }) => text);
const row = (unpadded: number, padded: number, mode: string, count: number, rank = ''): string =>
  `${rank}INFO 08-20 10:00:00 [cuda_graph.py:117] | ${unpadded} | ${padded} | ${padded - unpadded} | ${mode} | ${count} |`;

describe("vLLM's tables say what ran", () => {
  const decodesOnly = ['- Mode: FULL_DECODE_ONLY', '- Capture sizes: [1, 2, 4, 8, 16, 24, 32, 40, 48, 56, 64]'];

  it('counts tokens that were padded beyond their own need as a step of what ran: another rank is as large', async () => {
    const { whole, log } = await counted([...decodesOnly, row(3, 64, 'FULL', 500), row(1, 48, 'FULL', 100)]);
    expect([...whole.decode]).toEqual([
      [48, 100],
      [64, 500],
    ]);
    expect(told(log?.findings)).toEqual(["1 to 3 tokens ran as more than they need 600 times: another rank's size"]);
    expect([...(await counted([...decodesOnly, row(3, 4, 'FULL', 5)])).whole.decode]).toEqual([[3, 5]]);
  });

  it('joins the rows of ranks that took the same steps', async () => {
    const [zero, one] = ['(EngineCore_DP0 pid=7) ', '(EngineCore_DP1 pid=8) '];
    const rows = [
      row(60, 64, 'FULL', 400, zero),
      row(2, 64, 'FULL', 100, zero),
      row(3, 64, 'FULL', 400, one),
      row(57, 64, 'FULL', 100, one),
    ];
    const { whole } = await counted([...decodesOnly, ...rows]);
    expect([...whole.decode]).toEqual([
      [57, 100],
      [60, 400],
    ]);
  });

  it('takes the phase of piecewise steps as unknown, though a full graph is there', async () => {
    const rows = ['- Mode: FULL_AND_PIECEWISE', row(12, 18, 'FULL', 200), row(12, 16, 'PIECEWISE', 900)];
    const { whole, log } = await counted(rows, { queryLen: 3, maxNumSeqs: 8 });
    expect([...whole.decode]).toEqual([[12, 200]]);
    expect(log).toMatchObject({ unknownSteps: 900, oneList: false });
    expect(told(log?.findings)).toEqual([
      '12 tokens ran piecewise 900 times although a full graph of 18 is there: phase unknown (a prefill, or requests of other than 3 tokens)',
    ]);
  });

  it('says which tokens no full graph holds, of those that vLLM keeps of its list', async () => {
    const list = ['- Mode: FULL_AND_PIECEWISE', '- Capture sizes: [1, 2, 4, 88, 96, 104]'];
    const rows = [97, 98, 99, 100].map((tokens) => row(tokens, 104, 'PIECEWISE', 1250));
    const { log } = await counted([...list, row(80, 88, 'FULL', 9), ...rows], { maxNumSeqs: 100 });
    expect(told(log?.findings)).toEqual(['97 to 100 tokens ran piecewise 5,000 times: no full graph holds them']);
  });

  it('plans a ladder in tokens where one list holds steps of every phase', async () => {
    const list = ['- Mode: PIECEWISE', '- Capture sizes: [1, 2, 4, 8, 16]'];
    const steps = await counted([...list, row(9, 16, 'PIECEWISE', 500), row(3, 4, 'PIECEWISE', 100)]);
    expect(steps.log).toMatchObject({ oneList: true, unknownSteps: 600, findings: [] });
    const plan = await planOf(steps);
    expect(plan.ladders.decode).toEqual([3, 9, 128]);
    expect(plan.emit.vllm).toBe('--cudagraph-capture-sizes 3 9 128');
    // 9 on 16 and 3 on 4: 500 * 7 + 100 * 1 over 500 * 9 + 100 * 3.
    expect(plan.asRan).toMatchObject({ graphs: 5, steps: 600, paddingRatio: 3600 / 4800, eagerSteps: 0 });
  });

  it('reads its list from the line of its configuration, and what capturing took', async () => {
    const config = `compilation_config={'cudagraph_mode': <CUDAGraphMode.PIECEWISE: 1>, 'cudagraph_capture_sizes': [8, 4, 2, 1]}`;
    const took = 'INFO 10-06 12:00:40 [gpu_model_runner.py:3480] Graph capturing finished in 8 secs, took 0.50 GiB';
    const { log } = await counted([config, '- Mode: PIECEWISE', took, row(3, 4, 'PIECEWISE', 5)]);
    expect(log).toMatchObject({ captured: [1, 2, 4, 8], capture: { seconds: 8, bytes: 2 ** 29 }, graphs: 4 });
  });

  const statistics = (list: string) =>
    `INFO 12-10 15:42:47 forward_context.py:58] Batchsize forward time stats (batchsize, count, median_time(ms)): ${list}`;

  it('reads its batch-size statistics as counts and as times, the last line of a process alone', async () => {
    const steps = await counted([
      statistics('[(16, 700, 9.0), (8, 200, 10.0)]'),
      statistics('[(16, 769, 9.5), (8, 215, 10.0), (64, 5, 20.5), (1900, 3, 90)]'),
    ]);
    expect([...steps.whole.decode]).toEqual([
      [8, 215],
      [16, 769],
      [64, 5],
    ]);
    expect(steps.whole.mixed).toMatchObject([{ tokens: 1900, count: 3 }]);
    const costs = costsOfLog(steps.log?.times ?? [], await planCosts(limits, false, null));
    expect(costs).toMatchObject({ unit: 'ms', raised: 1 });
    const at = (size: number) => costs?.time[size];
    expect([at(1), at(8), at(9), at(16), at(17), at(64), at(65)]).toEqual([10, 10, 10, 10, 20.5, 20.5, 90]);
    expect(await counted(['Batchsize distribution (batchsize, count): [(16, 3)]'])).toMatchObject({
      whole: { steps: 3 },
    });
  });
});

describe('steps that no graph is planned for', () => {
  const metrics = (counts: readonly number[]): string[] =>
    ['1.0', '8.0', '16.0', '+Inf'].map(
      (bound, at) => `vllm:iteration_tokens_total_bucket{engine="0",le="${bound}",model_name="m"} ${counts[at]}.0`,
    );

  it.each<[string, string[], number, number]>([
    ['hold a prefill where their phase counts as that of decodes', metrics([10, 120, 220, 221]), 1, 0],
    ['are of unknown phase', [row(12, 16, 'FULL', 200), row(12, 16, 'PIECEWISE', 900)], 0, 900],
    [
      'are some of each',
      [row(12, 16, 'FULL', 200), row(12, 16, 'PIECEWISE', 900), row(17, 18, 'PIECEWISE', 3)],
      3,
      900,
    ],
    ['are none where one list holds all', ['- Mode: PIECEWISE', row(9, 16, 'PIECEWISE', 500)], 0, 0],
  ])('%s', async (_, lines, prefills, unknown) => {
    const plan = await planOf(await counted(lines, { maxNumSeqs: 16 }), { ...limits, maxNumSeqs: 16 });
    expect([plan.unplannedSteps, plan.unplannedUnknownSteps]).toEqual([prefills + unknown, unknown]);
    const { stdout } = cli(['plan', '--log', '-', '--ranks', '1', '--max-num-seqs', '16'], `${lines.join('\n')}\n`);
    expect(/ (\d+) steps? of unknown phase/.exec(stdout)?.[1] ?? '0').toBe(`${unknown}`);
    expect(/ prefill +(\d+) steps? holds? one/.exec(stdout)?.[1] ?? '0').toBe(`${prefills}`);
    const all = Number(/the phase of (\d+) steps is unknown/.exec(stdout)?.[1] ?? 0);
    expect(all).toBe(plan.unknownSteps);
    expect(stdout.includes('; they count as decodes')).toBe(all > 0 && unknown === 0 && plan.log?.oneList === false);
  });
});

async function planOf(steps: Awaited<ReturnType<typeof counted>>, own = limits) {
  return makePlan(steps, {
    limits: own,
    policy: LOCKSTEP_POLICY,
    costs: await planCosts(own, false, null),
    memory: captureCost('trtllm-deepseek-r1'),
    budget: { kind: 'time-loss', most: 0.001 },
    objective: 'seen',
    sizeMultiple: 1,
    include: [],
    mixed: false,
    split: 0.5,
  });
}

const decodeLine = (time: string, ranks: string, running: number, graph = true, rest = ''): string =>
  `[2026-05-07 05:58:${time}${ranks}] Decode batch, #running-req: ${running}, #token: 4000, cuda graph: ${graph ? 'True' : 'False'}, #queue-req: 0${rest}`;

describe("SGLang's lines say what ran", () => {
  it('joins the ranks of one second to a step', async () => {
    const lines = [
      decodeLine('00', ' DP0 TP0 EP0', 50),
      decodeLine('00', ' DP1 TP1 EP1', 3),
      decodeLine('00', ' DP2 TP2 EP2', 0),
      decodeLine('02', ' DP0 TP0 EP0', 48),
      decodeLine('02', ' DP1 TP1 EP1', 2),
    ];
    const { whole, ranked } = await counted(lines);
    expect([...whole.decode]).toEqual([
      [48, 1],
      [50, 1],
    ]);
    expect(ranked.map(({ ranks, tokens }) => [ranks, tokens])).toEqual([
      [3, 53],
      [2, 50],
    ]);
  });

  it('keeps the steps of one rank apart, in the same second too', async () => {
    const lines = [
      decodeLine('00', ' DP0 TP0', 5),
      decodeLine('00', ' DP0 TP0', 5),
      decodeLine('00', '', 6),
      decodeLine('00', '', 6),
    ];
    expect([...(await counted(lines)).whole.decode]).toEqual([
      [5, 2],
      [6, 2],
    ]);
  });

  it('counts a line that Ray folded as often as it came', async () => {
    const folded = decodeLine('00', ' DP0 TP0', 50, false, ' [repeated 7x across cluster]');
    expect([...(await counted([`(SGLangEngine pid=300, ip=10.0.0.2) ${folded}`])).whole.decode]).toEqual([[50, 8]]);
  });

  it.each([
    [
      'Capture target decode CUDA graph begin. backend=full, num_tokens_per_req=1, bs=[1, 2, 4, 8, 12, 16, 24, 32], avail mem=7.10 GB',
      'Capture target decode CUDA graph end. elapsed=0.89 s, mem usage=0.15 GB, avail mem=6.95 GB',
    ],
    [
      '[TP0] Capture cuda graph bs [1, 2, 4, 8, 12, 16, 24, 32]',
      '[TP0] Capture cuda graph end. Time elapsed: 0.89 s. mem usage=0.15 GB. avail mem=6.95 GB.',
    ],
  ])('takes its graphs and what they took from its capture lines: %s', async (begin, end) => {
    const prefill = 'Capture target prefill CUDA graph end. elapsed=102.93 s, mem usage=1.20 GB';
    const lines = [
      begin,
      end,
      end,
      prefill,
      decodeLine('00', '', 67, false),
      decodeLine('03', '', 96, false),
      decodeLine('07', '', 23),
    ];
    const steps = await counted(lines);
    expect(steps.log).toMatchObject({
      captured: [1, 2, 4, 8, 12, 16, 24, 32],
      capture: { seconds: 0.89, bytes: Math.round(0.15 * 2 ** 30) },
    });
    expect(told(steps.log?.findings)).toEqual(['67 to 96 tokens ran eager 2 times: the graphs end at 32']);
    expect((await planOf(steps)).asRan).toMatchObject({ graphs: 8, eagerSteps: 2, paddingRatio: 1 / 23 });
  });

  it('weighs decodes by the interval of their lines where that is asked for', async () => {
    const prefill = '[2026-05-07 05:58:00] Prefill batch, #new-seq: 2, #new-token: 158, #running-req: 9';
    const { whole } = await counted([prefill, decodeLine('01', '', 9)], {}, 40);
    expect([whole.mixed[0]?.count, [...whole.decode]]).toEqual([1, [[9, 40]]]);
    await expect(counted([prefill], {}, 0)).rejects.toThrow(/decodeLogInterval is 0/);
  });
});

describe('other logs', () => {
  it("reads TensorRT-LLM's iterations, and joins those of its ranks", async () => {
    const line = (iteration: number, rank: number, requests: string, states: string) =>
      `[07/22/2026-00:00:00] [TRT-LLM] [I] iter = ${iteration}, global_rank = ${rank}, rank = ${rank}, ${requests}, states = {${states}}`;
    const decodes = (tokens: number) =>
      `'num_ctx_requests': 0, 'num_ctx_tokens': 0, 'num_generation_tokens': ${tokens}`;
    const { engine, batches } = await readEngineRun(
      text(
        line(
          1,
          0,
          'num_scheduled_requests: 3',
          "'num_ctx_requests': 2, 'num_ctx_tokens': 900, 'num_generation_tokens': 1",
        ),
        line(2, 0, 'num_scheduled_requests = 5', decodes(5)),
        line(2, 1, 'num_scheduled_requests = 9', decodes(9)),
        line(3, 0, 'num_scheduled_requests = 0', decodes(0)),
      ),
    );
    expect([engine, batches]).toEqual([
      'trtllm',
      [
        { phase: 'mixed', tokens: 901, requests: 3, count: 1 },
        { phase: 'decode', tokens: 9, requests: 9, ranks: 2, rankTokens: 14, count: 1 },
      ],
    ]);
  });

  it("reads ATOM's batches", async () => {
    const { engine, batches } = await readEngineRun(
      text('[atom 12:00:43] Scheduled prefill batch: 2 reqs, 16384 new tokens (done: [8]), req_ids: (490,)'),
    );
    expect([engine, batches]).toEqual(['atom', [{ phase: 'prefill', tokens: 16384, requests: 2, count: 1 }]]);
  });

  it('says what was seen in a log without batches', async () => {
    const captures = 'Capture target decode CUDA graph begin. backend=full, bs=[1, 2], avail mem=7.10 GB';
    await expect(readEngineRun(text('hello', captures))).rejects.toThrow(
      /it holds no batch \(2 lines, lines of sglang without a batch, the first is "hello"\)[\s\S]*print_iter_log/,
    );
  });
});
