import type { AgreedShape } from '../../agreement/index.js';
import { checkArguments } from '../../checks.js';
import { lineRefusal } from '../../input/index.js';
import type { VOTE_WORDS } from '../../layout/index.js';
import { STEP_LOG_END } from '../../names.js';
import { checkVersion, type LogObject } from '../log-reader.js';

type VoteWord = (typeof VOTE_WORDS)[number];

/** The words of a vote that say what shape a rank has. */
const WORDS = [
  'tokens',
  'prefillRequests',
  'decodeRequests',
  'maxDecodeQueryLen',
] as const satisfies readonly VoteWord[];
type ShapeWord = (typeof WORDS)[number];

/** Where a line of a log stands, for errors. */
export interface LogPlace {
  /** Name of the file. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
}

/** The shape of a logged step, its number of ranks, and the real tokens of all of them. */
export interface LoggedShape extends AgreedShape {
  readonly ranks: number;
  readonly rankTokens: number;
}

/** Whether a line is one of a step log: a JSON object with the rows of a step, or the end of a log without steps. */
export function isStepLine(text: string): boolean {
  if (!text.startsWith('{')) return false;
  try {
    const value = JSON.parse(text) as LogObject;
    return Array.isArray(value.rows) || value[STEP_LOG_END] !== undefined;
  } catch {
    return /^\{\s*"(schemaVersion"\s*:\s*\d+\s*,\s*")?(step|rows)"/.test(text);
  }
}

/**
 * The shape agreed in one line `{schemaVersion, step, rows[], decision}` of a step log (the first logs have no version): the maxima of its rows, the ranks' votes with words by their
 * layout names; in micro-batches where the decision has several parts. All 0 where no rank had a request. Throws `ERR_INPUT_INVALID`
 * naming file and line, for a decode of more than `queryLen` tokens too.
 */
export function stepLineShape(text: string, queryLen: number, place: LogPlace): LoggedShape {
  checkArguments('stepLineShape', { text: [text, 'text'], place: [place, 'object', 'file', 'line'] });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    refuse(place, 'the line', 'one JSON object', text, cause);
  }
  const object = (value ?? {}) as LogObject;
  checkVersion(object, place);
  return stepShape(object, queryLen, place);
}

/** The same of a line that was parsed, and whose version is known to be ours. */
export function stepShape(value: LogObject, queryLen: number, place: LogPlace): LoggedShape {
  const { rows, decision } = value as { rows?: unknown; decision?: { parts?: unknown } | null };
  if (!Array.isArray(rows) || rows.length === 0) refuse(place, 'rows', 'the votes of at least one rank', rows);
  let rankTokens = 0;
  const shape = { tokens: 0, prefillRequests: 0, decodeRequests: 0, requests: 0 };
  for (const [rank, row] of rows.entries()) {
    const vote = voteOf(row, rank, place);
    if (vote.maxDecodeQueryLen > queryLen) {
      refuse(
        place,
        `rows[${rank}].maxDecodeQueryLen`,
        `at most the query length ${queryLen}: give the one the service ran with`,
        vote.maxDecodeQueryLen,
      );
    }
    rankTokens += vote.tokens;
    shape.tokens = Math.max(shape.tokens, vote.tokens);
    shape.prefillRequests = Math.max(shape.prefillRequests, vote.prefillRequests);
    shape.decodeRequests = Math.max(shape.decodeRequests, vote.decodeRequests);
    shape.requests = Math.max(shape.requests, vote.prefillRequests + vote.decodeRequests);
  }
  const parts = decision?.parts;
  if (!Array.isArray(parts) || (shape.tokens > 0 && parts.length === 0)) {
    refuse(place, 'decision.parts', 'the parts that the step ran in', parts);
  }
  return { ...shape, ubatched: parts.length > 1, ranks: rows.length, rankTokens };
}

function voteOf(row: unknown, rank: number, place: LogPlace): Readonly<Record<ShapeWord, number>> {
  if (typeof row !== 'object' || row === null) refuse(place, `rows[${rank}]`, 'a vote by its words', row);
  const words = row as Record<string, unknown>;
  for (const name of WORDS) {
    const word = words[name];
    if (Number.isInteger(word) && (word as number) >= 0) continue;
    refuse(place, `rows[${rank}].${name}`, 'a whole number, not negative', word);
  }
  const vote = words as Record<ShapeWord, number>;
  if (vote.tokens < vote.prefillRequests + vote.decodeRequests) {
    refuse(place, `rows[${rank}].tokens`, 'at least one a request', vote.tokens);
  }
  if (vote.tokens > 0 && vote.prefillRequests + vote.decodeRequests === 0) {
    refuse(place, `rows[${rank}].tokens`, '0 without a request', vote.tokens);
  }
  return vote;
}

function refuse(place: LogPlace, field: string, expected: string, found: unknown, cause?: unknown): never {
  return lineRefusal('ERR_INPUT_INVALID', place.file, 'correct or remove the line')(
    place.line,
    field,
    expected,
    found,
    cause,
  );
}
