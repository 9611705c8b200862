import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decode, ranks } from '../../support/batch-documents.js';
import { cli, root } from '../../support/cli.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'lockstep-engine-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const file = (name: string, text: string): string => {
  const place = path.join(folder, name);
  writeFileSync(place, text);
  return place;
};
const FEW = ['--requests', '40', '--ranks', '1'];
const LINE = 'vllm serve m --max-num-seqs 50 --foo 3 --port 80';
const json = (args: string[]): Record<string, never> & { [key: string]: unknown } =>
  JSON.parse(cli([...args, '--json']).stdout);

describe('an engine as somebody runs it', () => {
  test.each(['run', 'simulate', 'plan', 'audit'])('%s reads its file once: it may be a pipe', (command) => {
    const yaml = file('piped.yaml', 'max_batch_size: 16\ncuda_graph_config:\n  batch_sizes: [1, 4, 16]\n');
    const line = 'node dist/cli/main.js "$0" --requests 4 --json --engine-config <(cat "$1")';
    const { stdout, stderr } = spawnSync('bash', ['-c', line, command, yaml], { cwd: root, encoding: 'utf8' });
    expect(stderr).not.toContain('ERR_');
    expect(JSON.parse(stdout)).toMatchObject(
      command === 'run' ? { graphs: 3 } : { engine: { profile: { engine: 'trtllm' } } },
    );
  });

  test('plan, simulate, run and audit take one launch line, and count the same graphs', () => {
    const planned = json(['plan', ...FEW, '--engine', LINE]) as unknown as {
      engines: { engine: string; graphs: number; eagerSteps: number; graphKinds: object }[];
      engine: object;
    };
    const row = planned.engines.find(({ engine }) => engine === 'vllm');
    const simulated = json(['simulate', ...FEW, '--engine', LINE]);
    const audited = json(['audit', '--engine', LINE]);
    const ran = json(['run', '--requests', '4', '--ranks', '1', '--engine', LINE]);
    expect(simulated).toMatchObject({ policy: 'vllm-v2', graphs: row?.graphs, eagerDecodeSteps: row?.eagerSteps });
    expect(simulated.graphKinds).toEqual(row?.graphKinds);
    expect(ran).toMatchObject({ policy: 'vllm-v2', graphs: row?.graphs, graphKinds: row?.graphKinds, mismatches: 0 });
    const kinds = row?.graphKinds ?? { decode: 0, mixed: 0, piecewise: 0 };
    const { decode, mixed, piecewise } = kinds as { decode: number; mixed: number; piecewise: number };
    expect(audited.graphs).toBe(decode + mixed + piecewise);
    const engine = { version: '2026-09', mode: 'FULL_AND_PIECEWISE', unknown: ['--foo 3'], ignored: ['--port 80'] };
    for (const document of [planned, simulated, audited]) expect(document.engine).toMatchObject(engine);
  });

  test('an audit holds each number of requests to the graphs of its own drafts', () => {
    const tiers = '"num_speculative_tokens_per_batch_size":[[1,8,3],[9,16,1]]';
    const line = `vllm serve m --speculative-config '{"num_speculative_tokens":3,${tiers}}' --max-num-seqs 16 --cudagraph-capture-sizes`;
    const { status, stdout } = cli(['audit', '--engine', `${line} 4 8 12 16 20 24 28 32`, '--json']);
    expect(status).toBe(0);
    // 1 to 8 requests have 4 tokens each, 9 to 16 have 2: none has graphs of 2 tokens a request up to 8 requests.
    const unused = [4, 8, 12, 16];
    expect(JSON.parse(stdout)).toMatchObject({
      uncovered: [],
      unreachable: unused,
      unreachableGraphs: unused.map((tokens) => ({ tokens, queryLen: 2 })),
    });
    const short = cli(['audit', '--engine', `${line} 4 8 12 16 20 24`]);
    expect(short).toMatchObject({ status: 1 });
    expect(short.stdout).toContain('decodes of 7 to 8 requests run eager');
    expect(short.stdout).toContain('decodes of 13 to 16 requests run eager');
    expect(short.stdout).toContain('16 (2 a request)');
    // No prefill is as short as these graphs: the padding of a simulation is that of decodes.
    const args = ['--engine', `${line} 6 16 22`, '--requests', '40'];
    const { traffic } = json(['audit', ...args]) as unknown as {
      traffic: { paddingRatio: number; eagerSteps: number };
    };
    const simulated = json(['simulate', ...args]) as unknown as Record<string, number>;
    expect(traffic).toMatchObject({ eagerSteps: simulated.eagerDecodeSteps, sameGraphs: null, samePadding: null });
    expect(traffic.paddingRatio).toBeGreaterThan(0);
    expect(traffic.paddingRatio).toBeCloseTo(simulated.paddingRatioLargest, 9);
  });

  test('a name with a release, a profile file and YAML say the same as flags', () => {
    expect(json(['simulate', ...FEW, '--engine', 'vllm@0.12'])).toMatchObject({
      policy: 'vllm-v1',
      engine: { version: '2026-08' },
    });
    const profile = file('p.json', JSON.stringify({ engine: 'sglang', maxNumSeqs: 20, ubatches: 2, odd: 1 }));
    expect(json(['simulate', ...FEW, '--engine', profile])).toMatchObject({
      policy: 'sglang',
      engine: { profile: { maxNumSeqs: 20, ubatches: 2 }, unknown: ['odd'] },
    });
    const yaml = file(
      'llm.yaml',
      'ctx:\n  cuda_graph_config: null\ngen:\n  cuda_graph_config: {batch_sizes: [1, 2, 64]}\n',
    );
    const both = cli(['simulate', ...FEW, '--engine-config', yaml]);
    expect(both).toMatchObject({ status: 2, stderr: expect.stringMatching(/ctx and in gen/) });
    expect(json(['simulate', ...FEW, '--engine-config', `${yaml}#gen`])).toMatchObject({ policy: 'trtllm', graphs: 3 });
    expect(json(['simulate', ...FEW, '--engine-config', `${yaml}#ctx`])).toMatchObject({ policy: 'trtllm', graphs: 0 });
    expect(cli(['simulate', '--engine', 'nothing']).stderr).toContain('names no engine');
  });

  test('an option that is given besides overrides the line, and that is said', () => {
    const flags = ['--policy', 'lockstep', '--ladder', '1,2', '--max-num-seqs', '4'];
    expect(json(['simulate', ...FEW, '--engine', LINE, ...flags])).toMatchObject({
      policy: 'lockstep',
      graphs: 2,
      engine: { overridden: ['--policy', '--ladder', '--max-num-seqs'] },
    });
  });

  test("the GPU of a cost model is that of the engines' defaults", () => {
    const rows = (model: string, most: string) =>
      (
        json(['plan', ...FEW, '--cost-model', model, '--max-num-seqs', most]) as unknown as {
          audit: { uncapturedMaxima: { engine: string; captured: number }[] };
        }
      ).audit.uncapturedMaxima;
    const b200 = rows('b200:llama-3-70b', '1024');
    expect(b200.some(({ engine }) => engine === 'vllm')).toBe(false);
    expect(b200).toContainEqual(expect.objectContaining({ engine: 'sglang', captured: 512 }));
    expect(rows('l40s:llama-3-8b', '256')).toContainEqual(expect.objectContaining({ engine: 'sglang', captured: 32 }));
  });

  test('sizes that were lowered are named', () => {
    const { stdout } = cli(['simulate', ...FEW, '--ladder', '1,17,33,49,65,81,97,113', '--max-num-seqs', '4']);
    expect(stdout).toMatch(/ladder +17, 33, 49, 65, 81, 97, 113 are lowered to 4 tokens/);
    const dropped = cli(['simulate', ...FEW, '--policy', 'atom', '--ladder', '1,2,64', '--max-num-seqs', '4']).stdout;
    expect(dropped).toMatch(/atom captures no graph of decodes of exactly 64 tokens/);
  });

  test('a plan goes above maxNumSeqs where the token alignment needs it', () => {
    const policy = file('aligned.json', JSON.stringify({ name: 'aligned', tokenAlignment: 8 }));
    const { ladders } = json(['plan', ...FEW, '--max-num-seqs', '100', '--policy', policy]) as unknown as {
      ladders: { decode: number[] };
    };
    expect(ladders.decode.at(-1)).toBe(104);
  });

  test('a log of piecewise steps alone gets a ladder of tokens, as the list of vLLM', () => {
    const rows = [
      '- Mode: PIECEWISE',
      '| Unpadded Tokens | Padded Tokens | Num Paddings | Runtime Mode | Count |',
      '| 9 | 16 | 7 | PIECEWISE | 500 |',
      '| 3 | 4 | 1 | PIECEWISE | 100 |',
    ];
    const log = file(
      'piece.log',
      `${rows.map((row) => `INFO 03-10 10:00:00 [cuda_graph.py:117] ${row}`).join('\n')}\n`,
    );
    const limits = ['--max-num-seqs', '128', '--max-num-batched-tokens', '2048'];
    const planned = json(['plan', '--log', log, ...limits]) as unknown as {
      ladders: { decode: number[] };
      engines: { engine: string; graphs: number }[];
    };
    expect(planned).toMatchObject({
      ladderOf: 'tokens',
      emit: { vllm: '--cudagraph-capture-sizes 3 9' },
      eagerSteps: 0,
    });
    expect(planned.ladders.decode).toEqual([3, 9]);
    // vLLM's own list at 128 requests ends at 256 tokens.
    expect(planned.engines.find(({ engine }) => engine === 'vllm')?.graphs).toBe(35);
  });

  test('two-batch overlap is emitted in even sizes only', () => {
    const flags = ['--policy', 'sglang', '--ubatches', '2', '--max-num-seqs', '33'];
    const { emit } = json(['plan', '--requests', '60', '--ranks', '2', ...flags]) as unknown as {
      emit: { sglang: string };
    };
    const sizes = emit.sglang.split(' ').slice(1).map(Number);
    expect(sizes.length).toBeGreaterThan(1);
    for (const size of sizes) expect(size % 2).toBe(0);
  });
});

