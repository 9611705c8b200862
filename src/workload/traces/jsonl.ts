import type { LineBlock, RefuseLine } from '../../input/index.js';
import { hashIdsProblem } from '../request.js';
import { MAX_TIME_MS, type TraceRow, tokenCount } from './row.js';

/** Rows of lines of a JSON Lines trace: Mooncake's keys, of which `hash_ids` may be absent. Other keys are ignored. */
export function* readJsonl({ first, lines }: LineBlock, refuse: RefuseLine): Generator<TraceRow> {
  for (const [index, text] of lines.entries()) {
    if (text.trim() !== '') yield rowOf(text, first + index, refuse);
  }
}

function rowOf(text: string, line: number, refuse: RefuseLine): TraceRow {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    refuse(line, 'the line', 'one JSON object', text, error);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    refuse(line, 'the line', 'one JSON object', value);
  }
  const { timestamp, input_length, output_length, hash_ids = null } = value as Record<string, unknown>;
  if (typeof timestamp !== 'number' || !(Math.abs(timestamp) <= MAX_TIME_MS)) {
    refuse(line, 'timestamp', `a number of milliseconds, at most ${MAX_TIME_MS}`, timestamp);
  }
  const inputTokens = tokenCount(line, 'input_length', input_length, 1, refuse);
  const outputTokens = tokenCount(line, 'output_length', output_length, 0, refuse);
  if (hash_ids !== null) {
    const problem = hashIdsProblem(hash_ids, inputTokens, outputTokens);
    if (problem !== null) refuse(line, 'hash_ids', problem.expected, problem.found);
  }
  return { wholeMs: timestamp, partMs: 0, inputTokens, outputTokens, hashIds: hash_ids as number[] | null };
}
