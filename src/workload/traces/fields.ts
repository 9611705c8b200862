import { Faults } from '../../checks.js';
import { LockstepError } from '../../errors.js';

/** Units of times in a trace, in milliseconds. */
export const TIME_UNITS: Readonly<Record<'s' | 'ms' | 'us' | 'ns', number>> = Object.freeze({
  s: 1e3,
  ms: 1,
  us: 1e-3,
  ns: 1e-6,
});
/** A unit of times in a trace. */
export type TimeUnit = keyof typeof TIME_UNITS;

/** What a trace says of a request. */
export const TRACE_FIELDS = ['timestamp', 'input_length', 'output_length', 'hash_ids', 'session_id', 'delay'] as const;
/** One of `TRACE_FIELDS`. */
export type TraceField = (typeof TRACE_FIELDS)[number];

/** Names that files give to fields, the first that a file has counts; each with the unit of a time where it is not milliseconds. */
export const ALIASES: Readonly<Record<TraceField, readonly string[]>> = {
  timestamp: ['timestamp', 'created_time', 'arrived_at', 'arrival_timestamp', 'arrival_time', 'TIMESTAMP', 'Timestamp'],
  input_length: [
    'input_length',
    'input_tokens',
    'num_prefill_tokens',
    'prompt_tokens',
    'prompt_size',
    'ContextTokens',
    'Request tokens',
  ],
  output_length: [
    'output_length',
    'output_tokens',
    'num_decode_tokens',
    'completion_tokens',
    'token_size',
    'GeneratedTokens',
    'Response tokens',
  ],
  hash_ids: ['hash_ids'],
  session_id: ['session_id', 'conversation_id'],
  delay: ['delay', 'delay_ms'],
};

/** Times under these names are seconds. Sources: Vidur, Splitwise's simulator, BurstGPT. */
const SECONDS = ['arrived_at', 'arrival_timestamp', 'arrival_time', 'Timestamp'];

/** The unit of a time by the name of its column. */
export function unitOf(name: string): TimeUnit {
  return SECONDS.includes(name) ? 's' : 'ms';
}

/** How a trace is read where its own names do not say it. */
export interface TraceReading {
  /** Unit of its times. Default: that of its format. */
  readonly timeUnit?: TimeUnit | undefined;
  /** Tokens of one hash id. Default: that of its format, or the number that fits its first request. */
  readonly hashBlockTokens?: number | undefined;
  /** Names of its columns or keys, for fields that it calls otherwise: `{ input_length: 'prompt' }`. */
  readonly columns?: Readonly<Partial<Record<TraceField, string>>> | undefined;
}

/** Throws ERR_INPUT_INVALID with every fault of how a trace is to be read. */
export function checkReading({ timeUnit, hashBlockTokens, columns }: TraceReading): void {
  const faults = new Faults();
  if (timeUnit !== undefined) faults.choice('timeUnit', timeUnit, Object.keys(TIME_UNITS));
  if (hashBlockTokens !== undefined) faults.integer('hashBlockTokens', hashBlockTokens, 1, 1 << 20);
  if (columns !== undefined) {
    faults.names('columns', columns, TRACE_FIELDS);
    for (const [field, name] of Object.entries(columns ?? {})) {
      faults.check(typeof name === 'string' && name !== '', `the column of ${field} has no name`, 'columns');
    }
  }
  try {
    faults.throwIfAny('The reading of this trace');
  } catch (error) {
    const { message, details } = error as LockstepError;
    throw new LockstepError('ERR_INPUT_INVALID', message, details);
  }
}

/** The names of the fields in a file with these names; a field that it lacks is absent. */
export function namesIn(
  names: readonly string[],
  columns: TraceReading['columns'],
): Partial<Record<TraceField, string>> {
  const found: Partial<Record<TraceField, string>> = {};
  for (const field of TRACE_FIELDS) {
    const own = columns?.[field];
    const name = own ?? ALIASES[field].find((alias) => names.includes(alias));
    if (name !== undefined && (own !== undefined || names.includes(name))) found[field] = name;
  }
  return found;
}

/** What names of columns are likely to hold, for the fields that every trace has: a request or a response is text, unless its tokens are meant. */
const LIKELY: Readonly<Record<'timestamp' | 'input_length' | 'output_length', RegExp>> = {
  timestamp: /time|date|arriv|start|^ts$/i,
  input_length: /prompt|input|context|prefill|request.*tokens/i,
  output_length: /output|completion|generat|decode|response.*tokens/i,
};

/** Names of ids hold no number that counts. */
const ID = /(^|_)id$/i;

/** What separates the fields of a header that has no comma, as other tools write tables. */
const SEPARATORS = [';', '\t', '\\t', '|'];

/**
 * A line that says how to name the columns of a CSV with this header, `--columns timestamp=time,…`; empty where the header does not
 * say which of its columns are time, input and output tokens. Names that a trace is known by count before those that are likely.
 */
export function columnsHint(header: string): string {
  const other = header.includes(',') ? undefined : SEPARATORS.find((one) => header.split(one).length >= 3);
  if (other !== undefined && !header.includes('{')) {
    const name = other.endsWith('t') || other === '\t' ? 'tabs' : `"${other}"`;
    return `\nthis header's fields are separated by ${name}: write commas instead`;
  }
  const names = header.split(',').map((name) => name.replaceAll(/["\\]/g, '').trim());
  const known = namesIn(names, undefined);
  const taken = new Set<string>(Object.values(known));
  const given: string[] = [];
  for (const [field, likely] of Object.entries(LIKELY)) {
    const own = known[field as keyof typeof LIKELY];
    const name = own ?? names.find((one) => likely.test(one) && !ID.test(one) && !taken.has(one));
    if (name === undefined || /[=\s]|\.\.\.$/.test(name)) return '';
    taken.add(name);
    given.push(`${field}=${name}`);
  }
  return `\nfor this header: --columns ${given.join(',')}, with --time-unit s where its times are seconds`;
}
