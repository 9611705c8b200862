import { LockstepError, shown } from '../../errors.js';
import {
  checkAborted,
  csvFields,
  readCsv,
  readHead,
  readLineBlocks,
  readText,
  sourceName,
  type TextSource,
} from '../../input/index.js';
import { type Request, type RequestTable, RequestTableBuilder } from '../request.js';
import { AZURE, BURSTGPT, type CsvFormat, CsvTrace } from './csv.js';
import { readJsonl } from './jsonl.js';
import { type TraceRow, traceRefusal } from './row.js';

/** How much to read, and how to stop. */
export interface ReadTraceOptions {
  /** Requests after which reading stops; what follows is not validated. Default: all. */
  readonly limit?: number | undefined;
  /** Stops reading with `ERR_ABORTED`. */
  readonly signal?: AbortSignal | undefined;
}

/** The formats of traces, for errors. */
export const TRACE_KINDS: string = `traces
  ${AZURE.name}: TIMESTAMP,ContextTokens,GeneratedTokens
  ${BURSTGPT.name}: Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type
  Mooncake JSONL: {"timestamp": 0, "input_length": 600, "output_length": 50, "hash_ids": [0, 1]}
  Lockstep JSONL: the same without hash_ids`;

/**
 * Streams the requests of a trace, whose format is detected from its first line: Azure CSV, BurstGPT CSV, Mooncake JSONL, or
 * JSONL with the same keys and no `hash_ids`. Requests come in the order of the file: `id` counts its rows, and
 * `arrivalMs` counts from its first row and is negative where a later row is earlier. `readRequests` sorts.
 *
 * Throws `ERR_TRACE_INVALID` with file and line for a line that does not fit its format, for an unknown format and for
 * a trace without requests; `ERR_INPUT_INVALID` when the source cannot be read or `limit` is no positive integer;
 * `ERR_ABORTED`.
 */
export function readTrace(source: TextSource, options: ReadTraceOptions = {}): AsyncGenerator<Request> {
  const { signal } = options;
  const limit = checkLimit(options.limit);
  return requestsOf(traceText(source, signal), sourceName(source), limit, signal);
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
export async function readRequests(source: TextSource, options: ReadTraceOptions = {}): Promise<RequestTable> {
  const { signal } = options;
  const limit = checkLimit(options.limit);
  const table = new RequestTableBuilder();
  for await (const requests of requestBlocks(traceText(source, signal), sourceName(source), limit)) {
    for (const request of requests) table.add(request);
    checkAborted(signal, sourceName(source));
  }
  return table.table();
}

function traceText(source: TextSource, signal: AbortSignal | undefined): AsyncGenerator<string> {
  return readText(source, { signal, code: 'ERR_TRACE_INVALID' });
}

/** The requests of a trace whose text is being read. */
async function* requestsOf(
  text: AsyncGenerator<string>,
  file: string,
  limit: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Request> {
  for await (const requests of requestBlocks(text, file, limit)) {
    for (const request of requests) {
      checkAborted(signal, file);
      yield request;
    }
  }
}

/** The same in blocks, one per chunk of text: read a block to its end before asking for the next. */
async function* requestBlocks(
  text: AsyncGenerator<string>,
  file: string,
  limit: number,
): AsyncGenerator<Iterable<Request>> {
  const numbered = new NumberedRequests(limit);
  try {
    for await (const rows of rowBlocks(text, file)) {
      yield numbered.of(rows);
      if (numbered.count >= limit) return;
    }
  } finally {
    await text.return(undefined);
  }
  if (numbered.count === 0) {
    throw new LockstepError('ERR_TRACE_INVALID', `${file}: a header and no requests; a trace needs at least one`, {
      file,
    });
  }
}

/** Makes requests of rows: numbers them, and counts time from the first. Ends with request `limit`. */
class NumberedRequests {
  count = 0;
  readonly #limit: number;
  #first: TraceRow | null = null;

  constructor(limit: number) {
    this.#limit = limit;
  }

  *of(rows: Iterable<TraceRow>): Generator<Request> {
    for (const row of rows) {
      this.#first ??= row;
      const { wholeMs, partMs } = this.#first;
      const arrivalMs = row.wholeMs - wholeMs + (row.partMs - partMs);
      const { inputTokens, outputTokens, hashIds } = row;
      yield { id: this.count++, arrivalMs, inputTokens, outputTokens, hashIds };
      if (this.count >= this.#limit) return;
    }
  }
}

async function* rowBlocks(text: AsyncGenerator<string>, file: string): AsyncGenerator<Iterable<TraceRow>> {
  const { line, whole } = await readHead(text);
  if (line === undefined) {
    throw new LockstepError('ERR_TRACE_INVALID', `${file}: empty; the formats are ${TRACE_KINDS}`, { file });
  }
  const format = detectTrace(line);
  if (format === null) {
    const message = `${file}: unknown format, the first line is ${shown(line)}; the formats are ${TRACE_KINDS}`;
    throw new LockstepError('ERR_TRACE_INVALID', message, { file, line: shown(line) });
  }
  const refuse = traceRefusal(file);
  if (format === 'jsonl') {
    for await (const lines of readLineBlocks(whole, refuse)) yield readJsonl(lines, refuse);
    return;
  }
  const trace = new CsvTrace(format, refuse);
  for await (const rows of readCsv(whole, refuse)) yield trace.read(rows);
}

/** The format of a trace by its first line; null if it is none of the known ones. */
export function detectTrace(line: string): CsvFormat | 'jsonl' | null {
  try {
    if (line.startsWith('{')) {
      const keys = Object.keys(JSON.parse(line) as object);
      // Any log in JSON may have a timestamp, so that alone is not enough.
      return ['input_length', 'output_length'].some((key) => keys.includes(key)) ? 'jsonl' : null;
    }
    const header = csvFields(line);
    return [AZURE, BURSTGPT].find(({ columns }) => columns.every((column) => header.includes(column))) ?? null;
  } catch {
    // A first object that is cut or misspelt is an error of line 1, which the reader words better.
    return line.startsWith('{') ? 'jsonl' : null;
  }
}
