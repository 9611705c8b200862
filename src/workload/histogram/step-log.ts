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
    const most = vote.decodeRequests * queryLen;
    if (vote.prefillRequests === 0 && vote.decodeRequests > 0 && vote.tokens > most) {
      refuse(
        place,
        `rows[${rank}].tokens`,
        `at most ${most}, as ${vote.decodeRequests} decodes have at the query length ${queryLen}`,
        vote.tokens,
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

/** What a rank held in a logged step: the words of its vote from which any rules decide how the step runs. */
export interface LoggedVote {
  readonly tokens: number;
  readonly prefillRequests: number;
  readonly decodeRequests: number;
  readonly uniformQueryLen: number;
  readonly maxQueryLen: number;
  readonly maxDecodeQueryLen: number;
}

/**
 * What each rank held in a line whose shape `stepShape` gave. Null where the rows do not say it, or contradict themselves: lines that engines
 * write have the shape alone.
 */
export function loggedVotes({ rows }: LogObject): readonly LoggedVote[] | null {
  const votes = rows as readonly LoggedVote[];
  return votes.every(isWhole) ? votes : null;
}

/** Whether the query lengths of a vote are there, and fit its tokens and requests. */
function isWhole({ tokens, prefillRequests, decodeRequests, ...lengths }: LoggedVote): boolean {
  const { maxDecodeQueryLen, uniformQueryLen, maxQueryLen } = lengths;
  if (!Number.isInteger(maxQueryLen) || !Number.isInteger(uniformQueryLen)) return false;
  const requests = prefillRequests + decodeRequests;
  if (requests === 0) return [tokens, maxQueryLen, uniformQueryLen, maxDecodeQueryLen].every((word) => word === 0);
  if (uniformQueryLen !== 0 && (uniformQueryLen !== maxQueryLen || uniformQueryLen * requests !== tokens)) return false;
  if (decodeRequests > 0 ? maxDecodeQueryLen < 1 : maxDecodeQueryLen !== 0) return false;
  if (prefillRequests === 0 ? maxQueryLen !== maxDecodeQueryLen : maxQueryLen < maxDecodeQueryLen) return false;
  // One request of each kind has the most tokens of its kind, and every other at least one.
  const decodes = decodeRequests > 0 ? decodeRequests - 1 + maxDecodeQueryLen : 0;
  const longest = maxQueryLen > maxDecodeQueryLen ? maxQueryLen : 1;
  const prefills = prefillRequests > 0 ? prefillRequests - 1 + longest : 0;
  const most = decodeRequests * maxDecodeQueryLen + prefillRequests * maxQueryLen;
  return tokens >= decodes + prefills && tokens <= most;
}

/** How a logged step ran. */
export interface LoggedRun {
  /** Tokens of its graph; null where it ran eager, or the line does not say on what. */
  readonly size: number | null;
  readonly eager: boolean;
}

/** How the step of a line ran whose largest rank had `tokens`, by its decision. */
export function loggedRun({ decision }: LogObject, tokens: number): LoggedRun {
  const { run, paddedTokens } = (decision ?? {}) as { readonly run?: unknown; readonly paddedTokens?: unknown };
  const graph = run === 'full' || run === 'piecewise';
  const size =
    graph && Number.isInteger(paddedTokens) && (paddedTokens as number) >= tokens ? (paddedTokens as number) : null;
  return { size, eager: run === 'eager' };
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
