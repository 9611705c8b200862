import { describe, expect, test } from 'vitest';
import { ENGINE_NAMES, type EngineName, emitFlags, parseFlags } from '../../../dist/engines/index.js';
import { shellWords } from '../../../dist/engines/shell-words.js';

const LIMITS = { maxNumSeqs: 256, maxNumBatchedTokens: 8192, queryLen: 1 };
const invalid = (...fragments: string[]) =>
  expect.objectContaining({
    code: 'ERR_INPUT_INVALID',
    message: expect.stringMatching(new RegExp(fragments.join('.*'), 's')),
  });

describe("flags in every form in which the engines' parsers take them", () => {
  test.each<[EngineName, string, number[]]>([
    ['vllm', `--compilation-config '{"cudagraph_mode":"NONE"}'`, []],
    ['vllm', `--cudagraph-capture-sizes 1 2 --compilation-config '{"cudagraph_mode":"none"}'`, []],
    ['vllm', `--compilation-config '{"cudagraph_mode":"NONE","cudagraph_capture_sizes":[1,2]}'`, []],
    ['vllm', '-cc.cudagraph_mode=NONE --cudagraph-capture-sizes 1 2', []],
    ['vllm', '-cc.max_cudagraph_capture_size=42', [1, 2, 4, 8, 16, 24, 32, 40]],
    ['vllm', '--compilation-config.max_cudagraph_capture_size 9', [1, 2, 4, 8]],
    ['vllm', `-O '{"cudagraph_capture_sizes":[1,2]}'`, [1, 2]],
    ['vllm', '-O.cudagraph_capture_sizes=[3,1]', [1, 3]],
    ['vllm', `--compilation_config '{"cudagraph_capture_sizes":[1,2]}'`, [1, 2]],
    ['vllm', '--compilation-config "{\\"cudagraph_capture_sizes\\": [1, 2]}"', [1, 2]],
    ['vllm', '--cudagraph_capture_sizes 1 2', [1, 2]],
    ['vllm', '--cuda-graph-sizes 4', [4]],
    ['vllm', '--cuda-graph-sizes 4 8', [4, 8]],
    ['vllm', '--enforce_eager', []],
    ['vllm', '-O0 --cudagraph-capture-sizes 1', []],
    ['vllm', '-O 0 --cudagraph-capture-sizes 1', []],
    ['vllm', `-cc '{"mode":0,"cudagraph_capture_sizes":[1]}'`, []],
    ['vllm', `-cc '{"pass_config":{"enable_sp":true},"cudagraph_capture_sizes":[1,2,3,4]}' -tp 2`, [2, 4]],
    ['vllm', `-cc.pass_config.enable_sp=true --cudagraph-capture-sizes 1 2 3 4 -tp 2`, [2, 4]],
    ['vllm', '--enforce-eager --no-enforce-eager --cudagraph-capture-sizes 1', []],
    ['sglang', `--cuda-graph-config '{"decode":{"bs":[1,2]}}'`, [1, 2]],
    ['sglang', `--cuda-graph-config '{"decode":{"max_bs":3}}'`, [1, 2, 3]],
    ['sglang', `--cuda-graph-config '{"decode":{"backend":"disabled","bs":[1]}}'`, []],
    ['sglang', '--cuda_graph_max_bs 4', [1, 2, 4]],
    ['sglang', '--cuda-graph-bs 1 2 3 4 --enable-two-batch-overlap', [2, 4]],
    ['sglang', '--cuda-graph-bs 1 2 3 4 8 --tp 8 --dp 4 --enable-dp-attention', [2, 4, 8]],
    ['atom', '--cudagraph_capture_sizes "[1,2]"', [1, 2]],
    ['atom', "--cudagraph-capture-sizes '[1, 2,]'", [1, 2]],
    ['trtllm', '{"cuda_graph_config": {"batch_sizes": [1, 2], "enable_padding": true}}', [1, 2]],
    ['trtllm', 'cuda_graph_config: {batch_sizes: [1, 2, 300], enable_padding: yes}', [1, 2, 256]],
    ['trtllm', 'cuda_graph_config: {batch_sizes: [1, 2, 300], enable_padding: off}', [1, 2]],
    ['trtllm', 'sizes: &sizes [1, 2]\ncuda_graph_config:\n  batch_sizes: *sizes', [1, 2]],
    ['trtllm', 'server:\n  cuda_graph_config:\n    batch_sizes:\n      - 4\n      - 2', [2, 4]],
    ['trtllm', 'cuda_graph_config:', []],
  ])('%s: %s', (engine, text, sizes) => {
    expect(parseFlags(engine, text)).toEqual(sizes);
    expect(parseFlags(engine, text, LIMITS)).toEqual(sizes);
  });

  test('two servers in one document are told apart by their path, and never one for the other', () => {
    const text = 'ctx:\n  cuda_graph_config: null\ngen:\n  cuda_graph_config: {batch_sizes: [1, 2]}';
    expect(() => parseFlags('trtllm', text, LIMITS)).toThrowError(invalid('ctx', 'gen'));
    expect(parseFlags('trtllm', text, LIMITS, { at: 'gen' })).toEqual([1, 2]);
    expect(parseFlags('trtllm', text, LIMITS, { at: 'ctx' })).toEqual([]);
    expect(() => parseFlags('trtllm', text, LIMITS, { at: 'gone' })).toThrowError(invalid('gone'));
  });

  test('ATOM does not start with sizes that are all too large; an empty list turns graphs off', () => {
    const limits = { ...LIMITS, maxNumSeqs: 64 };
    const sizes = '--cudagraph-capture-sizes "[128,256]"';
    expect(() => parseFlags('atom', sizes, limits)).toThrowError(
      invalid('atom would refuse', '128, 256', '64 requests'),
    );
    expect(() => parseFlags('atom', `--max-num-seqs 64 ${sizes}`)).toThrowError(invalid('64 requests'));
    expect(parseFlags('atom', '--cudagraph-capture-sizes "[]"', limits)).toEqual([]);
    expect(parseFlags('atom', '--cudagraph-capture-sizes "[64,128]"', limits)).toEqual([64]);
  });

  test('limits in the text count where the caller gives none', () => {
    const text = 'vllm serve m --max-num-batched-tokens 100 --cudagraph-capture-sizes 1 200';
    expect(parseFlags('vllm', text)).toEqual([1]);
    expect(parseFlags('vllm', text, { maxNumBatchedTokens: 200 })).toEqual([1, 200]);
  });

  test.each<[EngineName, string, string]>([
    ['vllm', `-cc '{"cudagraph_mode":"SOME"}'`, 'FULL_AND_PIECEWISE'],
    ['sglang', "--cuda-graph-config '[1'", 'must be JSON'],
    ['sglang', `--cuda-graph-config '{"draft":{}}'`, 'no "draft"'],
    ['trtllm', '[[1]]', 'there is no cuda_graph_config'],
    ['trtllm', `cuda_graph_config: ${'['.repeat(50_000)}`, 'no YAML'],
    ['atom', '--cudagraph-mode SOME', 'PIECEWISE'],
  ])('%s: %s is refused', (engine, text, fragment) => {
    expect(() => parseFlags(engine, text.slice(0, 60_000), LIMITS)).toThrowError(invalid(fragment));
  });

  test.each(ENGINE_NAMES)('%s: text that is long and says nothing does not hold the reader up', (engine) => {
    for (const letter of [' ', '"', "'", '{', '-', '\\', '--a=', ': ', '[1,', '- ', '&a ', '\t', '#']) {
      const text = letter.repeat(Math.ceil(20_000 / letter.length));
      const start = performance.now();
      try {
        parseFlags(engine, text);
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_INPUT_INVALID' });
      }
      // Milliseconds on an idle machine. An expression that tries every way to split the text would take an hour.
      expect(performance.now() - start, JSON.stringify(letter)).toBeLessThan(60_000);
    }
  });
});

