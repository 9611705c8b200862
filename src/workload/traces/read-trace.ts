import { checkArguments } from '../../checks.js';
import { LockstepError, shown } from '../../errors.js';
import {
  checkAborted,
  csvFields,
  readCsv,
  readHead,
  readLineBlocks,
  readText,
  readWhole,
  sourceName,
  type TextSource,
} from '../../input/index.js';
import { HASH_BLOCK_TOKENS, type Request, type RequestTable, RequestTableBuilder } from '../request.js';
import { AZURE, BURSTGPT, type CsvFormat, CsvTrace, csvFormat } from './csv.js';
import { checkReading, columnsHint, type TraceReading } from './fields.js';
import { type JsonlFormat, jsonlFormat, readJsonl } from './jsonl.js';
import { beginsResult, isAiperfRecord, readAiperf, readResult } from './results.js';
import { type TraceRow, traceRefusal } from './row.js';

/** How much to read, and how to stop. */
export interface ReadTraceOptions extends TraceReading {
  /** Requests after which reading stops; what follows is not validated. Default: all. */
  readonly limit?: number | undefined;
  /** Stops reading with `ERR_ABORTED`. */
  readonly signal?: AbortSignal | undefined;
}

/** The formats of traces, for errors. */
export const TRACE_KINDS: string = `traces
  ${AZURE.name}: TIMESTAMP,ContextTokens,GeneratedTokens
  ${BURSTGPT.name}: Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type
  Vidur CSV: arrived_at,num_prefill_tokens,num_decode_tokens
  Splitwise CSV: request_id,…,arrival_timestamp,batch_size,prompt_size,token_size
  Mooncake JSONL: {"timestamp": 0, "input_length": 600, "output_length": 50, "hash_ids": [0, 1]}
  Lockstep JSONL: the same without hash_ids
  Bailian JSONL: {"chat_id": 0, "parent_chat_id": -1, "timestamp": 0.5, "input_length": 30, "output_length": 5, "hash_ids": [0, 1]}
  Dynamo or aiperf JSONL: {"session_id": "a", "delay": 500, "input_length": 600, "output_length": 50}, or created_time, input_tokens, output_tokens
  results of benchmarks: aiperf's profile_export.jsonl, GuideLLM's benchmarks.json, vllm bench serve --save-result --save-detailed
  any CSV or JSONL with a time, input and output tokens, whose names are given: --columns timestamp=T,input_length=I,output_length=O`;

/**
 * Streams the requests of a trace, whose format is detected from its first line: one of `TRACE_KINDS`. Requests come in the order of the file: `id` counts its rows, and
 * `arrivalMs` counts from its first row and is negative where a later row is earlier. `readRequests` sorts.
 *
 * Throws `ERR_TRACE_INVALID` with file and line for a line that does not fit its format, for an unknown format and for
 * a trace without requests; `ERR_INPUT_INVALID` when the source cannot be read or `limit` is no positive integer;
 * `ERR_ABORTED`.
 */
export function readTrace(source: TextSource, options: ReadTraceOptions = {}): AsyncGenerator<Request> {
  checkArguments('readTrace', { options: [options, 'object'] });
  const { signal } = options;
  const limit = checkOptions(options);
  return requestsOf(traceText(source, signal), sourceName(source), limit, options);
}

/** Checks the options; returns how many requests to read. Throws `ERR_INPUT_INVALID`. */
function checkOptions(options: ReadTraceOptions): number {
  checkNames(options, ['limit', 'signal', 'timeUnit', 'hashBlockTokens', 'columns']);
  checkReading(options);
  return checkLimit(options.limit);
}

function checkNames(options: ReadTraceOptions, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null) {
    throw new LockstepError('ERR_INPUT_INVALID', `the options of a trace are ${shown(options)}; give an object`, {});
  }
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const message = `the options of a trace have no ${unknown}; they have ${known.join(', ')}`;
  throw new LockstepError('ERR_INPUT_INVALID', message, { option: unknown });
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
  checkArguments('readRequests', { options: [options, 'object'] });
  const { signal } = options;
  const limit = checkOptions(options);
  let table: RequestTableBuilder | null = null;
  for await (const { requests, hashBlockTokens } of requestBlocks(
    traceText(source, signal),
    sourceName(source),
    limit,
    options,
  )) {
    table ??= new RequestTableBuilder({ hashBlockTokens });
    for (const request of requests) table.add(request);
    checkAborted(signal, sourceName(source));
  }
  return (table ?? new RequestTableBuilder()).table();
}

function traceText(source: TextSource, signal: AbortSignal | undefined): AsyncGenerator<string> {
  return readText(source, { signal, code: 'ERR_TRACE_INVALID' });
}

