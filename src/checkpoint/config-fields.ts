import { objectOf } from './files.js';
import { modelRefusal } from './refusal.js';

/** Fields of a JSON object of a model, read one by one. Each refuses with file, field, what is supported and what was found. */
export class Fields {
  readonly #file: string;
  readonly #values: ReadonlyMap<string, unknown>;
  /** Before the names of fields in errors. */
  readonly #place: string;

  constructor(file: string, values: ReadonlyMap<string, unknown>, place: string = '') {
    this.#file = file;
    this.#values = values;
    this.#place = place;
  }

  /** The value of a field, undefined where it is missing. */
  value(name: string): unknown {
    return this.#values.get(name);
  }

  /** An integer from `low` to `high`; `missing` where the field is not there, unless that is undefined. */
  integer(name: string, low: number, high: number, missing?: number): number {
    const value = this.value(name) ?? missing;
    if (Number.isSafeInteger(value) && (value as number) >= low && (value as number) <= high) return value as number;
    return this.refuse(name, `an integer from ${low} to ${high}`);
  }

  /** A finite number above 0; `missing` where the field is not there, unless that is undefined. */
  positive(name: string, missing?: number): number {
    const value = this.value(name) ?? missing;
    if (typeof value === 'number' && value > 0 && value < Number.POSITIVE_INFINITY) return value;
    return this.refuse(name, 'a finite number above 0');
  }

  boolean(name: string, missing: boolean): boolean {
    const value = this.value(name) ?? missing;
    return typeof value === 'boolean' ? value : this.refuse(name, 'true or false');
  }

  /** Refuses a field that is there, not null, and not one of `supported`. */
  only(name: string, supported: readonly unknown[], instead: string): void {
    const value = this.value(name) ?? null;
    if (value !== null && !supported.includes(value)) this.refuse(name, instead);
  }

  /** Ids of tokens: one, a list, or none where the field is null; `missing` where it is not there. */
  tokenIds(name: string, vocabSize: number, missing: readonly number[]): readonly number[] {
    const value = this.value(name);
    if (value === undefined) return missing.filter((id) => id < vocabSize);
    if (value === null) return [];
    const ids: readonly unknown[] = Array.isArray(value) ? value : [value];
    const known = (id: unknown): boolean => Number.isInteger(id) && (id as number) >= 0 && (id as number) < vocabSize;
    if (ids.every(known)) return [...new Set(ids as number[])];
    return this.refuse(name, `null, an id from 0 to ${vocabSize - 1}, or a list of such ids`);
  }

  /** An object inside; null where it is missing or null. */
  inner(name: string): Fields | null {
    const value = this.value(name) ?? null;
    if (value === null) return null;
    return new Fields(this.#file, objectOf(this.#file, this.#place + name, value), `${this.#place}${name}.`);
  }

  refuse(name: string, expected: string): never {
    throw modelRefusal({
      file: this.#file,
      field: this.#place + name,
      expected,
      found: this.value(name),
    });
  }
}
