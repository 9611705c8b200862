import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { cli } from '../../support/cli.js';
import { type Stories, stories, storiesAbsent } from '../../support/models.js';

const { total, cases } = storiesAbsent
  ? { total: 0, cases: [] }
  : (JSON.parse(readFileSync(path.join(stories, 'expected.json'), 'utf8')) as Stories);

/** Ways to compute the same text. */
const WAYS: readonly (readonly string[])[] = [
  [],
  ['--ranks', '2', '--ladder', '1,2,4'],
  ['--ubatches', '2', '--ubatch-threshold-decode', '1', '--ladder', '2'],
  ['--query-len', '4'],
  ['--tensor-parallel-size', '2'],
  ['--block-size', '8', '--max-num-batched-tokens', '3', '--max-num-seqs', '1'],
];

describe.skipIf(storiesAbsent)('lockstep generate', () => {
  it.each(cases.map((story, index) => [story.prompt, WAYS[index % WAYS.length], story] as const))(
    'goes on with %j as the model’s own program does: %j',
    (prompt, way, { promptIds, outputIds, text }) => {
      const most = String(total - promptIds.length);
      const { status, stdout, stderr } = cli(['generate', stories, prompt, '--json', '--max-tokens', most, ...way]);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      const said = JSON.parse(stdout);
      expect(said).toMatchObject({ schemaVersion: 1, promptIds, outputIds, text });
      expect(text.endsWith(said.outputText)).toBe(true);
      expect(said.finishReason).toBe(outputIds.length === total - promptIds.length ? 'length' : 'stop');
    },
  );

  it('prints the prompt and what follows as text', () => {
    const { status, stdout } = cli(['generate', stories, 'Once upon a time', '--max-tokens', '20']);
    expect({ status, stdout }).toEqual({
      status: 0,
      stdout: 'Once upon a time, there was a little girl named Lily. She loved to play outsid\n',
    });
  });

  it('draws the same text from the same seed, and another from another', () => {
    const drawn = (seed: number, ...way: string[]): unknown => {
      const args = [
        'generate',
        stories,
        'The cat',
        '--temperature',
        '1.2',
        '--top-k',
        '50',
        '--top-p',
        '0.9',
        '--json',
      ];
      const { stdout } = cli([...args, '--max-tokens', '40', '--seed', String(seed), ...way]);
      return JSON.parse(stdout).outputIds;
    };
    const first = drawn(5);
    expect(drawn(5, '--ladder', '4', '--query-len', '2')).toEqual(first);
    expect(drawn(6)).not.toEqual(first);
  });

  it('ends before a stop string', () => {
    const args = ['generate', stories, 'Once upon a time', '--stop', 'named', '--json'];
    const said = JSON.parse(cli(args).stdout);
    expect(said).toMatchObject({ text: 'Once upon a time, there was a little girl ', finishReason: 'stop' });
  });
});

it('goes on with tokens, of a model without a tokenizer', () => {
  const args = ['generate', 'random:dense', '--prompt-ids', '1,5,9', '--max-tokens', '4', '--ignore-eos'];
  const said = JSON.parse(cli([...args, '--json']).stdout);
  expect(said).toMatchObject({ promptIds: [1, 5, 9], outputText: '', finishReason: 'length' });
  expect(said.outputIds).toHaveLength(4);
  expect(cli(args).stdout).toBe(`${said.outputIds.join(' ')} \n`);
  const seeded = ['--temperature', '1', '--seed', '18446744073709551615'];
  expect(cli([...args, ...seeded]).status).toBe(0);
});

