import { LockstepError } from '../../errors.js';
import type { LineBlock, RefuseLine } from '../../input/index.js';
import { isCount } from '../request.js';
import { objectOf } from './jsonl.js';
import { MAX_TIME_MS, type TraceRow } from './row.js';

type Values = Readonly<Record<string, unknown>>;

/** Whether a first line is one of aiperf's records of requests. Source: aiperf `profile_export.jsonl`. */
export function isAiperfRecord(head: Values): boolean {
  const { metadata, metrics } = head;
  return (
    typeof metadata === 'object' && typeof metrics === 'object' && 'request_start_ns' in ((metadata ?? {}) as Values)
  );
}

/** Requests of aiperf's records: those of its warm-up, and those that failed, are left out. */
export function* readAiperf({ first, lines }: LineBlock, refuse: RefuseLine): Generator<TraceRow> {
  for (const [index, text] of lines.entries()) {
    if (text.trim() === '') continue;
    const { metadata = {}, metrics = {} } = objectOf(text, first + index, refuse) as Record<string, Values>;
    const input = numberOf(metrics?.input_sequence_length);
    const output = numberOf(metrics?.output_sequence_length) ?? numberOf(metrics?.output_token_count);
    if (metadata?.benchmark_phase === 'warmup' || input === undefined || output === undefined) continue;
    const start = metadata?.request_start_ns;
    const wholeMs = typeof start === 'number' ? start / 1e6 : Number.NaN;
    if (!(Math.abs(wholeMs) <= MAX_TIME_MS))
      refuse(first + index, 'request_start_ns', 'a number of nanoseconds', start);
    yield row(wholeMs, input, output, (field, found) => refuse(first + index, field, 'a count of tokens', found));
  }
}

/** Whether a first line begins a result of GuideLLM or of `vllm bench serve`, which is one JSON document. */
export function beginsResult(line: string): boolean {
  if (line === '{') return true;
  try {
    return isResult(JSON.parse(line) as Values);
  } catch {
    return /^\{\s*"(?:date|metadata|args|benchmarks|backend|endpoint_type)"\s*:/.test(line);
  }
}

function isResult(document: Values): boolean {
  return Array.isArray(document.benchmarks) || Array.isArray(document.input_lens);
}

/**
 * Requests of a benchmark's result. Sources: GuideLLM `benchmarks.json`; `vllm bench serve --save-result --save-detailed`, whose start times
 * are there in newer versions: else requests come at its rate. Throws ERR_TRACE_INVALID.
 */
export function readResult(text: string, file: string): TraceRow[] {
  const refuse = (what: string, cause?: unknown): never => {
    throw new LockstepError(
      'ERR_TRACE_INVALID',
      `${file}: ${what}`,
      { file },
      cause === undefined ? undefined : { cause },
    );
  };
  let document: Values;
  try {
    document = JSON.parse(text) as Values;
  } catch (error) {
    return refuse('it begins like one JSON document, and is none: it may be cut off; give a whole one', error);
  }
  if (Array.isArray(document.benchmarks)) return guidellm(document.benchmarks as Values[], refuse);
  if (Array.isArray(document.input_lens)) return vllmBench(document, refuse);
  return refuse(
    'a JSON document without benchmarks[] (GuideLLM) and without input_lens[] (vllm bench serve --save-result --save-detailed); give one of these, or a trace',
  );
}

function guidellm(benchmarks: readonly Values[], refuse: (what: string) => never): TraceRow[] {
  const rows = benchmarks.flatMap(({ requests }) => {
    const { successful } = (requests ?? {}) as { readonly successful?: unknown };
    return (Array.isArray(successful) ? successful : []) as Values[];
  });
  if (rows.length === 0) refuse('a result of GuideLLM without successful requests; give one that keeps its requests');
  return rows.map((request, index) => {
    const timings = ((request.info ?? {}) as Values).timings as Values | undefined;
    const metrics = (name: string): unknown => ((request[name] ?? {}) as Values).text_tokens;
    const start = request.start_time ?? request.request_start_time ?? timings?.request_start;
    const input = request.prompt_tokens ?? metrics('input_metrics');
    const output = request.output_tokens ?? metrics('output_metrics');
    const where = `request ${index} of GuideLLM's result`;
    if (typeof start !== 'number' || !(Math.abs(start) * 1e3 <= MAX_TIME_MS)) {
      refuse(`${where} has no start in seconds; give a result that keeps the times of its requests`);
    }
    return row((start as number) * 1e3, input, output, (field) => refuse(`${where} has no ${field}`));
  });
}

function vllmBench(document: Values, refuse: (what: string) => never): TraceRow[] {
  const { input_lens, output_lens, start_times, request_rate } = document;
  const [inputs, outputs] = [input_lens, output_lens] as unknown[][];
  if (!Array.isArray(outputs) || outputs.length !== inputs.length) {
    refuse('input_lens and output_lens of vllm bench are not of one length; give a whole result');
  }
  const starts = Array.isArray(start_times) && start_times.length === inputs.length ? (start_times as number[]) : null;
  const rate = typeof request_rate === 'number' && request_rate > 0 ? request_rate : Infinity;
  return inputs.flatMap((input, index) => {
    // A request that failed has no output.
    if (outputs[index] === 0) return [];
    const seconds = starts === null ? index / rate : starts[index];
    if (!(Math.abs(seconds) * 1e3 <= MAX_TIME_MS)) refuse(`start_times[${index}] of vllm bench is no time in seconds`);
    return [
      row(seconds * 1e3, input, outputs[index], (field) =>
        refuse(`${field} ${index} of vllm bench is no count of tokens`),
      ),
    ];
  });
}

/** `{"value": 550, "unit": "tokens"}`, or the number itself. */
function numberOf(metric: unknown): unknown {
  return typeof metric === 'object' && metric !== null ? (metric as Values).value : metric;
}

function row(
  wholeMs: number,
  input: unknown,
  output: unknown,
  refuse: (field: string, found: unknown) => never,
): TraceRow {
  const inputTokens = isCount(input) && input > 0 ? input : refuse('input tokens', input);
  const outputTokens = isCount(output) ? output : refuse('output tokens', output);
  return { wholeMs, partMs: 0, inputTokens, outputTokens, hashIds: null };
}
