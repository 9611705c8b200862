import { builtInKind, LockstepError, shown } from './errors.js';

/** Faults that a message writes out; its details have all. */
const SHOWN_FAULTS = 50;

/**
 * Throws ERR_CONFIG_INVALID unless `given` is an object with all of `required` and with no other names than those and `optional`. `what` is
 * what an error calls it.
 */
export function checkOptions(
  what: string,
  given: unknown,
  required: readonly string[],
  optional: readonly string[] = [],
): void {
  const faults = new Faults();
  faults.names(what, given as object, [...required, ...optional]);
  checkPresent(faults, what, given, required);
  faults.throwIfAny('This call');
}

/** Throws ERR_CONFIG_INVALID unless `given` is an object that has all of `required`: for values with names of their own beside them. */
export function checkHas(what: string, given: unknown, required: readonly string[]): void {
  const faults = new Faults();
  if (typeof given === 'object' && given !== null) checkPresent(faults, what, given, required);
  else faults.check(false, `${what} is ${shown(given)}; it must be an object with ${required.join(', ')}`);
  faults.throwIfAny('This call');
}

function checkPresent(faults: Faults, what: string, given: unknown, required: readonly string[]): void {
  if (typeof given !== 'object' || given === null) return;
  for (const name of required) {
    const isThere = (given as Record<string, unknown>)[name] !== undefined;
    if (!isThere) faults.check(false, `${what} has no ${name}, which it needs`, name);
  }
}

/** Throws ERR_CONFIG_INVALID unless `given` is an array, or with numbers in it a typed one; of numbers where it says so. */
export function checkList(what: string, given: unknown, of: 'anything' | 'numbers' = 'anything'): void {
  const isList = Array.isArray(given) || (ArrayBuffer.isView(given) && !(given instanceof DataView));
  const faults = new Faults();
  // What is given may be long, and is written out only where it is wrong.
  if (!isList)
    faults.check(
      false,
      `${what} is ${shown(given)}; it must be an array${of === 'numbers' ? ' of numbers' : ''}`,
      what,
    );
  if (Array.isArray(given) && of === 'numbers') {
    const wrong = given.findIndex((one) => typeof one !== 'number');
    if (wrong >= 0) faults.check(false, `${what}[${wrong}] is ${shown(given[wrong])}; it must be a number`, what);
  }
  faults.throwIfAny('This call');
}

/** What an argument of a public call is: `objects` is a list of them. */
type ArgumentKind = 'object' | 'objects' | 'list' | 'text' | 'function';

/**
 * Throws ERR_CONFIG_INVALID naming every argument that is of another kind than the call takes, or lacks a field that it needs. An argument that may be left
 * out is not given.
 */
export function checkArguments(
  call: string,
  given: Readonly<Record<string, readonly [value: unknown, kind: ArgumentKind, ...fields: string[]]>>,
): void {
  const faults = new Faults();
  for (const [name, [value, kind, ...fields]] of Object.entries(given)) {
    if (!isOfKind(value, kind)) faults.check(false, `${name} is ${shown(value)}; it must be ${KINDS[kind]}`, name);
    else if (kind === 'object') checkPresent(faults, name, value, fields);
  }
  faults.throwIfAny(`This call of ${call}`);
}

const KINDS: Readonly<Record<ArgumentKind, string>> = {
  object: 'an object',
  objects: 'a list of objects',
  list: 'a list',
  text: 'text',
  function: 'a function',
};

function isOfKind(value: unknown, kind: ArgumentKind): boolean {
  if (kind === 'text') return typeof value === 'string';
  if (kind === 'function') return typeof value === 'function';
  if (kind === 'object') return hasFields(value);
  if (kind === 'list') return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
  return Array.isArray(value) && value.every((one) => typeof one === 'object' && one !== null);
}

/** Whether a value can have options as its fields: a list or a map has names of its own, such as `at` and `size`, which are none. */
export function hasFields(value: unknown): boolean {
  return typeof value === 'object' && value !== null && builtInKind(value) === null;
}

/** Collects every fault of a configuration, so that a user corrects all of them at once. */
export class Faults {
  readonly #list: string[] = [];
  /** Names of the options that the faults speak of. */
  readonly #options = new Set<string>();

  /** Notes a fault unless `value` is an integer from `low` to `high`. */
  integer(name: string, value: unknown, low: number, high: number): boolean {
    if (Number.isInteger(value) && (value as number) >= low && (value as number) <= high) return true;
    this.check(false, `${name} is ${shown(value)}; it must be an integer from ${low} to ${high}`, name);
    return false;
  }

  /** Notes a fault unless `value` is a finite number from `low` to `high`. */
  number(name: string, value: unknown, low: number, high: number): boolean {
    if (typeof value === 'number' && value >= low && value <= high) return true;
    this.check(false, `${name} is ${shown(value)}; it must be a number from ${low} to ${high}`, name);
    return false;
  }

  /** Notes a fault unless `value` is one of `names`. */
  choice(name: string, value: unknown, names: readonly string[]): void {
    const expected = names.map((choice) => `"${choice}"`).join(' or ');
    this.check(
      typeof value === 'string' && names.includes(value),
      `${name} is ${shown(value)}; it must be ${expected}`,
      name,
    );
  }

  /** Notes `message` unless `holds`. `options` are the names of the options in it. */
  check(holds: boolean, message: string, ...options: readonly string[]): void {
    if (holds) return;
    this.#list.push(message);
    for (const option of options) this.#options.add(option);
  }

  /** Notes every name of `given` that is not among `known`. */
  names(what: string, given: object, known: readonly string[]): void {
    if (!hasFields(given)) {
      this.check(false, `${what} is ${shown(given)}; it must be an object`);
      return;
    }
    for (const name of Object.keys(given)) {
      if (!known.includes(name)) this.check(false, `${what} has no ${name}; it has ${known.join(', ')}`);
    }
  }

  /** What `make` comes to; where it refuses a configuration, its faults are noted among these, and there is nothing. Other errors are thrown. */
  of<T>(make: () => T): T | undefined {
    try {
      return make();
    } catch (error) {
      if (!(error instanceof LockstepError && error.code === 'ERR_CONFIG_INVALID')) throw error;
      const { faults = [error.message], options = [] } = error.details as {
        readonly faults?: readonly string[];
        readonly options?: readonly string[];
      };
      this.#list.push(...faults);
      for (const option of options) this.#options.add(option);
      return undefined;
    }
  }

  get any(): boolean {
    return this.#list.length > 0;
  }

  /** Throws `ERR_CONFIG_INVALID` with all faults, if there are any. `details` has `faults`, and the names in them as `options`. */
  throwIfAny(what: string): void {
    if (this.#list.length === 0) return;
    const more = this.#list.length - SHOWN_FAULTS;
    const told = more > 0 ? [...this.#list.slice(0, SHOWN_FAULTS), `and ${more} more`] : this.#list;
    const lines = told.map((fault) => `  - ${fault}`).join('\n');
    throw new LockstepError('ERR_CONFIG_INVALID', `${what} cannot work:\n${lines}`, {
      faults: [...this.#list],
      options: [...this.#options],
    });
  }
}

/** The fields of `value` that are given. */
export function withoutUndefined<T extends object>(value: T): Partial<T> {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as Partial<T>;
}
