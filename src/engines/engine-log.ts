import { Faults } from '../checks.js';
import { LockstepError, shown } from '../errors.js';
import type { TextSource } from '../input/index.js';
import { countOf } from '../text.js';
import { atomLogReader } from './atom/log.js';
import type { LogBatch, LogCapture, LogLineReader, LogTime } from './log-batch.js';
import { LogSteps } from './log-steps.js';
import { sglangLogReader } from './sglang/log.js';
import { trtllmLogReader } from './trtllm/log.js';
import { vllmLogReader } from './vllm/log.js';

/** What an engine's log holds. */
export interface EngineLog {
  /** The engine that wrote it. */
  readonly engine: 'vllm' | 'sglang' | 'trtllm' | 'atom';
  /** One entry per shape, in the order in which the log first has it. */
  readonly batches: LogBatch[];
}

/** The same, with what the log tells of the engine beside its batches. */
export interface EngineRunLog extends EngineLog {
  /** vLLM's graph mode, the last that the log names. */
  readonly mode: string | null;
  /** Sizes that the engine says it captured, in tokens, ascending. */
  readonly captured: readonly number[] | null;
  /** Memory and time of capturing them. */
  readonly capture: LogCapture | null;
  /** vLLM's batch-size statistics, by size. Their batches are among the others, and have no phase. */
  readonly times: readonly LogTime[];
  /**
   * Whether the batches are samples: no line counts any, and each is what ran when vLLM logged its throughput, taken as a decode of
   * all requests that run. They weigh sizes by time, not by steps.
   */
  readonly sampled: boolean;
}

/** How an engine's log is read, and what may end the reading. */
export interface EngineLogOptions {
  /** Tokens of one decode request, 1 + drafts: SGLang's log counts only requests. Default 1. */
  readonly queryLen?: number;
  /** Ends the reading with ERR_ABORTED. */
  readonly signal?: AbortSignal;
}

const READERS: Readonly<Record<EngineLog['engine'], (queryLen: number) => LogLineReader>> = {
  vllm: vllmLogReader,
  sglang: sglangLogReader,
  trtllm: trtllmLogReader,
  atom: atomLogReader,
};

/** Engines that grew out of another: they log its line of throughput beside batches of their own. */
const GROWN_OUT: Readonly<Partial<Record<EngineLog['engine'], EngineLog['engine']>>> = { vllm: 'atom' };

const ESCAPE = String.fromCharCode(27);

/** Colours of a terminal, which may stand before and after any word. */
const COLOUR = new RegExp(`${ESCAPE}\\[[\\d;]*m`, 'g');

