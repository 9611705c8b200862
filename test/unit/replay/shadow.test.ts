import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { cli, root } from '../../support/cli.js';

const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-shadow-'));
afterAll(() => rmSync(folder, { recursive: true }));

const page = readFileSync(path.join(root, 'docs/shadow.md'), 'utf8');
const code = (engine: string): string =>
  new RegExp(`<!-- python ${engine} -->\\s+\`\`\`python\\n([\\s\\S]*?)\`\`\``).exec(page)?.[1] ?? '';

/** Runs the page's lines for an engine over a fake of its modules, then what drives it; returns the log. */
function logged(engine: string, modules: Readonly<Record<string, string>>, drive: string): string {
  const at = path.join(folder, engine);
  for (const [file, text] of Object.entries(modules)) {
    mkdirSync(path.join(at, path.dirname(file)), { recursive: true });
    writeFileSync(path.join(at, file), text);
  }
  const log = path.join(at, 'rows.jsonl');
  const { status, stderr } = spawnSync('python3', ['-c', `${code(engine)}\n${drive}`], {
    encoding: 'utf8',
    cwd: at,
    env: { ...process.env, PYTHONPATH: at, LOCKSTEP_ROWS: log, PYTHONDONTWRITEBYTECODE: '1' },
  });
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return log;
}

const linesOf = (log: string): unknown[] =>
  readFileSync(log, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('the lines that log an engine', () => {
  it('vLLM: what was scheduled, and what the dispatcher said', () => {
    const log = logged(
      'vllm',
      {
        'vllm/v1/cudagraph_dispatcher.py': `
from enum import Enum
from types import SimpleNamespace
class CUDAGraphMode(Enum):
    NONE = 0
    PIECEWISE = 1
    FULL = 2
class CudagraphDispatcher:
    def dispatch(self, num_tokens, uniform_decode):
        size = next((size for size in (1, 2, 4, 8) if size >= num_tokens), None)
        if size is None:
            return CUDAGraphMode.NONE, None
        return (CUDAGraphMode.FULL if uniform_decode else CUDAGraphMode.PIECEWISE), SimpleNamespace(num_tokens=size)
`,
        'vllm/v1/worker/gpu_model_runner.py': `
from vllm.v1.cudagraph_dispatcher import CudagraphDispatcher
class GPUModelRunner:
    def execute_model(self, scheduler_output, intermediate_tensors=None):
        tokens = sum(scheduler_output.num_scheduled_tokens.values())
        if tokens > 0:
            CudagraphDispatcher().dispatch(tokens, tokens == len(scheduler_output.num_scheduled_tokens))
        return "output"
`,
      },
      `
from types import SimpleNamespace
def schedule(counts, new=()):
    return SimpleNamespace(num_scheduled_tokens=counts, scheduled_new_reqs=[SimpleNamespace(req_id=r) for r in new])
runner = GPUModelRunner()
assert runner.execute_model(schedule({"a": 1, "b": 1, "c": 1})) == "output"
runner.execute_model(schedule({"a": 1, "d": 5}, ["d"]))
runner.execute_model(schedule({}))
runner.execute_model(schedule({"e": 90}, ["e"]))
`,
    );
    const row = (tokens: number, prefillRequests: number, decodeRequests: number) => [
      { tokens, prefillRequests, decodeRequests },
    ];
    expect(linesOf(log)).toEqual([
      { step: 0, rows: row(3, 0, 3), decision: { run: 'full', paddedTokens: 4 } },
      { step: 1, rows: row(6, 1, 1), decision: { run: 'piecewise', paddedTokens: 8 } },
      { step: 2, rows: row(90, 1, 0), decision: { run: 'eager' } },
    ]);
  });

  it('SGLang: the batch, and whether a graph ran it', () => {
    const log = logged(
      'sglang',
      {
        'sglang/srt/model_executor/model_runner.py': `
class ModelRunner:
    def forward(self, forward_batch, skip_attn_backend_init=False):
        return "logits", forward_batch.forward_mode.is_decode() and forward_batch.batch_size <= 8
`,
      },
      `
from types import SimpleNamespace
def batch(decode, size, tokens=None):
    mode = SimpleNamespace(is_decode=lambda: decode, is_extend=lambda: not decode)
    return SimpleNamespace(forward_mode=mode, batch_size=size, extend_num_tokens=tokens)
runner = ModelRunner()
assert runner.forward(batch(True, 3)) == ("logits", True)
runner.forward(batch(True, 9))
runner.forward(batch(False, 2, 40))
`,
    );
    expect(linesOf(log)).toMatchObject([
      { step: 0, decision: { run: 'full' } },
      { step: 1, decision: { run: 'eager' } },
      { step: 2, rows: [{ tokens: 40, prefillRequests: 2, decodeRequests: 0 }], decision: { run: 'eager' } },
    ]);
    const { status, stdout } = cli(['replay', '--engine', 'sglang', '--ladder', '4,8', '--json', log]);
    expect([status, JSON.parse(stdout)]).toMatchObject([
      0,
      {
        kind: 'shadow',
        engine: { policy: 'sglang', graphs: 2, different: 0 },
        lockstep: { policy: 'lockstep' },
        timeLost: null,
      },
    ]);
  });
});

describe('lockstep replay --engine', () => {
  const rows = [{ tokens: 3, prefillRequests: 0, decodeRequests: 3 }];
  const log = (...padded: number[]): string => {
    const file = path.join(folder, `log-${padded.join('-')}.jsonl`);
    const lines = padded.map((paddedTokens, step) => ({ step, rows, decision: { run: 'full', paddedTokens } }));
    writeFileSync(file, `${lines.map((line) => JSON.stringify(line)).join('\n')}\n`);
    return file;
  };

  it('says where the engine first left its rules, and what padding it lost', () => {
    const { status, stdout } = cli(['replay', '--engine', 'trtllm', '--ladder', '4,8', log(4, 8), '--json']);
    const { engine, lockstep, timeLost } = JSON.parse(stdout);
    expect(status).toBe(1);
    expect(engine.first).toEqual({ line: 2, step: 1, differs: { paddedTokens: { logged: 8, derived: 4 } } });
    expect(lockstep.timeRatio).toBeCloseTo(1 / 3, 9);
    // 4 + 8 tokens for 3 + 3, where 4 + 4 would have done.
    expect(timeLost).toBeCloseTo(1 - 1 / 3, 9);
    const text = cli(['replay', '--engine', 'trtllm', '--ladder', '4,8', log(4, 8)]).stdout;
    expect(text).toMatch(
      /the engine's own rules[\s\S]*first +line 2, step 1[\s\S]*Lockstep's rules[\s\S]*lost +66\.7 % of tokens/,
    );
    expect(cli(['replay', '--engine', 'trtllm', '--ladder', '4,8', log(4, 4)]).status).toBe(0);
  });

  it('refuses an engine that there is not, and a log that can be read only once', () => {
    expect(cli(['replay', '--engine', 'other', log(4)]).stderr).toMatch(/"other" names no engine: give one of vllm/);
    expect(cli(['replay', '--engine', 'atom', '-'], '{}\n').stderr).toMatch(/reads the log twice/);
  });
});
