import { lineRefusal, readCsv } from '../input/index.js';
import { AZURE, CsvTrace, generateWorkload, type RequestTable, RequestTableBuilder } from '../workload/index.js';
import type { BenchCase, BenchRow } from './measure.js';

/** Rows of the trace: about 40 kB, the size of one read from a file. */
const REQUESTS = 1000;

/** Reading a CSV trace, time per row: split, check, and build a table of requests. */
export const CSV_ROWS: readonly BenchRow[] = [{ name: 'read-csv', make: csvCase }];

/** Its limit is a loop that finds the same columns and checks nothing. */
function csvCase(): BenchCase {
  const text = azureCsv();
  const refuse = lineRefusal('ERR_TRACE_INVALID', 'bench', 'correct the bench');
  return {
    pieces: REQUESTS,
    ours: async (): Promise<RequestTable> => {
      const table = new RequestTableBuilder();
      const trace = new CsvTrace(AZURE, 'bench', refuse);
      for await (const rows of readCsv(oneChunk(text), refuse)) {
        for (const { wholeMs, inputTokens, outputTokens, hashIds } of trace.read(rows)) {
          table.add({ arrivalMs: wholeMs, inputTokens, outputTokens, hashIds });
        }
      }
      return table.table();
    },
    awaited: true,
    limit: () => plainLoop(text),
    peer: null,
  };
}

async function* oneChunk(text: string): AsyncGenerator<string> {
  yield text;
}

/** A generated workload as Azure publishes traces. */
function azureCsv(): string {
  const begin = Date.UTC(2023, 10, 16, 18);
  const lines = ['TIMESTAMP,ContextTokens,GeneratedTokens'];
  for (const { arrivalMs, inputTokens, outputTokens } of generateWorkload({ requests: REQUESTS, seed: 0 })) {
    const date = new Date(begin + arrivalMs).toISOString().slice(0, -1).replace('T', ' ');
    lines.push(`${date}0000,${inputTokens},${outputTokens}`);
  }
  return `${lines.join('\n')}\n`;
}

/** [time in ms, input tokens, output tokens] of each row. */
function plainLoop(text: string): Float64Array {
  const lines = text.split('\n');
  const columns = new Float64Array(3 * lines.length);
  for (let i = 1; i < lines.length - 1; i++) {
    const line = lines[i];
    const first = line.indexOf(',');
    const second = line.indexOf(',', first + 1);
    columns[3 * i] = Date.parse(`${line.slice(0, first)}Z`);
    columns[3 * i + 1] = Number(line.slice(first + 1, second));
    columns[3 * i + 2] = Number(line.slice(second + 1));
  }
  return columns;
}