describe('graphs that an engine has as it is run', () => {
  const BATCH = `{"ranks":[{"requests":[${Array(3).fill('{"phase":"decode","queryLen":1,"numComputedTokens":8}').join(',')}]}]}\n`;

  test('explain takes the sizes of the line, not those of its default ladder', () => {
    const lines = ['vllm serve m --max-num-seqs 8 --cudagraph-capture-sizes 1 3 8', 'vllm serve m --max-num-seqs 8'];
    const sizes = lines.map((line) => {
      const { stdout } = cli(['explain', '--json', '--engine', line], BATCH);
      return JSON.parse(stdout).decision.paddedTokens as number;
    });
    expect(sizes).toEqual([3, 4]);
  });

  test('without padding only batches of exactly a captured size run on graphs, in every report', () => {
    const yaml = file('exact.yaml', 'max_batch_size: 64\ncuda_graph_config: {batch_sizes: [1, 3, 7, 64]}\n');
    const args = ['--engine-config', yaml];
    const { status, stdout } = cli(['audit', ...args, '--json']);
    const eager = [
      { from: 2, to: 2, run: 'eager' },
      { from: 4, to: 6, run: 'eager' },
      { from: 8, to: 63, run: 'eager' },
    ];
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ uncovered: eager, worst: { padding: 0 } });
    const simulated = json(['simulate', ...FEW, ...args]);
    expect((simulated.reasons as unknown as Record<string, number>)['no-exact-key']).toBeGreaterThan(0);
    const planned = json(['plan', ...FEW, ...args]) as unknown as { engines: { engine: string; eagerSteps: number }[] };
    const row = planned.engines.find(({ engine }) => engine === 'trtllm');
    expect(row?.eagerSteps).toBe(simulated.eagerDecodeSteps);
    const sglang = 'python -m sglang.launch_server --disable-cuda-graph-padding --cuda-graph-bs 1 4 20';
    expect(cli(['audit', '--engine', `${sglang} --max-running-requests 20`]).stdout).toContain('decodes of 5 to 19');
  });

  test('ranks are those of the line, and a flag comes before', () => {
    const line = ['--engine', 'vllm serve m -dp 3 --max-num-seqs 8'];
    const few = ['--requests', '4'];
    for (const command of ['simulate', 'run']) expect(json([command, ...few, ...line])).toMatchObject({ ranks: 3 });
    const given = json(['simulate', ...few, '--ranks', '2', ...line]);
    expect(given).toMatchObject({ ranks: 2, engine: { overridden: ['--ranks'] } });
    expect(json(['simulate', ...few, '--engine', 'vllm serve m'])).toMatchObject({ ranks: 1 });
    expect(cli(['simulate', ...few, ...line]).stdout).toContain('3 data-parallel ranks');
  });

  test('the settings that a line of TensorRT-LLM names are read, and what is not read may matter', () => {
    const yaml = file(
      'line.yaml',
      'max_batch_size: 192\nkv_cache_config: {}\nmoe_odd: 1\ncuda_graph_config: {enable_padding: true, batch_sizes: [1, 2, 64]}\n',
    );
    for (const flag of ['--extra_llm_api_options', '--config']) {
      const line = `trtllm-serve m --max_batch_size 256 --max_num_tokens 4096 ${flag} ${yaml}`;
      expect(json(['audit', '--engine', line])).toMatchObject({
        graphs: 3,
        limits: { maxNumSeqs: 192, maxNumBatchedTokens: 4096 },
        engine: { ignored: ['kv_cache_config'], unknown: ['moe_odd'] },
      });
    }
    const missing = json(['audit', '--engine', 'trtllm-serve m --config nowhere.yaml']);
    expect(missing).toMatchObject({ engine: { unknown: [expect.stringContaining('nowhere.yaml')] } });
    const vllm = json(['audit', '--engine', 'vllm serve m --config x.yaml']);
    expect(vllm).toMatchObject({ engine: { unknown: ['--config x.yaml'] } });
  });

  test.each([
    ['use_cuda_graph: false\nmax_batch_size: 16\n', 0],
    ['cuda_graph_batch_sizes: [1, 2, 4]\ncuda_graph_padding_enabled: true\nmax_batch_size: 16\n', 3],
    ['pytorch_backend_config: {use_cuda_graph: true, cuda_graph_batch_sizes: [1, 2]}\nmax_batch_size: 16\n', 2],
  ])('keys before cuda_graph_config: %s', (text, graphs) => {
    expect(json(['audit', '--engine-config', file('old.yaml', text)]).graphs).toBe(graphs);
  });

  test('a path may end at cuda_graph_config itself', () => {
    const yaml = file(
      'two.yaml',
      'a: {cuda_graph_config: null}\ngen: {max_batch_size: 64, cuda_graph_config: {max_batch_size: 64, enable_padding: true}}\n',
    );
    const [server, config] = ['gen', 'gen.cuda_graph_config'].map((at) =>
      json(['audit', '--engine-config', `${yaml}#${at}`]),
    );
    expect(config).toEqual(server);
    expect(config).toMatchObject({ limits: { maxNumSeqs: 64 }, engine: { profile: { padding: true } } });
  });

  test('an audit says its limits, and whose they are', () => {
    const limitsOf = (...args: string[]): unknown => json(['audit', ...args]).limits;
    expect(limitsOf('--engine', 'vllm serve m')).toMatchObject({ maxNumSeqs: 256, maxNumBatchedTokens: 8192 });
    expect(cli(['audit', '--engine', 'vllm serve m']).stdout).toMatch(/assumed +--max-num-seqs 256/);
    const onGpu = cli(['audit', '--engine', '{"engine":"vllm","gpu":"h100"}']);
    expect(onGpu.status).toBe(1);
    expect(onGpu.stdout).toContain('decodes of 513 to 1024 requests');
    expect(limitsOf('--engine', '{"engine":"vllm","gpu":"a100"}')).toMatchObject({ maxNumSeqs: 256 });
    expect(limitsOf('--engine', '{"engine":"vllm","gpu":"h100","maxNumSeqs":9}')).toMatchObject({ maxNumSeqs: 9 });
  });

  test('decodes of a log run on graphs of more tokens than a step can have', () => {
    const log = file(
      'full.log',
      [
        'INFO 11-29 10:00:00 [cudagraph_stats.py:1] **CUDAGraph Config Settings:**',
        '- Mode: FULL',
        '- Capture sizes: [1, 2, 4, 8, 96, 104]',
        '**CUDAGraph Stats:**',
        '| Unpadded Tokens | Padded Tokens | Num Paddings | Runtime Mode | Count |',
        '|-----------------|---------------|--------------|--------------|-------|',
        '| 98 | 104 | 6 | FULL | 212 |',
        '',
      ].join('\n'),
    );
    const profile = { engine: 'vllm', release: '0.11.0', maxNumSeqs: 100 };
    for (const graphMode of ['FULL', 'FULL_AND_PIECEWISE'])
      expect(json(['audit', log, '--engine', JSON.stringify({ ...profile, graphMode })])).toMatchObject({
        traffic: { decodes: 212, eagerSteps: 0 },
      });
  });
});

