import { describe, expect, test } from 'vitest';
import {
  type EngineProfile,
  engineCapture,
  ladderPlan,
  namedPolicy,
  profiledPolicy,
  readProfile,
} from '../../../dist/engines/index.js';
import { LOCKSTEP_POLICY } from '../../../dist/policy/index.js';

describe('an engine as somebody runs it, from text', () => {
  test.each([
    ['vllm@0.12', { engine: 'vllm', release: '0.12' }, []],
    ['vllm serve m --max-num-seqs 100 -tp 4 --foo 3', { maxNumSeqs: 100, tensorParallelSize: 4 }, ['--foo 3']],
    ['VLLM_USE_V2_MODEL_RUNNER=0 vllm serve m', { runner: 'v1' }, []],
    ['vllm serve m --max-num-batched-tokens 8k', { maxNumBatchedTokens: 8000 }, []],
    [
      'docker run --gpus all vllm/vllm-openai:v0.12.0 --model m --max-num-seqs 16',
      { release: '0.12.0', maxNumSeqs: 16 },
      [],
    ],
    [
      'python3 -m sglang.launch_server --model-path x --tp 8 --dp 4 --enable-dp-attention --cuda-graph-max-bs 16',
      { engine: 'sglang', maxSize: 16, attentionTpSize: 2, gathered: true },
      [],
    ],
    // Requests and tokens of a step are shared by the ranks of its attention, and one rank shares nothing.
    [
      'sglang serve --tp 8 --dp 8 --enable-dp-attention --max-running-requests 128 --chunked-prefill-size 16384',
      { maxNumSeqs: 16, maxNumBatchedTokens: 2048, attentionTpSize: 1 },
      [],
    ],
    ['sglang serve --tp 8 --dp 8 --max-running-requests 128', { maxNumSeqs: 128 }, []],
    // Drafts: 48 requests, and of one candidate a step a chain.
    ['sglang serve --speculative-algorithm EAGLE', { queryLen: 4, maxNumSeqs: 48 }, []],
    [
      'sglang serve --speculative-algorithm EAGLE3 --speculative-num-steps 3 --speculative-eagle-topk 1 --speculative-num-draft-tokens 16',
      { queryLen: 4 },
      [],
    ],
    [
      'sglang serve --speculative-algorithm EAGLE --speculative-num-steps 3 --speculative-eagle-topk 4 --speculative-num-draft-tokens 16 --max-running-requests 64',
      { queryLen: 16, maxNumSeqs: 64 },
      [],
    ],
    ['trtllm@1.0.0rc3', { engine: 'trtllm', release: '1.0.0' }, []],
    ['docker run vllm/vllm-openai@sha256:0ab1 --model m --max-num-seqs 16', { engine: 'vllm', maxNumSeqs: 16 }, []],
    ['docker run localhost:5000/x/vllm:v0.9.2 --model m', { engine: 'vllm', release: '0.9.2' }, []],
    ['docker run rocm/vllm:rocm6.4.1_vllm_0.10.1_20250909 vllm serve m', { release: '0.10.1' }, []],
    [
      'python -m atom.entrypoints.openai_server --model m',
      { engine: 'atom', maxNumSeqs: 512, maxNumBatchedTokens: 16384 },
      [],
    ],
    ['trtllm-serve m --max_batch_size 64', { engine: 'trtllm', maxNumSeqs: 64, padding: false }, []],
    ['cuda_graph_config: {batch_sizes: [1, 2]}', { engine: 'trtllm', sizes: [1, 2] }, []],
    [
      'cuda_graph_config: {max_batch_size: 8}\ntensor_parallel_size: 4\nenable_attention_dp: true',
      { dataParallelSize: 4, tensorParallelSize: 4 },
      [],
    ],
    ['{"engine":"megatron","allPrefills":true,"odd":1}', { engine: 'megatron', allPrefills: true }, ['odd']],
  ])('%s', (text, profile, unknown) => {
    const read = readProfile(text);
    expect(read.profile).toMatchObject(profile);
    expect(read.unknown).toEqual(unknown);
  });

  test('ranks of attention data parallelism are those of the line, where the configuration says none', () => {
    const over = readProfile('trtllm-serve m --tp_size 8 --config x.yaml').profile;
    expect(readProfile('enable_attention_dp: true', { over }).profile.dataParallelSize).toBe(8);
    expect(readProfile('enable_attention_dp: false', { over }).profile).not.toHaveProperty('dataParallelSize');
  });

  test.each([[new Float32Array(0)], [{ at: 7 as unknown as string }]])(
    'a place that is no text is refused: %o',
    (options) => {
      expect(() => readProfile('0:', options as { at: string })).toThrow(
        expect.objectContaining({ code: 'ERR_CONFIG_INVALID' }),
      );
    },
  );

  test('the month of an image is no release of the engine', () => {
    expect(readProfile('docker run nvcr.io/nvidia/vllm:25.09-py3 vllm serve m').profile).not.toHaveProperty('release');
  });

  test('attention of one data-parallel rank gathers nothing', () => {
    expect(readProfile('sglang serve --tp 8 --enable-dp-attention').profile).not.toHaveProperty('gathered');
  });

  test.each(['model: m\nmax-num-seqs: 32\n', 'kind: Pod\nspec: {replicas: 1}', 'print_iter_log: true'])(
    'YAML that says nothing of graphs is not taken for that of TensorRT-LLM: %j',
    (text) => {
      expect(() => readProfile(text)).toThrowError(expect.objectContaining({ code: 'ERR_INPUT_INVALID' }));
      expect(readProfile(text, { engine: 'trtllm' }).profile.engine).toBe('trtllm');
    },
  );

  test.each(['', 'nothing', '--port 80', 'llama serve m'])('%j names no engine', (text) => {
    expect(() => readProfile(text)).toThrowError(expect.objectContaining({ code: 'ERR_INPUT_INVALID' }));
  });

  test('limits given besides count for whether a profile can be', () => {
    const text = '{"engine":"vllm","adaptiveVerification":true}';
    expect(() => readProfile(text)).toThrowError(expect.objectContaining({ code: 'ERR_CONFIG_INVALID' }));
    expect(readProfile(text, { limits: { queryLen: 3 } }).profile).toEqual(JSON.parse(text));
  });

  test('an impossible profile is refused with every fault', () => {
    const wrong = '{"engine":"vllm","maxNumSeqs":0,"graphMode":"SOME"}';
    expect(() => readProfile(wrong)).toThrowError(
      expect.objectContaining({ code: 'ERR_CONFIG_INVALID', message: expect.stringMatching(/graphMode.*maxNumSeqs/s) }),
    );
  });
});