/** The requests of a trace whose text is being read. */
async function* requestsOf(
  text: AsyncGenerator<string>,
  file: string,
  limit: number,
  options: ReadTraceOptions,
): AsyncGenerator<Request> {
  for await (const { requests } of requestBlocks(text, file, limit, options)) {
    for (const request of requests) {
      checkAborted(options.signal, file);
      yield request;
    }
  }
}

/** The same in blocks, one per chunk of text: read a block to its end before asking for the next. */
async function* requestBlocks(
  text: AsyncGenerator<string>,
  file: string,
  limit: number,
  reading: TraceReading,
): AsyncGenerator<{ readonly requests: Iterable<Request>; readonly hashBlockTokens: number }> {
  const numbered = new NumberedRequests(limit);
  try {
    for await (const { rows, hashBlockTokens } of rowBlocks(text, file, reading)) {
      yield { requests: numbered.of(rows), hashBlockTokens };
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

/** Makes requests of rows: numbers them, counts time from the first, and ties turns of sessions together. Ends with request `limit`. */
class NumberedRequests {
  count = 0;
  readonly #limit: number;
  #first: TraceRow | null = null;
  /** The last turn of each session. */
  readonly #turns = new Map<string, { readonly id: number; readonly arrivalMs: number }>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  *of(rows: Iterable<TraceRow>): Generator<Request> {
    for (const row of rows) {
      this.#first ??= row;
      const { wholeMs, partMs } = this.#first;
      const { inputTokens, outputTokens, hashIds, session, delayMs } = row;
      const before = session === undefined || delayMs === undefined ? undefined : this.#turns.get(session);
      const arrivalMs =
        before === undefined ? row.wholeMs - wholeMs + (row.partMs - partMs) : before.arrivalMs + (delayMs ?? 0);
      const id = this.count++;
      if (session !== undefined) this.#turns.set(session, { id, arrivalMs });
      const request = { id, arrivalMs, inputTokens, outputTokens, hashIds };
      yield before === undefined ? request : { ...request, after: before.id, delayMs };
      if (this.count >= this.#limit) return;
    }
  }
}

/** Rows of a trace, and the tokens of its hash blocks. */
interface RowBlock {
  readonly rows: Iterable<TraceRow>;
  readonly hashBlockTokens: number;
}

async function* rowBlocks(text: AsyncGenerator<string>, file: string, reading: TraceReading): AsyncGenerator<RowBlock> {
  const { line, whole } = await readHead(text);
  if (line === undefined) {
    throw new LockstepError('ERR_TRACE_INVALID', `${file}: empty; these are read:\n${TRACE_KINDS}`, { file });
  }
  const format = await detectTrace(line, reading);
  if (format === null) {
    const message = `${file}: unknown format, the first line is ${shown(line)}; these are read:\n${TRACE_KINDS}${columnsHint(line)}`;
    throw new LockstepError('ERR_TRACE_INVALID', message, { file, line: shown(line) });
  }
  const refuse = traceRefusal(file);
  const block = (rows: Iterable<TraceRow>, hashBlockTokens = HASH_BLOCK_TOKENS): RowBlock => ({
    rows,
    hashBlockTokens,
  });
  if (format === 'result') {
    yield block(readResult(await readWhole(whole, { code: 'ERR_TRACE_INVALID' }), file));
  } else if (format === 'aiperf') {
    for await (const lines of readLineBlocks(whole, refuse)) yield block(readAiperf(lines, refuse));
  } else if ('kind' in format) {
    for await (const lines of readLineBlocks(whole, refuse)) {
      yield block(readJsonl(lines, format, refuse), format.hashBlockTokens);
    }
  } else {
    const trace = new CsvTrace(format, file, refuse);
    for await (const rows of readCsv(whole, refuse)) yield block(trace.read(rows));
  }
}

/** The format of a trace by its first line; null if it is none of the known ones. */
export async function detectTrace(
  line: string,
  reading: TraceReading = {},
): Promise<CsvFormat | JsonlFormat | 'aiperf' | 'result' | null> {
  try {
    if (line.startsWith('{')) {
      if (beginsResult(line)) return 'result';
      const head = JSON.parse(line) as Readonly<Record<string, unknown>>;
      return isAiperfRecord(head) ? 'aiperf' : jsonlFormat(head, reading);
    }
    return csvFormat(await csvFields(line), reading);
  } catch {
    // A first object that is cut or misspelt is an error of line 1, which the reader words better.
    return line.startsWith('{') ? { kind: 'jsonl', names: {}, unit: 'ms', hashBlockTokens: HASH_BLOCK_TOKENS } : null;
  }
}