describe('lockstep audit', () => {
  test('a decode without a full graph is an exit of 1, with how it runs', () => {
    const line = 'vllm serve m --max-num-seqs 100 --cudagraph-capture-sizes 1 2 4 8 96';
    const { status, stdout } = cli(['audit', '--engine', line]);
    expect(status).toBe(1);
    expect(stdout).toMatch(/uncovered +decodes of 97 to 100 requests run eager/);
    expect(stdout).toMatch(/worst +9 tokens on a graph of 96, 967 % padding/);
    expect(cli(['audit', '--policy', 'vllm-v2', '--ladder', '1,2,4,8,16', '--max-num-seqs', '6'])).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(/decodes of 5 to 6 requests run piecewise/),
    });
  });

  test('a list that covers all is an exit of 0; graphs that no step reaches are named', () => {
    expect(cli(['audit', '--engine', 'vllm serve m --max-num-seqs 100'])).toMatchObject({ status: 0 });
    const profile = JSON.stringify({ engine: 'vllm', maxNumSeqs: 4, maxNumBatchedTokens: 16, sizes: [1, 2, 4, 8, 16] });
    expect(json(['audit', '--engine', profile])).toMatchObject({ uncovered: [], unreachable: [], prefillsUpTo: 16 });
  });

  test('with traffic it says what other and fewer sizes would do', () => {
    const { traffic } = json(['audit', '--engine', 'sglang', ...FEW]) as unknown as {
      traffic: {
        decodes: number;
        paddingRatio: number;
        sameGraphs: { paddingRatio: number };
        samePadding: { graphs: number };
      };
    };
    expect(traffic.decodes).toBeGreaterThan(0);
    expect(traffic.sameGraphs.paddingRatio).toBeLessThanOrEqual(traffic.paddingRatio);
    expect(traffic.samePadding.graphs).toBeGreaterThan(0);
  });
});

