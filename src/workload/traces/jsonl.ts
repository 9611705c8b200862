import type { LineBlock, RefuseLine } from '../../input/index.js';
import { HASH_BLOCK_TOKENS, hashIdsProblem, isCount } from '../request.js';
import { ALIASES, namesIn, type TimeUnit, type TraceField, type TraceReading, unitOf } from './fields.js';
import { MAX_TIME_MS, type TraceRow, tokenCount } from './row.js';
import { dateOf, msOf, spanWords, type Time } from './times.js';

type Line = Readonly<Record<string, unknown>>;

/** A JSON Lines trace: the names of its keys, the unit of its times, and the size of its hash blocks. */
export interface JsonlFormat {
  readonly kind: 'jsonl';
  readonly names: Readonly<Partial<Record<TraceField, string>>>;
  readonly unit: TimeUnit;
  readonly hashBlockTokens: number;
}

/** Sizes of hash blocks that are in use. Sources: Mooncake 512, Dynamo 64 and 128, Bailian 16. */
const BLOCK_SIZES = [HASH_BLOCK_TOKENS, 256, 128, 64, 32, 16];
const BAILIAN_BLOCK_TOKENS = 16;

/** The format of a trace by its first line; null where that is not one. */
export function jsonlFormat(head: Line, { columns, timeUnit, hashBlockTokens }: TraceReading): JsonlFormat | null {
  const names = namesIn(Object.keys(head), columns);
  // Any log in JSON may have a timestamp, so that alone is not enough.
  if (names.input_length === undefined && names.output_length === undefined) return null;
  // Source: Alibaba's Bailian traces, in seconds, one id for 16 tokens.
  const bailian = 'chat_id' in head && 'parent_chat_id' in head;
  const unit = timeUnit ?? (bailian ? 's' : unitOf(names.timestamp ?? ''));
  const blocks = hashBlockTokens ?? (bailian ? BAILIAN_BLOCK_TOKENS : blockTokensOf(head, names));
  return { kind: 'jsonl', names, unit, hashBlockTokens: blocks };
}

/** The largest size of hash blocks that fits a line's ids; 512 where none does. */
function blockTokensOf(line: Line, names: JsonlFormat['names']): number {
  const [ids, input, output] = (['hash_ids', 'input_length', 'output_length'] as const).map(
    (field) => line[names[field] ?? ''],
  );
  if (!Array.isArray(ids) || !isCount(input) || !isCount(output)) return HASH_BLOCK_TOKENS;
  return BLOCK_SIZES.find((size) => hashIdsProblem(ids, input, output, size) === null) ?? HASH_BLOCK_TOKENS;
}

/** Rows of lines of a JSON Lines trace, of which hash ids, sessions and delays may be absent. Other keys are ignored. */
export function* readJsonl({ first, lines }: LineBlock, format: JsonlFormat, refuse: RefuseLine): Generator<TraceRow> {
  for (const [index, text] of lines.entries()) {
    if (text.trim() !== '') yield rowOf(text, first + index, format, refuse);
  }
}

/** The object of a line. */
export function objectOf(text: string, line: number, refuse: RefuseLine): Line {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    refuse(line, 'the line', 'one JSON object', text, error);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    refuse(line, 'the line', 'one JSON object', value);
  }
  return value as Line;
}

function rowOf(text: string, line: number, format: JsonlFormat, refuse: RefuseLine): TraceRow {
  const { names, unit, hashBlockTokens } = format;
  const value = objectOf(text, line, refuse);
  const nameOf = (field: TraceField): string => names[field] ?? ALIASES[field][0];
  const of = (field: TraceField): unknown => value[nameOf(field)] ?? undefined;
  const inputTokens = tokenCount(line, nameOf('input_length'), of('input_length'), 1, refuse);
  const outputTokens = tokenCount(line, nameOf('output_length'), of('output_length'), 0, refuse);
  const hashIds = of('hash_ids') ?? null;
  if (hashIds !== null) {
    const problem = hashIdsProblem(hashIds, inputTokens, outputTokens, hashBlockTokens);
    if (problem !== null) refuse(line, nameOf('hash_ids'), problem.expected, problem.found);
  }
  const row = { inputTokens, outputTokens, hashIds: hashIds as number[] | null };
  const session = of('session_id');
  const ms = (field: TraceField, least: number, orDate = ''): number => {
    const given = of(field);
    const value = typeof given === 'number' ? msOf(given, unit) : Number.NaN;
    if (!(value >= least && value <= MAX_TIME_MS)) {
      refuse(line, nameOf(field), `a number of ${spanWords(unit)}${orDate}`, given);
    }
    return value;
  };
  const time = (): Time => {
    const given = of('timestamp');
    const date = typeof given === 'string' ? dateOf(given) : null;
    return date ?? { wholeMs: ms('timestamp', -MAX_TIME_MS, ', or a date'), partMs: 0 };
  };
  if (session === undefined) return { ...row, ...time() };
  if (typeof session !== 'string' && typeof session !== 'number') {
    refuse(line, nameOf('session_id'), 'a text or a number', session);
  }
  const delayMs = of('delay') === undefined ? undefined : ms('delay', 0);
  const timed = of('timestamp') !== undefined;
  return {
    ...row,
    ...(timed ? time() : { wholeMs: 0, partMs: 0 }),
    session: `${session}`,
    ...(timed && delayMs === undefined ? {} : { delayMs: delayMs ?? 0 }),
  };
}
