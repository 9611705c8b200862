import { Faults } from '../config.js';
import { LockstepError } from '../errors.js';
import type { TextSource } from '../input/index.js';
import type { LogBatch, LogLineReader } from './log-batch.js';
import { sglangLogReader } from './sglang/log.js';
import { vllmLogReader } from './vllm/log.js';

/** What an engine's log holds. */
export interface EngineLog {
  readonly engine: 'vllm' | 'sglang';
  /** One entry per shape, in the order in which the log first has it. */
  readonly batches: LogBatch[];
}

/** How an engine's log is read, and what may end the reading. */
export interface EngineLogOptions {
  /** Tokens of one decode request, 1 + drafts: SGLang's log counts only requests. Default 1. */
  readonly queryLen?: number;
  readonly signal?: AbortSignal;
}

const READERS: Readonly<Record<EngineLog['engine'], (queryLen: number) => LogLineReader>> = {
  vllm: vllmLogReader,
  sglang: sglangLogReader,
};

const ESCAPE = String.fromCharCode(27);

/** Colours of a terminal, which may stand before and after any word. */
const COLOUR = new RegExp(`${ESCAPE}\\[[\\d;]*m`, 'g');

const EXPECTED = `expected
  vLLM's tables (vllm serve --cudagraph-metrics): | Unpadded Tokens | Padded Tokens | Num Paddings | Runtime Mode | Count |
  or SGLang's batches: Decode batch, #running-req: 32, … and Prefill batch, #new-seq: 1, #new-token: 158, …`;

/**
 * The batches of an engine's own log, of vLLM (with `--cudagraph-metrics`) or SGLang, detected by its content, whatever
 * prefix each line has. It is streamed and never held in memory. SGLang logs each prefill and, by default, every 40th
 * decode. Errors: ERR_INPUT_INVALID for a source that cannot be read, that holds no batch, or batches of two engines;
 * ERR_CONFIG_INVALID, ERR_ABORTED.
 */
export async function readEngineLog(source: TextSource, options: EngineLogOptions = {}): Promise<EngineLog> {
  const { queryLen = 1, signal } = options;
  const faults = new Faults();
  faults.integer('queryLen', queryLen, 1, 1 << 10);
  faults.throwIfAny('These options');
  // Who asks for a ladder reads no log, and need not load what reads one.
  const { lineRefusal, readLineBlocks, readText, sourceName } = await import('../input/index.js');
  const file = sourceName(source);
  const readers = Object.entries(READERS).map(([engine, reader]) => ({
    engine: engine as EngineLog['engine'],
    read: reader(queryLen),
  }));
  const counts = new Map<string, { batch: LogBatch; count: number }>();
  let found: EngineLog['engine'] | null = null;
  const refuse = lineRefusal('ERR_INPUT_INVALID', file, 'give a log of text whose lines end');
  // A log may hold anything: what is not UTF-8 is replaced, not refused.
  for await (const { lines } of readLineBlocks(readText(source, { signal, lenient: true }), refuse)) {
    for (const line of messageLines(lines)) {
      for (const { engine, read } of readers) {
        const batch = read(line);
        if (batch === null) continue;
        found ??= engine;
        if (found !== engine) throw twoEngines(file, found, engine);
        const { count, ...shape } = batch;
        const key = Object.values(shape).join();
        const seen = counts.get(key);
        if (seen === undefined) counts.set(key, { batch, count });
        else seen.count += count;
      }
    }
  }
  if (found === null) throw new LockstepError('ERR_INPUT_INVALID', `${file}: it holds no batch; ${EXPECTED}`, { file });
  return { engine: found, batches: Array.from(counts.values(), ({ batch, count }) => ({ ...batch, count })) };
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
