import { parse } from 'csv-parse/sync';
import { LockstepError, shown } from '../../errors.js';
import { type Request, RequestTable } from '../request.js';
import { AZURE, BURSTGPT, CSV_OPTIONS, type CsvFormat, readCsv } from './csv.js';
import { readJsonl } from './jsonl.js';
import type { TraceRow } from './row.js';
import { checkAborted, readHead, readLines, readText, sourceName, type TraceSource } from './text.js';

/** How much to read, and how to stop. */
export interface ReadTraceOptions {
  /** Requests after which reading stops; what follows is not validated. Default: all. */
  readonly limit?: number | undefined;
  /** Stops reading with `ERR_ABORTED`. */
  readonly signal?: AbortSignal | undefined;
}

/** The formats of traces, for errors. */
const TRACE_FORMATS: string = `the formats are
  ${AZURE.name}: TIMESTAMP,ContextTokens,GeneratedTokens
  ${BURSTGPT.name}: Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type
  Mooncake JSONL: {"timestamp": 0, "input_length": 600, "output_length": 50, "hash_ids": [0, 1]}
  Lockstep JSONL: the same without hash_ids`;

/**
 * Streams the requests of a trace, whose format is told by its first line: Azure CSV, BurstGPT CSV, Mooncake JSONL, or
 * JSONL with the same keys and no `hash_ids`. Requests come in the order of the file: `id` counts its rows, and
 * `arrivalMs` counts from its first row and is negative where a later row is earlier. `readRequests` sorts.
 *
 * Throws `ERR_TRACE_INVALID` with file and line for a line that does not fit its format, for an unknown format and for
 * a trace without requests; `ERR_INPUT_INVALID` when the source cannot be read or `limit` is no positive integer;
 * `ERR_ABORTED`.
 */
export function readTrace(source: TraceSource, options: ReadTraceOptions = {}): AsyncGenerator<Request> {
  const { signal } = options;
  const limit = checkLimit(options.limit);
  return requestsOf(readText(source, signal), sourceName(source), limit, signal);
}

/** How many requests to read, Infinity where it is not said. Throws `ERR_INPUT_INVALID` where it is no positive integer. */
function checkLimit(limit: number = Infinity): number {
  if (limit === Infinity || (Number.isSafeInteger(limit) && limit >= 1)) return limit;
  const message = `limit must be an integer of at least 1, found ${String(limit)}; leave it out to read the whole trace`;
  throw new LockstepError('ERR_INPUT_INVALID', message, { limit });
}

/**
 * Reads a trace into a table. Real traces are slightly out of order, so the requests are sorted by arrival (equal ones
 * keep the order of the file), numbered anew, and time counts from the earliest. Throws what `readTrace` throws.
 */
export async function readRequests(source: TraceSource, options: ReadTraceOptions = {}): Promise<RequestTable> {
  return RequestTable.collect(readTrace(source, options));
}

/** The requests of a trace whose text is being read. */
async function* requestsOf(
  text: AsyncGenerator<string>,
  file: string,
  limit: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Request> {
  let id = 0;
  let first: TraceRow | null = null;
  try {
    for await (const row of rowsOf(text, file, limit)) {
      checkAborted(signal, file);
      first ??= row;
      const arrivalMs = row.wholeMs - first.wholeMs + (row.partMs - first.partMs);
      yield { id, arrivalMs, inputTokens: row.inputTokens, outputTokens: row.outputTokens, hashIds: row.hashIds };
      if (++id === limit) return;
    }
  } finally {
    await text.return(undefined);
  }
  if (id === 0) {
    throw new LockstepError('ERR_TRACE_INVALID', `${file}: a header and no requests; a trace needs at least one`, {
      file,
    });
  }
}

async function* rowsOf(text: AsyncGenerator<string>, file: string, limit: number): AsyncGenerator<TraceRow> {
  const { line, whole } = await readHead(text);
  if (line === undefined) {
    throw new LockstepError('ERR_TRACE_INVALID', `${file}: empty; ${TRACE_FORMATS}`, { file });
  }
  const format = detectTrace(line);
  if (format === null) {
    const message = `${file}: unknown format, the first line is ${shown(line)}; ${TRACE_FORMATS}`;
    throw new LockstepError('ERR_TRACE_INVALID', message, { file, line: shown(line) });
  }
  yield* format === 'jsonl' ? readJsonl(readLines(whole, file), file) : readCsv(whole, format, file, limit);
}

/** What the first line of a trace says its format is; null where it is that of none. */
export function detectTrace(line: string): CsvFormat | 'jsonl' | null {
  try {
    if (line.startsWith('{')) {
      const keys = Object.keys(JSON.parse(line) as object);
      // A timestamp alone is what any log in JSON has.
      return ['input_length', 'output_length'].some((key) => keys.includes(key)) ? 'jsonl' : null;
    }
    const header = (parse(line, { ...CSV_OPTIONS, info: false }) as string[][])[0] ?? [];
    return [AZURE, BURSTGPT].find(({ columns }) => columns.every((column) => header.includes(column))) ?? null;
  } catch {
    // A first object that is cut or misspelt is an error of line 1, which the reader words better.
    return line.startsWith('{') ? 'jsonl' : null;
  }
}
