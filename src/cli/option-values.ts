import { InvalidArgumentError } from 'commander';
import { LockstepError, shown } from '../errors.js';
import { DEVICE_PATTERN, TYPED_DEVICES } from '../names.js';

/** An option's integer; anything else is a usage error that names the option. */
export function integer(text: string): number {
  if (!/^-?\d+$/.test(text)) throw new InvalidArgumentError('It must be an integer.');
  return Number(text);
}

/** The same for what is at least 1. The library refuses less, with all else that is wrong; a configuration's schema says it too. */
export function count(text: string): number {
  return integer(text);
}

/** The same for what is at least 0. */
export function natural(text: string): number {
  return integer(text);
}

/** A seed of 64 bits. */
export function seed64(text: string): bigint {
  if (/^\d+$/.test(text) && BigInt(text) < 1n << 64n) return BigInt(text);
  throw new InvalidArgumentError('It must be a whole number of 64 bits.');
}

/** Token ids, with commas between them. */
export function tokenIds(text: string): number[] {
  return text.split(',').map(integer);
}

/** An option's number. */
export function decimal(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value)) return value;
  const percent = /^(\d+(?:\.\d+)?) ?%$/.exec(text)?.[1];
  const share = percent === undefined ? '' : `: ${percent} % is ${Number((Number(percent) / 100).toPrecision(12))}`;
  throw new InvalidArgumentError(`It must be a number${share}.`);
}

/** A number of KV blocks, or `auto`. */
export function blocks(text: string): number | 'auto' {
  if (text === 'auto') return text;
  if (/^-?\d+$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be an integer, or auto.');
}

/** A number of ranks. */
export function ranks(text: string): number {
  const value = integer(text);
  if (value < 1) throw new InvalidArgumentError('There is at least one rank.');
  return value;
}

/** A device by its name. */
export function device(text: string): string {
  if (DEVICE_PATTERN.test(text)) return text;
  throw new InvalidArgumentError(`It is ${TYPED_DEVICES}.`);
}

/** The three numbers of `--step-time`. */
export function stepTime(text: string): [number, number, number] {
  const parts = text.split(',').map(decimal);
  return parts as [number, number, number];
}

/** A value in JSON. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new InvalidArgumentError('It must be JSON.');
  }
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
};

/** Bytes of `512MiB`, `1.5GB`, `1000`. */
export function bytes(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(text.trim()) ?? [];
  if (number !== undefined && Object.hasOwn(UNITS, unit)) return Number(number) * UNITS[unit];
  throw new LockstepError(
    'ERR_USAGE',
    `${shown(text)} is no amount of memory; give bytes, or one with a unit such as 512MiB or 1.5GB`,
    { value: text },
  );
}

/** Sizes of `8,64,256`. */
export function sizeList(text: string): number[] {
  return text.split(',').map((size) => integer(size.trim()));
}

/** Short names of a trace's fields. */
const FIELDS: Readonly<Record<string, string>> = {
  time: 'timestamp',
  input: 'input_length',
  output: 'output_length',
  hash: 'hash_ids',
  session: 'session_id',
};

/** Names of `timestamp=T,input_length=I`, a field with what the trace calls it. */
export function columns(text: string): Record<string, string> {
  return Object.fromEntries(
    text.split(',').map((pair) => {
      const [field, name, ...more] = pair.split('=').map((part) => part.trim());
      if (field === '' || name === undefined || name === '' || more.length > 0) {
        throw new InvalidArgumentError('It is a list of fields and names, such as timestamp=T,input_length=I.');
      }
      return [FIELDS[field] ?? field, name];
    }),
  );
}