test('check explores what an engine captures, under its policy and within its limits', () => {
  const line = 'vllm serve m --max-num-seqs 5 --max-num-batched-tokens 24 --cudagraph-capture-sizes 1 2 4 8 16 --foo 3';
  const told = json(['check', '--engine', line]) as unknown as { domain: object; violations: object[] };
  expect(told).toMatchObject({ policy: 'vllm-v2', violations: [], engine: { unknown: ['--foo 3'] } });
  // Full graphs of 1, 2 and 4 decodes, and piecewise ones of five sizes.
  expect(told.domain).toMatchObject({ keys: 8, maxNumSeqs: 5, maxNumBatchedTokens: 24, ubatches: 1 });
  const text = cli(['check', '--engine', line]).stdout;
  expect(text).toMatch(/^engine {6}vllm, rules of /);
  // Nothing can be padded to a graph that no step reaches.
  const wide = ['check', '--engine', 'sglang', '--max-num-seqs', '3', '--json'];
  expect(JSON.parse(cli(wide).stdout)).toMatchObject({ policy: 'sglang', domain: { maxNumSeqs: 3 } });
  expect(json(['check', '--engine', line, '--policy', 'trtllm'])).toMatchObject({ policy: 'trtllm' });
  expect(cli(['check', '--engine', line, '--no-piecewise'])).toMatchObject({ status: 2 });
});

