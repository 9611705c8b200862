import { hashIdsProblem } from '../request.js';
import { refuseLine, type TracePlace, type TraceRow, tokenCount } from './row.js';

/** Rows of a JSON Lines trace: Mooncake's keys, of which `hash_ids` may be absent. Other keys are ignored. */
export async function* readJsonl(lines: AsyncIterable<string>, file: string): AsyncGenerator<TraceRow> {
  let line = 0;
  for await (const text of lines) {
    line++;
    if (text.trim() !== '') yield rowOf(text, { file, line });
  }
}

function rowOf(text: string, place: TracePlace): TraceRow {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    refuseLine(place, 'the line', 'one JSON object', text, error);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    refuseLine(place, 'the line', 'one JSON object', value);
  }
  const { timestamp, input_length, output_length, hash_ids = null } = value as Record<string, unknown>;
  if (!Number.isFinite(timestamp)) refuseLine(place, 'timestamp', 'a finite number of milliseconds', timestamp);
  const inputTokens = tokenCount(place, 'input_length', input_length, 1);
  const outputTokens = tokenCount(place, 'output_length', output_length, 0);
  if (hash_ids !== null) {
    const problem = hashIdsProblem(hash_ids, inputTokens, outputTokens);
    if (problem !== null) refuseLine(place, 'hash_ids', problem.expected, problem.found);
  }
  return { wholeMs: timestamp as number, partMs: 0, inputTokens, outputTokens, hashIds: hash_ids as number[] | null };
}
