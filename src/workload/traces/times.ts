import { TIME_UNITS, type TimeUnit } from './fields.js';
import { MAX_TIME_MS, type TraceRow } from './row.js';

/** When a row's request came. */
export type Time = Pick<TraceRow, 'wholeMs' | 'partMs'>;

/** The numbers that a time may be in this unit, in words. */
export function spanWords(unit: TimeUnit): string {
  const words = { s: 'seconds', ms: 'milliseconds', us: 'microseconds', ns: 'nanoseconds' };
  return `${words[unit]}, at most ${MAX_TIME_MS / TIME_UNITS[unit]}`;
}

/** Milliseconds, those of seconds kept to the microsecond: what a decimal fraction leaves beyond that is rounding. */
export function msOf(value: number, unit: TimeUnit): number {
  return unit === 's' ? Math.round(value * 1e6) / 1e3 : value * TIME_UNITS[unit];
}

const DATE = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)?$/;

function anyDate(text: string): Time | null {
  const [, day, time, fraction = '', offset = 'Z'] = DATE.exec(text) ?? [];
  const wholeMs = Date.parse(`${day}T${time}${offset}`);
  return Number.isNaN(wholeMs) || Number.isNaN(midnight(day))
    ? null
    : { wholeMs, partMs: Number(fraction.padEnd(9, '0')) / 1e6 };
}

/** Milliseconds since 1970 of the beginning of a day; NaN for an invalid date: JavaScript takes 30 February for 2 March. */
function midnight(day: string): number {
  const ms = Date.parse(`${day}T00:00:00Z`);
  return Number.isNaN(ms) || !new Date(ms).toISOString().startsWith(`${day}T`) ? Number.NaN : ms;
}

/** The day of the row before, which mostly is that of the next too. */
let knownDay = '';
let knownMidnight = Number.NaN;

/** A date of UTC, read digit by digit; null for any other text, even if `Date.parse` would read it. */
function plainDate(given: string): Time | null {
  const text = given.endsWith('+00:00') ? given.slice(0, -6) : given;
  const day = text.slice(0, 10);
  if (day !== knownDay) {
    if (!/^\d{4}-\d\d-\d\d$/.test(day)) return null;
    knownMidnight = midnight(day);
    knownDay = day;
  }
  const hours = twoDigits(text, 11);
  const minutes = twoDigits(text, 14);
  const seconds = twoDigits(text, 17);
  const separated = text[10] === ' ' && text[13] === ':' && text[16] === ':';
  if (!(separated && hours < 24 && minutes < 60 && seconds < 60) || Number.isNaN(knownMidnight)) return null;
  if (text.length > 29 || text.length === 20) return null;
  let nanoseconds = 0;
  for (let i = 20; i < 29; i++) {
    const digit = i < text.length ? text.charCodeAt(i) - 48 : 0;
    if (!(digit >= 0 && digit <= 9)) return null;
    nanoseconds = 10 * nanoseconds + digit;
  }
  if (text.length > 20 && text[19] !== '.') return null;
  return { wholeMs: knownMidnight + ((hours * 60 + minutes) * 60 + seconds) * 1000, partMs: nanoseconds / 1e6 };
}

/** The number of two digits at an index; NaN where there are none. */
function twoDigits(text: string, at: number): number {
  const tens = text.charCodeAt(at) - 48;
  const ones = text.charCodeAt(at + 1) - 48;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? 10 * tens + ones : Number.NaN;
}

/** The time of a date: one without an offset is taken as UTC, since only differences count. Null for any other text. */
export function dateOf(text: string): Time | null {
  return plainDate(text) ?? anyDate(text);
}

const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** The time of a decimal number; null for any other text, and beyond `MAX_TIME_MS`. */
export function decimalTime(text: string, unit: TimeUnit): Time | null {
  const wholeMs = msOf(DECIMAL.test(text) ? Number(text) : Number.NaN, unit);
  return Math.abs(wholeMs) <= MAX_TIME_MS ? { wholeMs, partMs: 0 } : null;
}
