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

const row = (tokens: number, prefillRequests: number, decodeRequests: number) => [
  { tokens, prefillRequests, decodeRequests },
];

describe('the lines that log engines with lists of decodes', () => {
  it('TensorRT-LLM: what is scheduled before it is padded, and the key of the graph', () => {
    const log = logged(
      'trtllm',
      {
        'tensorrt_llm/_torch/pyexecutor/cuda_graph_runner.py': `
class CUDAGraphRunner:
    def maybe_get_cuda_graph(self, batch, enable_spec_decode, attn_metadata, spec_metadata=None):
        if batch.context_requests:
            return None, None, None
        draft_len = len(batch.generation_requests[0].py_draft_tokens)
        return attn_metadata, spec_metadata, (len(batch.generation_requests), draft_len, False, False)
`,
        'tensorrt_llm/_torch/pyexecutor/model_engine.py': `
from tensorrt_llm._torch.pyexecutor.cuda_graph_runner import CUDAGraphRunner
class PyTorchModelEngine:
    is_warmup = False
    is_draft_model = False
    def forward(self, scheduled_requests, resource_manager, new_tensors_device=None):
        pads = scheduled_requests.generation_requests[:1] * (-len(scheduled_requests.generation_requests) % 4)
        if not scheduled_requests.context_requests:
            scheduled_requests.generation_requests += pads
        CUDAGraphRunner().maybe_get_cuda_graph(scheduled_requests, False, "metadata")
        return "output"
`,
      },
      `
from types import SimpleNamespace
def schedule(chunks, decodes, drafts=0):
    return SimpleNamespace(
        context_requests=[SimpleNamespace(context_chunk_size=size) for size in chunks],
        generation_requests=[SimpleNamespace(py_draft_tokens=[0] * drafts) for _ in range(decodes)])
engine = PyTorchModelEngine()
assert engine.forward(schedule([], 3), None) == "output"
engine.forward(schedule([], 5, 2), None)
engine.forward(schedule([40, 60], 1), None)
engine.is_warmup = True
engine.forward(schedule([], 4), None)
`,
    );
    expect(linesOf(log)).toEqual([
      { step: 0, rows: row(3, 0, 3), decision: { run: 'full', paddedTokens: 4 } },
      { step: 1, rows: row(15, 0, 5), decision: { run: 'full', paddedTokens: 24 } },
      { step: 2, rows: row(101, 2, 1), decision: { run: 'eager' } },
    ]);
  });

  it('Megatron: the real and the padded dimensions of a step', () => {
    const log = logged(
      'megatron',
      {
        'megatron/core/inference/contexts/dynamic_context.py': `
from types import SimpleNamespace
def dimensions(tokens, prefills, decodes):
    return SimpleNamespace(token_count=tokens, prefill_req_count=prefills, decode_req_count=decodes)
class DynamicInferenceContext:
    def initialize_attention_state(self, *, construct_graph_dimensions=None, is_expert_parallel_dummy_cuda_graph_step=False):
        self.batch_dimensions = dimensions(*self.scheduled)
        graph = next((size for size in (8, 16, 64) if size >= self.scheduled[0]), None)
        self._using_cuda_graph_this_step = graph is not None
        self.padded_batch_dimensions = dimensions(graph or 128, *self.scheduled[1:])
    def using_cuda_graph_this_step(self):
        return self._using_cuda_graph_this_step
`,
      },
      `
context = DynamicInferenceContext()
def step_of(*scheduled, **kwargs):
    context.scheduled = scheduled
    context.initialize_attention_state(**kwargs)
step_of(5, 0, 5)
step_of(40, 2, 10)
step_of(90, 1, 0)
step_of(8, 0, 8, construct_graph_dimensions="graph")
step_of(1, 0, 1, is_expert_parallel_dummy_cuda_graph_step=True)
`,
    );
    expect(linesOf(log)).toEqual([
      { step: 0, rows: row(5, 0, 5), decision: { run: 'full', paddedTokens: 8 } },
      { step: 1, rows: row(40, 2, 10), decision: { run: 'full', paddedTokens: 64 } },
      { step: 2, rows: row(90, 1, 0), decision: { run: 'eager' } },
    ]);
  });

  it('ATOM: the scheduled batch, and what the forward context says', () => {
    const log = logged(
      'atom',
      {
        'atom/utils/forward_context.py': `
current = None
def get_forward_context():
    return current
`,
        'atom/model_engine/model_runner.py': `
from types import SimpleNamespace
from atom.utils import forward_context
class ModelRunner:
    enforce_eager = False
    graph_bs = [1, 2, 4, 8]
    def run_model(self, input_ids, batch=None):
        return "logits"
    def forward(self, batch):
        prefill = batch.total_tokens_num_prefill > 0
        size = batch.total_seqs_num_prefill if prefill else batch.total_seqs_num_decode
        graph = next((one for one in self.graph_bs if one >= size), size)
        context = SimpleNamespace(is_prefill=prefill, batch_size=size, graph_bs=graph, dp_uniform_decode=True)
        metadata = SimpleNamespace(max_seqlen_q=batch.total_tokens_num_decode // max(size, 1) or 1)
        forward_context.current = SimpleNamespace(context=context, attn_metadata=metadata)
        self.run_model("ids", batch)
        forward_context.current = None
        return "output"
`,
      },
      `
from types import SimpleNamespace
def batch(prefills, prefill_tokens, decodes, decode_tokens, dummy=False):
    return SimpleNamespace(total_seqs_num_prefill=prefills, total_tokens_num_prefill=prefill_tokens,
        total_seqs_num_decode=decodes, total_tokens_num_decode=decode_tokens, is_dummy_run=dummy)
runner = ModelRunner()
assert runner.forward(batch(0, 0, 3, 3)) == "output"
runner.forward(batch(0, 0, 3, 6))
runner.forward(batch(2, 70, 0, 0))
runner.forward(batch(0, 0, 9, 9))
runner.forward(batch(0, 0, 1, 1, True))
`,
    );
    expect(linesOf(log)).toEqual([
      { step: 0, rows: row(3, 0, 3), decision: { run: 'full', paddedTokens: 4 } },
      { step: 1, rows: row(6, 0, 3), decision: { run: 'full', paddedTokens: 8 } },
      { step: 2, rows: row(70, 2, 0), decision: { run: 'eager' } },
      { step: 3, rows: row(9, 0, 9), decision: { run: 'eager' } },
    ]);
    const { status, stdout } = cli([
      'replay',
      '--engine',
      'atom',
      '--ladder',
      '1,2,4,8',
      '--query-len',
      '1',
      '--json',
      log,
    ]);
    expect({ status, kind: JSON.parse(stdout || '{}').kind }).toMatchObject({ kind: 'shadow' });
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
