import { readText as readInput, readLineBlocks, type TextSource } from '../../input/index.js';
import { traceRefusal } from './row.js';

export { checkAborted, readHead, sourceName } from '../../input/index.js';
export type TraceSource = TextSource;

/** The text of a source that may hold a trace. */
export function readText(source: TextSource, signal: AbortSignal | undefined): AsyncGenerator<string> {
  return readInput(source, { signal, code: 'ERR_TRACE_INVALID' });
}

/** Lines of a text, from line 1, without their ends (LF or CRLF). The last line needs no end. */
export async function* readLines(text: AsyncIterable<string>, file: string): AsyncGenerator<string> {
  for await (const { lines } of readLineBlocks(text, traceRefusal(file))) yield* lines;
}
