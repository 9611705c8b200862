import { LockstepError, shown } from '../errors.js';

/** The flags of a command line, as a shell and an argument parser read them: a flag's values are the words up to the next. */
export class CommandLine {
  readonly #flags = new Map<string, readonly string[]>();

  constructor(text: string) {
    let name: string | undefined;
    for (const word of words(text)) {
      if (!isFlag(word)) {
        if (name !== undefined) this.#flags.set(name, [...(this.#flags.get(name) ?? []), word]);
        continue;
      }
      const equals = word.indexOf('=');
      name = equals < 0 ? word : word.slice(0, equals);
      // If a flag is given twice, the last one counts.
      this.#flags.set(name, equals < 0 ? [] : [word.slice(equals + 1)]);
    }
  }

  has(...names: readonly string[]): boolean {
    return names.some((name) => this.#flags.has(name));
  }

  /** Values of the first of these flags that is given; undefined if none is. */
  values(...names: readonly string[]): readonly string[] | undefined {
    const name = names.find((one) => this.#flags.has(one));
    return name === undefined ? undefined : this.#flags.get(name);
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
}

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

/** The words of a shell command: quotes keep white space, and a backslash at the end of a line joins it with the next. */
function words(text: string): string[] {
  const line = text.replace(/\\\r?\n/g, ' ');
  return (line.match(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g) ?? []).map((word) =>
    word.replace(/"([^"]*)"|'([^']*)'/g, '$1$2'),
  );
}
