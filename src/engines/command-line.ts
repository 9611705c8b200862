import { LockstepError, shown } from '../errors.js';
import { shellWords } from './shell-words.js';

/** A flag as it was written, and its values. */
interface GivenFlag {
  readonly written: string;
  readonly values: string[];
}

/**
 * The flags of a command line, as a shell and an argument parser read them: a flag's values are the words up to the next flag, and an
 * underscore in its name is a dash. What follows the first point of a name is a key of a JSON option, and stays as it is.
 */
export class CommandLine {
  readonly #flags = new Map<string, GivenFlag>();
  /** Words before the first flag: environment and program, for a whole line. */
  readonly leading: readonly string[];
  readonly #read = new Set<string>();

  /** `command`: a text, or its words. */
  constructor(command: string | readonly string[]) {
    const leading: string[] = [];
    let name: string | undefined;
    for (const word of typeof command === 'string' ? shellWords(command) : command) {
      if (!isFlag(word)) {
        const flag = name === undefined ? undefined : this.#flags.get(name);
        if (flag === undefined) leading.push(word);
        else flag.values.push(word);
        continue;
      }
      const equals = word.indexOf('=');
      const written = equals < 0 ? word : word.slice(0, equals);
      name = flagName(written);
      // If a flag is given twice, the last one counts.
      this.#flags.set(name, { written, values: equals < 0 ? [] : [word.slice(equals + 1)] });
    }
    this.leading = leading;
  }

  has(...names: readonly string[]): boolean {
    for (const name of names) this.#read.add(name);
    return names.some((name) => this.#flags.has(name));
  }

  /** Values of the first of these flags that is given; undefined if none is. */
  values(...names: readonly string[]): readonly string[] | undefined {
    for (const name of names) this.#read.add(name);
    const name = names.find((one) => this.#flags.has(one));
    return name === undefined ? undefined : this.#flags.get(name)?.values;
  }

  /** The value of a flag that takes one. Errors: ERR_INPUT_INVALID. */
  value(...names: readonly string[]): string | undefined {
    const values = this.values(...names);
    if (values === undefined) return undefined;
    if (values.length === 1) return values[0];
    throw new LockstepError('ERR_INPUT_INVALID', `${names[0]} takes one value; it has ${values.length}`, {
      flag: names[0],
      values,
    });
  }

  /** The integer of a flag that takes one. Errors: ERR_INPUT_INVALID. */
  integer(...names: readonly string[]): number | undefined {
    const value = this.value(...names);
    return value === undefined ? undefined : integerOf(value, names[0]);
  }

  /** The sizes of a flag that takes several. Errors: ERR_INPUT_INVALID. */
  sizes(...names: readonly string[]): number[] | undefined {
    return this.values(...names)?.map((value) => sizeOf(value, names[0]));
  }

  /** The number of a flag that takes a size, also one with a unit as vLLM reads it: 8k is 8000, 8K is 8192. Errors: ERR_INPUT_INVALID. */
  count(...names: readonly string[]): number | undefined {
    const value = this.value(...names);
    if (value === undefined) return undefined;
    const unit = UNITS[value.slice(-1)];
    if (unit === undefined || !/^\d{1,6}(\.\d{1,4})?$/.test(value.slice(0, -1))) return sizeOf(value, names[0]);
    return Math.floor(Number(value.slice(0, -1)) * unit);
  }

  /** Whether a switch is on: the last of `--name` and `--no-name`, or its value; undefined if neither is given. */
  switch(name: string): boolean | undefined {
    const negated = `--no-${name.slice(2)}`;
    const off = this.has(negated);
    const values = this.values(name);
    if (values === undefined) return off ? false : undefined;
    return !['false', '0', 'no'].includes((values[0] ?? 'true').toLowerCase());
  }

  /** Keys of a JSON option that are given one by one, `--name.key value` or `-cc.key=value`, with their values. */
  keys(...names: readonly string[]): [key: string, value: string | undefined][] {
    const found: [string, string | undefined][] = [];
    for (const [name, { values }] of this.#flags) {
      const point = name.indexOf('.');
      if (point < 0 || !names.includes(name.slice(0, point))) continue;
      this.#read.add(name);
      found.push([name.slice(point + 1), values.length > 1 ? JSON.stringify(values) : values[0]]);
    }
    return found;
  }

  /** Flags that nothing asked for so far, as they were written with their values. */
  unread(): { name: string; text: string }[] {
    return [...this.#flags]
      .filter(([name]) => !this.#read.has(name))
      .map(([name, { written, values }]) => ({ name, text: [written, ...values].join(' ') }));
  }
}

const UNITS: Readonly<Record<string, number>> = { k: 1e3, m: 1e6, K: 1 << 10, M: 1 << 20 };

/** Errors: ERR_INPUT_INVALID. */
export function integerOf(text: string, where: string): number {
  if (/^-?\d{1,9}$/.test(text)) return Number(text);
  throw new LockstepError('ERR_INPUT_INVALID', `${where} is ${shown(text)}; it must be an integer`, { where, text });
}

/** A positive integer. Errors: ERR_INPUT_INVALID. */
export function sizeOf(text: string, where: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new LockstepError('ERR_INPUT_INVALID', `${where} has ${shown(text)}; sizes are positive integers`, {
    where,
    text,
  });
}

/** A negative number is a value, as in argument parsers. */
function isFlag(word: string): boolean {
  return /^-{1,2}[A-Za-z]/.test(word);
}

/** `--Compilation_config.pass_config` as `--Compilation-config.pass_config`. */
function flagName(written: string): string {
  const point = written.indexOf('.');
  const end = point < 0 ? written.length : point;
  return written.slice(0, end).replaceAll('_', '-') + written.slice(end);
}