describe("vLLM's graph modes", () => {
  // The mode, all graphs, and sizes for decodes, in pieces, and for prefills on full graphs.
  const modes = (more: object): [string, number, number, number, number] => {
    const captured = engineCapture({ engine: 'vllm', maxNumSeqs: 8, ...more });
    const { mode, keys, decodeSizes, piecewiseSizes, mixed } = captured;
    return [mode, keys.length, decodeSizes.length, piecewiseSizes.length, mixed.length];
  };
  test.each([
    [{}, ['FULL_AND_PIECEWISE', 9, 4, 5, 0]],
    [{ graphMode: 'NONE' }, ['NONE', 0, 0, 0, 0]],
    [{ graphMode: 'PIECEWISE' }, ['PIECEWISE', 5, 0, 5, 0]],
    [{ graphMode: 'FULL' }, ['FULL', 5, 5, 0, 5]],
    [{ graphMode: 'FULL', runner: 'v1' }, ['FULL', 5, 5, 0, 5]],
    [{ graphMode: 'FULL_DECODE_ONLY' }, ['FULL_DECODE_ONLY', 4, 4, 0, 0]],
    [{ enforceEager: true }, ['NONE', 0, 0, 0, 0]],
    [{ attentionSupport: 'never' }, ['PIECEWISE', 5, 0, 5, 0]],
    [{ graphMode: 'FULL', attentionSupport: 'uniform-batch' }, ['FULL_AND_PIECEWISE', 9, 4, 5, 0]],
    [{ attentionSupport: 'uniform-single', queryLen: 2 }, ['PIECEWISE', 7, 0, 7, 0]],
    [{ sequenceParallel: true, tensorParallelSize: 2 }, ['FULL', 4, 4, 0, 4]],
    // Sizes 1, 2, 4, 8, 16, 24 and 32; the largest decode has 24 tokens.
    [{ queryLen: 3, adaptiveVerification: true, sizes: [1, 2, 4, 8, 16, 24, 32] }, ['FULL_AND_PIECEWISE', 13, 6, 7, 0]],
    [{ queryLen: 2, adaptiveVerification: true, graphMode: 'FULL' }, ['FULL_AND_PIECEWISE', 12, 5, 7, 0]],
    [{ queryLen: 2, adaptiveVerification: true, graphMode: 'FULL_DECODE_ONLY' }, ['FULL_DECODE_ONLY', 5, 5, 0, 0]],
  ])('%j', (more, found) => {
    expect(modes(more)).toEqual(found);
  });

  test('a graph of mode FULL holds any step of its size: as many requests as have a token each', () => {
    const { keys, policy } = engineCapture({
      engine: 'vllm',
      maxNumSeqs: 4,
      queryLen: 2,
      graphMode: 'FULL',
      sizes: [8],
    });
    expect(policy.mixedGraphs).toBe('any-step');
    expect(keys).toEqual([
      expect.objectContaining({ tokens: 8, prefillRequests: 4, decodeRequests: 0, maxQueryLen: 8 }),
    ]);
  });

  test("a whole policy of the engine's name runs the graphs of the profile's mode; a choice that differs stays", () => {
    const full = { engine: 'vllm', maxNumSeqs: 4, graphMode: 'FULL' } as const;
    const v2 = namedPolicy('vllm-v2');
    expect(engineCapture(full, v2).policy.mixedGraphs).toBe('any-step');
    expect(engineCapture(full, { ...v2, mixedGraphs: 'decodes' }).policy.mixedGraphs).toBe('decodes');
    expect(engineCapture({ ...full, enforceEager: true }, v2).policy.enforceEager).toBe(true);
    const nvls = { engine: 'megatron', expertParallelSize: 4, moeDispatcher: 'nvls' } as const;
    expect(engineCapture(nvls, namedPolicy('megatron')).policy.mixedGraphs).toBe('agreed');
    const limits = { maxNumSeqs: 4, maxNumBatchedTokens: 64, maxModelLen: 64, queryLen: 1 };
    const made = ladderPlan({ ladder: 'vllm', limits, policy: v2, profile: { graphMode: 'FULL' } });
    expect(made.policy).toMatchObject({ name: 'vllm-v2', mixedGraphs: 'any-step' });
    expect(made.plan.keys.every(({ prefillRequests }) => prefillRequests > 0)).toBe(true);
    // The runner is the one that the name says; other engines' policies stay as they are.
    expect(profiledPolicy(namedPolicy('vllm-v1'), full)).toMatchObject({ name: 'vllm-v1', mixedGraphs: 'any-step' });
    for (const other of [LOCKSTEP_POLICY, namedPolicy('sglang')]) expect(profiledPolicy(other, full)).toEqual(other);
  });

  test('beside a graph of mode FULL the second runner captures one in micro-batches where all its rows are alike', () => {
    const own = { engine: 'vllm', maxNumSeqs: 64, queryLen: 2, graphMode: 'FULL', ubatches: 2 } as const;
    const cut = (more: object): number[][] =>
      engineCapture({ ...own, sizes: [16, 32, 64, 96, 128, 192], ...more })
        .keys.filter(({ parts }) => parts > 1)
        .map(({ tokens, decodeRequests, queryLen }) => [tokens, decodeRequests, queryLen]);
    // 96 tokens do not divide among 64 requests, 192 are three each, and 16 are below the threshold.
    expect(cut({})).toEqual([
      [128, 64, 2],
      [64, 64, 1],
      [32, 32, 1],
    ]);
    expect(cut({ runner: 'v1' })).toEqual([]);
    // 192 tokens are three each of 64 requests, and decodes have one or five with four drafts: a plan holds few query lengths.
    const drafts = { ...own, queryLen: 5, sizes: [64, 128, 192, 256, 320] };
    expect(cut(drafts).map(([, , queryLen]) => queryLen)).toEqual([5, 1]);
    const { notes } = engineCapture(drafts);
    expect(notes).toContainEqual(expect.stringMatching(/micro-batched graphs of decodes of 2, 3, 4 tokens.*left out/));
    expect(engineCapture({ ...own, sizes: [64, 128] }).notes.filter((note) => note.includes('left out'))).toEqual([]);
    const draftSchedule = [2, 3, 4, 5].map((drafts) => ({ maxRequests: 8 * (6 - drafts), drafts }));
    const lengths = new Set(cut({ ...drafts, queryLen: 6, draftSchedule }).map(([, , queryLen]) => queryLen));
    expect(lengths.size).toBeLessThanOrEqual(4);
  });

  test('graphs of adaptive verification hold decodes of any lengths up to those of all drafts', () => {
    const own = { engine: 'vllm', maxNumSeqs: 8, queryLen: 3, adaptiveVerification: true } as const;
    const { keys, policy, mixed } = engineCapture({ ...own, sizes: [6] });
    expect(policy.mixedGraphs).toBe('decodes');
    expect(keys[0]).toMatchObject({ mode: 'full', tokens: 6, prefillRequests: 6, decodeRequests: 0, maxQueryLen: 3 });
    expect(mixed).toEqual([]);
    const line = `vllm serve m --speculative-config '{"num_speculative_tokens": 2, "enable_adaptive_verification": true}'`;
    expect(readProfile(line).profile).toMatchObject({ queryLen: 3, adaptiveVerification: true });
  });

  test.each([
    [{ queryLen: 1 }, 'ERR_CONFIG_INVALID', /queryLen of 2 or more/],
    [{ runner: 'v1' }, 'ERR_CONFIG_INVALID', /runner v2/],
    [{ graphMode: 'PIECEWISE' }, 'ERR_INPUT_INVALID', /full graphs of decodes, and the mode is PIECEWISE/],
    [{ attentionSupport: 'uniform-single' }, 'ERR_INPUT_INVALID', /the mode is PIECEWISE/],
  ])('adaptive verification is refused with %j', (more, code, message) => {
    const own = { engine: 'vllm', queryLen: 3, adaptiveVerification: true } as const;
    expect(() => engineCapture({ ...own, ...more } as EngineProfile)).toThrowError(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });

  test('LoRA cases are variants of every graph', () => {
    const plain = engineCapture({ engine: 'vllm', maxNumSeqs: 8 }).keys.length;
    const { keys } = engineCapture({ engine: 'vllm', maxNumSeqs: 8, maxLoras: 4, specializeLoras: true });
    expect([...new Set(keys.map(({ variant }) => variant))].sort()).toEqual([0, 1, 2, 4, 5]);
    expect(keys).toHaveLength(5 * plain);
    expect(engineCapture({ engine: 'vllm', maxNumSeqs: 8, maxLoras: 4 }).keys).toHaveLength(plain);
  });
});

describe("Megatron's dispatchers of experts", () => {
  const own = { engine: 'megatron', maxNumSeqs: 16, maxNumBatchedTokens: 64, numGraphs: 4 } as const;
  const kinds = (more: object): [decodes: number, mixed: number] => {
    const { decodeSizes, mixed } = engineCapture({ ...own, ...more } as EngineProfile);
    return [decodeSizes.length, mixed.length];
  };
  const [decodes, mixed] = kinds({});

  test.each([
    [{ moeDispatcher: 'nccl' }, mixed, 'one-rank'],
    [{ expertParallelSize: 4 }, 0, 'one-rank'],
    [{ expertParallelSize: 4, moeDispatcher: 'nccl' }, 0, 'one-rank'],
    [{ expertParallelSize: 4, moeDispatcher: 'nvls' }, mixed, 'agreed'],
    [{ expertParallelSize: 4, moeDispatcher: 'nccl', version: '2026-05' }, mixed, 'one-rank'],
  ])('%j: %i mixed graphs, run %s', (more, found, mixedGraphs) => {
    expect(mixed).toBeGreaterThan(0);
    expect(kinds(more)).toEqual([decodes, found]);
    const { policy, notes } = engineCapture({ ...own, ...more } as EngineProfile);
    expect(policy.mixedGraphs).toBe(mixedGraphs);
    expect(notes.some((note) => note.includes('leaves graphs of decodes alone'))).toBe(found === 0);
  });

  const line = 'megatron --expert-model-parallel-size 4';
  test.each([
    [line, {}],
    // The layers for inference alone read the dispatcher, and take NVLS by default.
    [`${line} --inference-moe-token-dispatcher-type nvls`, {}],
    [`${line} --transformer-impl inference_optimized`, { moeDispatcher: 'nvls' }],
    [
      `${line} --transformer-impl inference_optimized --inference-moe-token-dispatcher-type nccl`,
      { moeDispatcher: 'nccl' },
    ],
  ])('%s', (text, found) => {
    const { profile, unknown } = readProfile(text);
    expect(profile).toEqual({ engine: 'megatron', expertParallelSize: 4, ...found });
    expect(unknown).toEqual([]);
  });

  test('one that there is not is refused', () => {
    expect(() => readProfile(`${line} --inference-moe-token-dispatcher-type a2a`)).toThrowError(
      expect.objectContaining({ code: 'ERR_INPUT_INVALID', message: expect.stringContaining('nccl or nvls') }),
    );
    expect(() => engineCapture({ ...own, moeDispatcher: 'a2a' } as never)).toThrowError(
      expect.objectContaining({ code: 'ERR_CONFIG_INVALID', message: expect.stringContaining('moeDispatcher') }),
    );
  });
});

describe('the command of a container', () => {
  const manifest = (...lines: string[]): string => ['apiVersion: v1', 'kind: Pod', ...lines].join('\n');
  const pod = manifest(
    'spec:',
    '  containers:',
    '  - name: proxy',
    '    args: [--port, "80"]',
    '  - image: vllm/vllm-openai:v0.12.0',
    '    command: [vllm, serve]',
    '    args: [m, --max-num-seqs, "32", --compilation-config, \'{"cudagraph_mode": "FULL_DECODE_ONLY"}\']',
    '    env:',
    '    - {name: VLLM_ATTENTION_BACKEND, value: FLASHINFER}',
    '    - {name: HF_TOKEN, valueFrom: {secretKeyRef: {name: a, key: b}}}',
  );

  test.each([
    [
      pod,
      {
        ...{ engine: 'vllm', release: '0.12.0', maxNumSeqs: 32 },
        ...{ graphMode: 'FULL_DECODE_ONLY', attentionSupport: 'uniform-single' },
      },
    ],
    [
      manifest(
        'spec:',
        '  image: vllm/vllm-openai:v0.12.0',
        '  args: [--model, $(MODEL), --max-num-seqs, $(SEQS)]',
        '  env: [{name: SEQS, value: "12"}, {name: MODEL, value: a/b}]',
      ),
      { release: '0.12.0', maxNumSeqs: 12 },
    ],
    [`${manifest('data: {}')}\n---\n${pod}`, { engine: 'vllm', maxNumSeqs: 32 }],
    [
      manifest(
        'spec:',
        '  command: ["/bin/sh", "-c"]',
        '  args: ["python3 -m sglang.launch_server --max-running-requests 9"]',
      ),
      { engine: 'sglang', maxNumSeqs: 9 },
    ],
    [
      'services:\n  a:\n    image: vllm/vllm-openai:latest\n    command: --model m --max-num-seqs 7\n    environment:\n      VLLM_USE_V2_MODEL_RUNNER: 0',
      { engine: 'vllm', maxNumSeqs: 7, runner: 'v1' },
    ],
    ['["vllm", "serve", "m", "--max-num-seqs", "5"]', { engine: 'vllm', maxNumSeqs: 5 }],
  ])('%s', (text, profile) => {
    expect(readProfile(text).profile).toMatchObject(profile);
  });

  test('of several that start an engine one is to be named, and of none nothing is guessed', () => {
    const other = pod.replaceAll('32', '33');
    const several = expect.objectContaining({
      code: 'ERR_INPUT_INVALID',
      message: expect.stringContaining('2 containers'),
    });
    expect(() => readProfile(`${pod}\n---\n${other}`)).toThrowError(several);
    expect(readProfile(`${pod}\n---\n${pod}`).profile).toMatchObject({ maxNumSeqs: 32 });
    const none = expect.objectContaining({ message: expect.stringContaining('names no engine') });
    expect(() => readProfile(manifest('spec: {args: [--max-num-seqs, 3]}'))).toThrowError(none);
    expect(() => readProfile('[1, 2]')).toThrowError(none);
    const over = readProfile('trtllm-serve m').profile;
    const no = expect.objectContaining({ message: expect.stringContaining('give it as --engine') });
    for (const options of [{ engine: 'trtllm' as const }, { over }]) {
      expect(() => readProfile(pod, options)).toThrowError(no);
      const both = `${pod}\ncuda_graph_config: {batch_sizes: [1, 2]}`;
      expect(readProfile(both, options).profile.sizes).toEqual([1, 2]);
    }
  });
});

describe('a launch line as a shell reads it', () => {
  const LINE = 'vllm serve m --max-num-seqs 8';

  test.each([
    `${LINE} > log.txt 2>&1 &`,
    `${LINE} &> log.txt`,
    `${LINE} | tee log`,
    `${LINE} # a comment, it's here`,
    `set -e\nulimit -n 4096; ${LINE} && echo done`,
    `#!/bin/bash\n> out ${LINE}\nwait`,
    'vllm serve m \\\n  --max-num-seqs 8',
    'vllm serve m\n  --max-num-seqs 8\n',
    `${LINE} --host $(hostname -I | cut -d' ' -f1)`,
    'vllm serve <model> --max-num-seqs 8 --api-key "a#b>c|d"',
  ])('%s', (text) => {
    const { profile, unknown } = readProfile(text);
    expect(profile).toEqual({ engine: 'vllm', maxNumSeqs: 8 });
    expect(unknown).toEqual([]);
  });

  test.each([
    [`${LINE} --speculative-config '{"method":"ngram"`, /is not closed: end it with '/],
    ['vllm serve m \u2013max-num-seqs 8', /typographic dash/],
    ['vllm serve m --api-key \u201cx\u201d', /typographic dash or quote/],
    ['vllm bench serve --model m', /"vllm bench serve" runs no model/],
    ['vllm chat', /"vllm chat" runs no model/],
    ['python -m sglang.bench_serving --backend sglang', /runs no model/],
  ])('refuses %s', (text, message) => {
    expect(() => readProfile(text)).toThrow(message);
  });

  test.each([
    ['bash -c "vllm serve m --max-num-seqs 9"', {}, []],
    [
      'docker run vllm/vllm-openai:v0.12.0 /bin/bash -l -c "cd /x && vllm serve m --max-num-seqs 9"',
      { release: '0.12.0' },
      [],
    ],
    [
      'srun bash -lc "export VLLM_ATTENTION_BACKEND=FLASHINFER; vllm serve m --max-num-seqs 9"',
      { attentionSupport: 'uniform-single' },
      [],
    ],
    ['docker run --entrypoint bash vllm/vllm-openai:v0.12.0 -c "vllm serve m --max-num-seqs 9"', {}, []],
    ['docker run --entrypoint=/bin/sh vllm/vllm-openai:v0.12.0 -lc "vllm serve m --max-num-seqs 9"', {}, []],
    ['docker run vllm/vllm-openai:v0.12.0 bash -euo pipefail -c "vllm serve m --max-num-seqs 9"', {}, []],
    ['ssh host "cd /x && vllm serve m --max-num-seqs 9"', {}, []],
    ['N=9\nvllm serve "$MODEL" --max-num-seqs $N', {}, []],
    [`vllm serve m --max-num-seqs "$${'{N:-9}'}" --port "$PORT" "$@"`, {}, ['$@']],
    ['export FLAGS="--max-num-seqs 9 --enforce-eager"; vllm serve m $FLAGS', { enforceEager: true }, []],
    ['vllm serve m --max-num-seqs 9 $FLAGS', {}, ['$FLAGS']],
    ['vllm serve m --max-num-seqs 9 $(cat flags)', {}, ['$()']],
  ])('%s', (text, profile, unknown) => {
    const read = readProfile(text);
    expect(read.profile).toMatchObject({ engine: 'vllm', maxNumSeqs: 9, ...profile });
    expect(read.unknown).toEqual(unknown);
  });

  test.each([
    'vllm serve m ',
    'vllm serve $',
    '${A-',
    "bash -c 'x y' ",
    '"a b" ',
    'args:\n',
    '---\nargs: [a]\n',
    '["a",',
    '_vllm_',
    ' ',
  ])('a text of %j over and over does not hold the reader up', (piece) => {
    // A second; reading anew for each character what was read takes many minutes for the first.
    const characters = piece === 'vllm serve m ' ? 1_000_000 : 100_000;
    // Seconds at most; reading anew for each character what was read would take the better part of an hour.
    for (const before of ['', 'vllm serve m ']) {
      try {
        expect(readProfile(before + piece.repeat(characters / piece.length)).profile.engine).toBe('vllm');
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_INPUT_INVALID' });
      }
    }
  });

  test.each([
    ['-dp 2 --all2all-backend deepep_high_throughput', 'NONE'],
    ['-dp 2 --all2all-backend deepep_high_throughput -cc.cudagraph_mode=FULL_DECODE_ONLY', 'NONE'],
    ['-dp 2 -cc.cudagraph_mode=FULL_DECODE_ONLY', 'NONE'],
    ['-dp 2 --all2all-backend deepep_high_throughput --runner pooling', 'NONE'],
    ['-dp 2 --all2all-backend deepep_high_throughput -O2', 'NONE'],
    ['-dp 2 --all2all-backend deepep_low_latency -cc.cudagraph_mode=FULL_DECODE_ONLY', 'FULL_DECODE_ONLY'],
    ['-cc.cudagraph_mode=FULL_DECODE_ONLY', 'FULL_DECODE_ONLY'],
  ])("DeepEP's high-throughput ranks of the environment or the flag have no graph: %s", (flags, mode) => {
    const { profile, unknown } = readProfile(
      `VLLM_USE_V1=1 VLLM_ALL2ALL_BACKEND=deepep_high_throughput vllm serve m ${flags}`,
    );
    expect(profile.graphMode).toBe(mode);
    expect(unknown).toEqual([]);
    expect(readProfile('VLLM_USE_V1=0 vllm serve m').unknown).toEqual(['VLLM_USE_V1']);
  });

  test('a command that runs a model without a server is read', () => {
    expect(readProfile('vllm bench throughput --model m --max-num-seqs 8').profile.maxNumSeqs).toBe(8);
  });

  test('its environment counts, wherever it is set, and flags come before it', () => {
    const docker =
      'docker run -e VLLM_ATTENTION_BACKEND=FLASHINFER -e HF_TOKEN=hf_secret vllm/vllm-openai:v0.11.0 --model m';
    expect(readProfile(docker)).toMatchObject({
      profile: { release: '0.11.0', attentionSupport: 'uniform-single' },
      ignored: ['HF_TOKEN', '--model m'],
    });
    expect(readProfile(`VLLM_ATTENTION_BACKEND=FLASHINFER ${LINE}`).profile.attentionSupport).toBe('uniform-single');
    const both = readProfile(`VLLM_ATTENTION_BACKEND=FLASHINFER ${LINE} --attention-backend TRITON_ATTN`);
    expect(both.profile.attentionSupport).toBe('always');
    for (const text of [
      `export VLLM_USE_V2_MODEL_RUNNER=0\n${LINE}`,
      `env VLLM_USE_V2_MODEL_RUNNER=0 ${LINE}`,
      'docker run -e VLLM_USE_V2_MODEL_RUNNER=0 vllm/vllm-openai:v0.30 --model m',
    ])
      expect(readProfile(text).profile.runner).toBe('v1');
    expect(readProfile(`VLLM_USE_ODD=secret VLLM_LOGGING_LEVEL=DEBUG ${LINE}`)).toMatchObject({
      unknown: ['VLLM_USE_ODD'],
      ignored: ['VLLM_LOGGING_LEVEL'],
    });
  });
});

describe('releases of vLLM before full graphs were the default', () => {
  const image = (release: string, flags = ''): EngineProfile =>
    readProfile(`docker run vllm/vllm-openai:v${release} --model m --max-num-seqs 64${flags}`).profile;

  test('before 0.11 the mode is PIECEWISE unless another is asked for', () => {
    const modes = ['0.9.2', '0.10.2', '0.11.0'].map((release) => engineCapture(image(release)).mode);
    expect(modes).toEqual(['PIECEWISE', 'PIECEWISE', 'FULL_AND_PIECEWISE']);
    expect(engineCapture({ ...image('0.10.2'), graphMode: 'FULL' }).mode).toBe('FULL');
    expect(engineCapture(image('0.10.2')).notes.join()).toContain('not known here');
    expect(engineCapture(image('0.12.0')).notes.join()).not.toContain('not known here');
  });

  test('before 0.11.1 one value of --cuda-graph-sizes ends a pattern, and several are the list', () => {
    expect(image('0.10.2', ' --cuda-graph-sizes 24').sizes).toEqual([1, 2, 4, 8, 16, 24]);
    expect(image('0.10.2', ' --cuda-graph-sizes 24 64').sizes).toEqual([24, 64]);
    expect(image('0.11.1', ' --cuda-graph-sizes 24').sizes).toEqual([24]);
  });
});