/** SGLang's metrics have gauges of what runs, and no histogram of steps. */
const SGLANG_METRIC = /^(?:# (?:HELP|TYPE) )?sglang:/;

/** `[repeated 7x across cluster]`: Ray shows one line for eight. */
const REPEATED = /\[repeated (\d+)x across cluster\]/;

/** What is read of engines' logs, for errors. */
export const ENGINE_LOG_KINDS: string = `logs of engines
  vLLM's tables (vllm serve --cudagraph-metrics): | Unpadded Tokens | Padded Tokens | Num Paddings | Runtime Mode | Count |
  vLLM's statistics (VLLM_LOG_BATCHSIZE_INTERVAL=60): Batchsize forward time stats (batchsize, count, median_time(ms)): [(1, 500, 8.2), …]
  vLLM's throughput (as it logs by default): Avg generation throughput: 812.4 tokens/s, Running: 42 reqs, Waiting: 0 reqs, …
  vLLM's metrics (GET /metrics): vllm:iteration_tokens_total_bucket{engine="0",le="8.0",model_name="m"} 120.0
  SGLang's batches: Decode batch, #running-req: 32, … and Prefill batch, #new-seq: 1, #new-token: 158, …
  TensorRT-LLM's iterations (print_iter_log: true): iter = 9, … states = {'num_ctx_requests': 0, 'num_ctx_tokens': 0, 'num_generation_tokens': 8}
  ATOM's batches: Scheduled prefill batch: 1 reqs, 158 new tokens`;

/**
 * The batches of an engine's own log, of vLLM (with `--cudagraph-metrics`), SGLang, TensorRT-LLM or ATOM, detected by its content, whatever
 * prefix each line has. It is streamed and never held in memory. SGLang logs each prefill and, by default, every 40th
 * decode. Lines of several ranks of one step are one batch. Errors: ERR_INPUT_INVALID for a source that cannot be read, that holds no
 * batch, or batches of two engines; ERR_CONFIG_INVALID, ERR_ABORTED.
 */
export async function readEngineLog(source: TextSource, options: EngineLogOptions = {}): Promise<EngineLog> {
  const { engine, batches } = await readEngineRun(source, options);
  return { engine, batches };
}

/** The same, with what the log tells of the engine: its graphs, and what capturing them took. */
export async function readEngineRun(source: TextSource, options: EngineLogOptions = {}): Promise<EngineRunLog> {
  const faults = new Faults();
  faults.names('options of an engine log', options, ['queryLen', 'signal']);
  const { queryLen = 1, signal } = options ?? {};
  faults.integer('queryLen', queryLen, 1, 1 << 10);
  faults.throwIfAny('These options');
  // Who asks for a ladder reads no log, and need not load what reads one.
  const { lineRefusal, readLineBlocks, readText, sourceName } = await import('../input/index.js');
  const file = sourceName(source);
  const readers = Object.entries(READERS).map(([engine, reader]) => ({
    engine: engine as EngineLog['engine'],
    read: reader(queryLen),
    steps: new LogSteps(),
    samples: new LogSteps(),
  }));
  let found: EngineLog['engine'] | null = null;
  let lineCount = 0;
  let firstLine = '';
  let metricsOfSglang = false;
  const refuse = lineRefusal('ERR_INPUT_INVALID', file, 'give a log of text whose lines end');
  // A log may hold anything: what is not UTF-8 is replaced, not refused.
  for await (const { lines, unended = false } of readLineBlocks(readText(source, { signal, lenient: true }), refuse)) {
    if (firstLine === '') firstLine = lines.find((line) => line.trim() !== '') ?? '';
    lineCount += lines.length;
    metricsOfSglang ||= lines.some((line) => SGLANG_METRIC.test(line));
    for (const line of messageLines(lines)) {
      for (const { engine, read, steps, samples } of readers) {
        const fact = read(line, unended);
        if (fact === null) continue;
        const repeats = Number(line.includes('[repeated ') ? (REPEATED.exec(line)?.[1] ?? 0) : 0);
        if (fact.kind === 'sample') samples.add({ ...fact, kind: 'batch' }, repeats);
        steps.add(fact, repeats);
        if (fact.kind !== 'batch' && fact.kind !== 'times') continue;
        found ??= engine;
        if (found !== engine) throw twoEngines(file, found, engine);
      }
    }
  }
  const sampling = readers.find(({ engine, samples }) => engine !== found && samples.facts > 0)?.engine;
  if (found !== null && sampling !== undefined && found !== GROWN_OUT[sampling])
    throw twoEngines(file, sampling, found);
  const reader = readers.find(found === null ? ({ samples }) => samples.facts > 0 : ({ engine }) => engine === found);
  const batches = reader?.steps.batches() ?? [];
  const times = reader?.steps.times ?? [];
  // The tables count what the statistics count too.
  if (batches.length === 0) {
    for (const { tokens, count } of times) batches.push({ phase: 'mixed', tokens, count });
  }
  const sampled = found === null;
  if (sampled) batches.push(...(reader?.samples.batches() ?? []));
  if (reader === undefined || batches.length === 0) {
    const others = readers
      .filter(({ steps }) => steps.facts > 0)
      .map(({ engine }) => `lines of ${engine} without a batch`);
    const seen = [
      countOf(lineCount, 'line'),
      ...others,
      ...(metricsOfSglang ? ["SGLang's metrics, which do not count steps by size: give its log"] : []),
      ...(firstLine === '' ? [] : [`the first is ${shown(firstLine)}`]),
    ];
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      `${file}: it holds no batch (${seen.join(', ')}); these are read:\n${ENGINE_LOG_KINDS}`,
      { file, lines: lineCount, first: shown(firstLine) },
    );
  }
  const { mode, sizes: captured, capture } = reader.steps;
  return { engine: reader.engine, batches, mode, captured, capture, times, sampled };
}

/** Lines without colours; a line of JSON that wraps a message gives the lines of that message. */
function* messageLines(lines: readonly string[]): Generator<string> {
  for (const line of lines) {
    if (line === '') continue;
    const plain = line.includes(ESCAPE) ? line.replace(COLOUR, '') : line;
    if (plain.includes('\\n')) yield* plain.split('\\n');
    else yield plain;
  }
}

function twoEngines(file: string, one: string, other: string): LockstepError {
  return new LockstepError(
    'ERR_INPUT_INVALID',
    `${file}: it holds batches of both ${one} and ${other}; give one log each`,
    { file },
  );
}
