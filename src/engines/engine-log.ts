import { createReadStream } from 'node:fs';
import { Faults } from '../config.js';
import { LockstepError } from '../errors.js';
import type { LogBatch, LogLineReader } from './log-batch.js';
import { sglangLogReader } from './sglang/log.js';
import { vllmLogReader } from './vllm/log.js';

/** What an engine's log tells. */
export interface EngineLog {
  readonly engine: 'vllm' | 'sglang';
  /** One entry a shape, in the order in which the log first tells of it. */
  readonly batches: LogBatch[];
}

export interface EngineLogOptions {
  /** Tokens of one decode request, 1 + drafts: SGLang's log counts requests alone. Default 1. */
  readonly queryLen?: number;
  readonly signal?: AbortSignal;
}

/** A path, or anything that yields UTF-8 bytes or text. */
export type EngineLogSource = string | URL | AsyncIterable<Uint8Array | string>;

const READERS: Readonly<Record<EngineLog['engine'], (queryLen: number) => LogLineReader>> = {
  vllm: vllmLogReader,
  sglang: sglangLogReader,
};

/** No line of a log that is read here comes near; it bounds what a source without line ends can take. */
const MAX_LINE_CHARACTERS = 1 << 20;

/** Colours of a terminal, which may stand before and after any word. */
const COLOUR = new RegExp(`${String.fromCharCode(27)}\\[[\\d;]*m`, 'g');

const EXPECTED = `expected
  vLLM's tables (vllm serve --cudagraph-metrics): | Unpadded Tokens | Padded Tokens | Num Paddings | Runtime Mode | Count |
  or SGLang's batches: Decode batch, #running-req: 32, … and Prefill batch, #new-seq: 1, #new-token: 158, …`;

/**
 * The batches of an engine's own log, which may be of vLLM (with `--cudagraph-metrics`) or SGLang: told by its content, whatever
 * stands before each line. It is read as it comes and never held. SGLang logs each prefill and, by default, every 40th
 * decode. Errors: ERR_INPUT_INVALID for a source that cannot be read, that tells of no batch, or of two engines';
 * ERR_CONFIG_INVALID, ERR_ABORTED.
 */
export async function readEngineLog(source: EngineLogSource, options: EngineLogOptions = {}): Promise<EngineLog> {
  const { queryLen = 1, signal } = options;
  const faults = new Faults();
  faults.integer('queryLen', queryLen, 1, 1 << 10);
  faults.throwIfAny('These options');
  const file = typeof source === 'string' ? source : source instanceof URL ? source.href : '<stream>';
  const readers = Object.entries(READERS).map(([engine, reader]) => ({
    engine: engine as EngineLog['engine'],
    read: reader(queryLen),
  }));
  const counts = new Map<string, { batch: LogBatch; count: number }>();
  let found: EngineLog['engine'] | null = null;
  for await (const line of messageLines(linesOf(source, file, signal))) {
    for (const { engine, read } of readers) {
      const batch = read(line);
      if (batch === null) continue;
      found ??= engine;
      if (found !== engine) {
        throw new LockstepError(
          'ERR_INPUT_INVALID',
          `${file}: it tells of batches of both ${found} and ${engine}; give one log each`,
          {
            file,
          },
        );
      }
      const { count, ...shape } = batch;
      const key = Object.values(shape).join();
      const seen = counts.get(key);
      if (seen === undefined) counts.set(key, { batch, count });
      else seen.count += count;
    }
  }
  if (found === null)
    throw new LockstepError('ERR_INPUT_INVALID', `${file}: it tells of no batch; ${EXPECTED}`, { file });
  return { engine: found, batches: Array.from(counts.values(), ({ batch, count }) => ({ ...batch, count })) };
}

/** Lines without colours; a line of JSON that holds a whole message gives the lines of that message. */
async function* messageLines(lines: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const line of lines) {
    const plain = line.replace(COLOUR, '');
    if (plain.includes('\\n')) yield* plain.split('\\n');
    else yield plain;
  }
}

/** Lines without their ends. Errors: ERR_INPUT_INVALID, ERR_ABORTED at once, even while the source has nothing to give. */
async function* linesOf(source: EngineLogSource, file: string, signal?: AbortSignal): AsyncGenerator<string> {
  const input = typeof source === 'string' || source instanceof URL ? createReadStream(source) : source;
  const iterator = input[Symbol.asyncIterator]();
  // A log may hold anything: what is not UTF-8 is replaced, not refused.
  const decoder = new TextDecoder();
  let abort = (): void => undefined;
  const aborted = new Promise<null>((resolve) => {
    abort = () => resolve(null);
  });
  signal?.addEventListener('abort', abort);
  if (signal?.aborted) abort();
  let rest = '';
  try {
    for (;;) {
      const next = await Promise.race([aborted, iterator.next()]);
      if (next === null) {
        throw new LockstepError('ERR_ABORTED', `${file}: reading was aborted`, { file }, { cause: signal?.reason });
      }
      if (next.done === true) break;
      const text = typeof next.value === 'string' ? next.value : decoder.decode(next.value, { stream: true });
      const lines = `${rest}${text}`.split('\n');
      rest = lines.pop() as string;
      yield* lines;
      if (rest.length > MAX_LINE_CHARACTERS) rest = '';
    }
    yield rest + decoder.decode();
  } catch (error) {
    if (error instanceof LockstepError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new LockstepError('ERR_INPUT_INVALID', `${file}: cannot be read (${reason})`, { file }, { cause: error });
  } finally {
    signal?.removeEventListener('abort', abort);
    // Not awaited: a source that still owes an answer may never give it.
    iterator.return?.().catch(() => undefined);
    if ('destroy' in input && typeof input.destroy === 'function') input.destroy();
  }
}