test("check lets the engine's policy by name run the graphs of the profile's mode", () => {
  const profile = { engine: 'vllm', graphMode: 'FULL', maxNumSeqs: 2, maxNumBatchedTokens: 4, sizes: [2, 4] };
  const args = ['check', '--engine', JSON.stringify(profile), '--ranks', '1'];
  for (const named of [[], ['--policy', 'vllm-v2']]) {
    expect(json([...args, ...named])).toMatchObject({ policy: 'vllm-v2', violations: [] });
  }
});

test('a limit given besides counts for whether a profile can be', () => {
  const adaptive = ['--engine', '{"engine":"vllm","adaptiveVerification":true}'];
  expect(cli(['audit', ...adaptive])).toMatchObject({ status: 2, stderr: expect.stringMatching(/--query-len of 2/) });
  const engine = { profile: { engine: 'vllm', adaptiveVerification: true }, overridden: ['--query-len'] };
  const found = { policy: 'vllm-v2', engine };
  expect(json(['audit', ...adaptive, '--query-len', '3'])).toMatchObject(found);
  expect(json(['simulate', ...FEW, ...adaptive, '--query-len', '3'])).toMatchObject({ ...found, queryLen: 3 });
});

test('a plan file says the tokens of a decode that graphs for any length do not', () => {
  const plan = path.join(folder, 'full.plan.json');
  const limits = { queryLen: 3, maxNumSeqs: 8, maxNumBatchedTokens: 64, maxModelLen: 4096 };
  const engine = JSON.stringify({ engine: 'vllm', graphMode: 'FULL', ...limits });
  const told = json(['run', '--requests', '4', '--ranks', '1', '--engine', engine, '--plan-out', plan]);
  const written = JSON.parse(readFileSync(plan, 'utf8'));
  expect({ run: told.queryLen, file: written.queryLen }).toEqual({ run: 3, file: 3 });
  const sizes = ['--max-num-seqs', '8', '--max-num-batched-tokens', '64'];
  const args = ['simulate', ...FEW, '--plan', plan, ...sizes];
  expect(json(args)).toMatchObject({ queryLen: 3 });
  // A graph of any step holds decodes of other lengths too.
  expect(json([...args, '--query-len', '2'])).toMatchObject({ queryLen: 2 });
  const batch = JSON.stringify(ranks([decode(9, [1, 2], 3)], []));
  expect(cli(['explain', '--plan', plan, ...sizes], batch)).toMatchObject({ status: 0 });
  const { queryLen: _, ...before } = written;
  const old = file('old.plan.json', JSON.stringify(before));
  expect(json(['simulate', ...FEW, '--plan', old, ...sizes])).toMatchObject({ queryLen: 1 });
  const wrong = file('wrong.plan.json', JSON.stringify({ ...written, queryLen: 0 }));
  expect(cli(['simulate', '--plan', wrong])).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(/queryLen is 0/),
  });
});