describe('--num-blocks auto', () => {
  const SMALL = ['--max-num-seqs', '4', '--max-num-batched-tokens', '64', '--max-model-len', '128'];
  const LIMITS = [...SMALL, '--num-blocks', 'auto'];
  const MOST = 1 + 4 * (128 / 16);

  it('says how many blocks it took', () => {
    const args = ['generate', 'random:dense', '--prompt-ids', '1,5,9', '--max-tokens', '4', '--json'];
    const { stdout } = cli([...args, ...LIMITS]);
    const { numBlocks, outputIds } = JSON.parse(stdout);
    expect(numBlocks).toBe(MOST);
    const plain = JSON.parse(cli(args).stdout);
    expect(plain.outputIds).toEqual(outputIds);
    expect(plain).not.toHaveProperty('numBlocks');
  });

  it('gives a run the same tokens, in as few blocks as a limit on memory leaves', () => {
    const args = ['run', '--model', 'random:dense', '--requests', '12', '--prompt-scale', '0.05', ...LIMITS, '--json'];
    const run = (...more: string[]) => JSON.parse(cli([...args, ...more]).stdout);
    expect(run()).toMatchObject({ numBlocks: MOST, mismatches: 0, diverged: 0, ranks: 2 });
    const narrow = cli([...args, '--device-memory', '1000']);
    expect(narrow.status).toBe(2);
    expect(narrow.stderr).toContain('ERR_DEVICE_MEMORY');
    // Grows until a rank has room for the graphs and one longest request.
    for (let memory = 500_000; ; memory = Math.ceil(memory * 1.1)) {
      const { status, stdout } = cli([...args, '--device-memory', String(memory)]);
      if (status !== 0) continue;
      const { numBlocks, mismatches, diverged, compared } = JSON.parse(stdout);
      expect({ mismatches, diverged }).toEqual({ mismatches: 0, diverged: 0 });
      expect(numBlocks).toBeGreaterThanOrEqual(9);
      expect(numBlocks).toBeLessThan(MOST);
      expect(compared).toBeGreaterThan(20);
      break;
    }
  });

  it('names no number of blocks where no request fits the limits', () => {
    const short = ['--max-num-seqs', '4', '--max-num-batched-tokens', '64', '--max-model-len', '8'];
    const args = ['run', '--model', 'random:dense', '--requests', '2', '--num-blocks', 'auto', ...short];
    expect(cli(args).stderr).toMatch(/prompt and output: --max-model-len \d+ would admit it/);
  });

  it('says where the reference of a run has no room for the whole model', () => {
    const model = 'random:dense,hiddenSize=256,intermediateSize=2048,headDim=32';
    const sizes = ['--max-num-seqs', '4', '--max-num-batched-tokens', '32', '--max-model-len', '64', '--ladder', '1'];
    const ranks = ['--ranks', '1', '--tensor-parallel-size', '2', '--device', 'host'];
    const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-generate-'));
    try {
      const trace = path.join(folder, 'trace.jsonl');
      const line = (id: number): string => JSON.stringify({ timestamp: id, input_length: 8, output_length: 4 });
      writeFileSync(trace, `${line(0)}\n${line(1)}\n`);
      const args = ['run', '--model', model, ...sizes, ...ranks, '--num-blocks', 'auto', '--trace', trace];
      const { status, stderr } = cli([...args, '--device-memory', '10000000']);
      expect(status).toBe(2);
      expect(stderr).toContain("The reference of a model's run holds the whole model on one rank, and has no room");
      expect(stderr).toMatch(/raise --device-memory \(10000000\), or lower --max-model-len.*\[ERR_DEVICE_MEMORY\]/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it.each([
    [['run', '--num-blocks', 'auto'], '--num-blocks auto is for serve, generate and run --model'],
    [['simulate', '--num-blocks', 'auto'], '--num-blocks auto is for serve'],
    [['generate', 'random:dense', '--prompt-ids', '1', '--num-blocks', 'all'], 'It must be an integer, or auto'],
    [['run', '--model', 'random:dense', '--gpu-memory-utilization', '0.5'], '--num-blocks is not auto'],
    [['run', '--model', 'random:dense', ...LIMITS, '--gpu-memory-utilization', '2'], '--gpu-memory-utilization is 2'],
    [
      ['run', '--gpu-memory-utilization', '0.5'],
      'is for a model with --num-blocks auto, and there is no model: leave it',
    ],
    [['run', '--gpu-memory-utilization', '0.5'], 'or give --model and --num-blocks auto'],
  ])('%j is refused', (args, message) => {
    const { status, stdout, stderr } = cli(args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain(message);
  });
});

it.each([
  [['generate', '/nowhere', 'x'], 'ERR_MODEL_INVALID'],
  [['generate', 'a'.repeat(5000), 'x'], 'ERR_MODEL_INVALID'],
  [['generate', 'random:dense'], 'ERR_CONFIG_INVALID'],
  [['generate', 'random:dense', '--prompt-ids', '1', '--engine', 'vllm'], 'give --plan FILE'],
  [['generate', 'random:dense', 'x', '--prompt-ids', '1'], 'ERR_CONFIG_INVALID'],
  [['generate', 'random:dense', '--prompt-ids', '1', '--seed', '18446744073709551616'], '64 bits'],
  [['generate', 'random:dense', 'x'], 'ERR_INPUT_INVALID'],
  [['generate', 'random:dense', 'x', '--temperature', '-1'], 'ERR_'],
])('%j is refused with a code', (args, code) => {
  const { status, stdout, stderr } = cli(args);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toContain(code);
  expect(stderr).not.toContain('    at ');
});
