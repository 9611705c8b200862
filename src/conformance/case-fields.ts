import { LockstepError, shown } from '../errors.js';

/** Reads the fields of one case's `in`. Every reader throws ERR_INPUT_INVALID naming the field and what it must be. */
export class CaseFields {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #where: string;

  constructor(value: unknown, where: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new LockstepError('ERR_INPUT_INVALID', `${where} must be an object`, { field: where, value });
    }
    this.#fields = value as Record<string, unknown>;
    this.#where = where;
  }

  integer(name: string): number {
    return this.#read(name, 'an integer', Number.isInteger) as number;
  }

  /** An integer, or undefined where the field is null or absent. */
  optionalInteger(name: string): number | undefined {
    const value = this.#fields[name] ?? undefined;
    return value === undefined ? undefined : this.integer(name);
  }

  number(name: string): number {
    return this.#read(name, 'a number', Number.isFinite) as number;
  }

  /** True or false, or undefined where the field is null or absent. */
  optionalBoolean(name: string): boolean | undefined {
    const value = this.#fields[name] ?? undefined;
    return value === undefined ? undefined : this.boolean(name);
  }

  boolean(name: string): boolean {
    return this.#read(name, 'true or false', (value) => typeof value === 'boolean') as boolean;
  }

  string(name: string): string {
    return this.#read(name, 'a string', (value) => typeof value === 'string') as string;
  }

  /** A string, or undefined where the field is null or absent. */
  optionalString(name: string): string | undefined {
    const value = this.#fields[name] ?? undefined;
    return value === undefined ? undefined : this.string(name);
  }

  integers(name: string): number[] {
    const every = (value: unknown): boolean => Array.isArray(value) && value.every(Number.isInteger);
    return this.#read(name, 'an array of integers', every) as number[];
  }

  booleans(name: string): boolean[] {
    const every = (value: unknown): boolean => Array.isArray(value) && value.every((item) => typeof item === 'boolean');
    return this.#read(name, 'an array of true and false', every) as boolean[];
  }

  /** A reader of an object. */
  object(name: string): CaseFields {
    return new CaseFields(this.#fields[name], `${this.#where}.${name}`);
  }

  /** Readers of the objects in an array. */
  list(name: string): CaseFields[] {
    const items = this.#read(name, 'an array', Array.isArray) as unknown[];
    return items.map((item, index) => new CaseFields(item, `${this.#where}.${name}[${index}]`));
  }

  /** ERR_INPUT_INVALID about a field that was read. */
  invalid(name: string, expected: string): LockstepError {
    const value = this.#fields[name];
    const found = shown(value);
    return new LockstepError('ERR_INPUT_INVALID', `${this.#where}.${name} is ${found}; it must be ${expected}`, {
      field: `${this.#where}.${name}`,
      value,
      expected,
    });
  }

  #read(name: string, expected: string, holds: (value: unknown) => boolean): unknown {
    const value = this.#fields[name];
    if (!holds(value)) throw this.invalid(name, expected);
    return value;
  }
}

/** A case's `out`. Some families put questions there, beside the expected answers. */
export interface ExpectedAnswer {
  readonly value: unknown;
  readonly where: string;
}

/** What this version answers to one case: plain JSON, to be compared with the case's `out`. */
export type FamilyRunner = (given: CaseFields, expected: ExpectedAnswer) => unknown | Promise<unknown>;