describe('words of a shell', () => {
  test.each([
    [`a  'b c' "d \\"e\\" \\$f"`, ['a', 'b c', 'd "e" $f']],
    [`x='{"a":1}' ''`, ['x={"a":1}', '']],
    ['a \\\n b\\ c', ['a', 'b c']],
    ['a\\\r\nb', ['ab']],
    [`'open quote`, ['open quote']],
    ['"a\\b"', ['a\\b']],
  ])('%j', (text, words) => {
    expect(shellWords(text)).toEqual(words);
  });
});

describe('flags of a ladder for steps with prefills too', () => {
  const prefillSizes = [64, 512];
  test.each<[EngineName, string]>([
    ['vllm', '--cudagraph-capture-sizes 1 2 64 512'],
    ['sglang', '--cuda-graph-bs-decode 1 2 --cuda-graph-bs-prefill 64 512'],
    [
      'trtllm',
      'cuda_graph_config: {batch_sizes: [1, 2], enable_padding: true}\ntorch_compile_config: {enable_piecewise_cuda_graph: true, capture_num_tokens: [64, 512]}',
    ],
  ])('%s', (engine, flags) => {
    expect(emitFlags(engine, [1, 2], LIMITS, { prefillSizes })).toMatchObject({ flags, exact: true });
  });

  test('what overlap leaves out is not called exact', () => {
    const emitted = emitFlags('sglang', [1, 2, 33], LIMITS, { profile: { ubatches: 2 } });
    expect(emitted).toMatchObject({ flags: '--cuda-graph-bs-decode 2 34', sizes: [2, 34], exact: false });
    expect(emitted.note).toContain('does not capture 1, 33 and captures 34 besides');
    const even = emitFlags('sglang', [2, 8], LIMITS, { profile: { ubatches: 2 } });
    expect(even).toMatchObject({ sizes: [2, 8], exact: true });
  });
});