test('--max-size bounds the decode graphs, and decodes above it count as eager', () => {
  const args = ['plan', '--requests', '200', '--ranks', '1', '--speed', '10', '--max-num-seqs', '64'];
  const whole = json(args) as unknown as {
    ladders: { decode: number[] };
    eagerSteps: number;
    histogram: { decode: Record<string, number> };
  };
  const planned = json([...args, '--max-size', '20']) as unknown as typeof whole & {
    maxSize: number;
    largestDecode: number;
    engines: object[];
  };
  expect(planned).toMatchObject({ maxSize: 20, largestDecode: 20 });
  expect(planned.ladders.decode.at(-1)).toBe(20);
  expect(whole.ladders.decode.at(-1)).toBe(64);
  const above = Object.entries(whole.histogram.decode).filter(([size]) => Number(size) > 20);
  expect(above.length).toBeGreaterThan(0);
  expect(planned.eagerSteps).toBe(above.reduce((sum, [, count]) => sum + count, 0));
  // The engines are compared as they are.
  expect(planned.engines).toEqual((whole as unknown as typeof planned).engines);
  expect(cli([...args, '--max-size', '20']).stdout).toContain('none above 20 tokens (--max-size)');
  expect(cli([...args, '--max-size', '0'])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('--max-size is 0'),
  });
});
