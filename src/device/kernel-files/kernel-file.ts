import { LockstepError, shown } from '../../errors.js';

/** How many blocks or elements: an integer, the value of a scalar argument by its name, or a product of such. */
export type Count = number | string | readonly (number | string)[];

/** Blocks of a grid in one direction: a count, or as many as cover `of` by `per` each. */
export type GridCount = Count | { readonly of: Count; readonly per: Count };

/** An argument of a kernel from a file. `kind` and the names are those of a launch. */
export type FileArgument =
  | { readonly name: string; readonly kind: 'i32' | 'i64' }
  | {
      readonly name: string;
      readonly kind: 'in' | 'out' | 'inout';
      /** Bytes of one element, a power of two. */
      readonly elementBytes: number;
      /** Elements that the buffer must have at least. */
      readonly least: Count;
    };

/** What a compiled kernel's file says of its launch. Sizes in bytes, dimensions as x, y, z. */
export interface CompiledKernel {
  /** Entry point in the image. */
  readonly symbol: string;
  /** The image's file, beside the one that was read. */
  readonly image: string;
  readonly target: { readonly backend: 'cuda' | 'hip'; readonly arch: string; readonly warpSize: number };
  readonly block: readonly [number, number, number];
  /** Shared memory asked for at the launch. */
  readonly sharedBytes: number;
  /** Blocks of a cluster; the grid's dimensions are multiplied by it. All 1: no cluster. */
  readonly cluster: readonly [number, number, number];
  /** All blocks must be on the device at once. */
  readonly cooperative: boolean;
  /**
   * Pointers after the arguments, in order: to so many bytes for each block of the grid, clusters counted out, or null where that is 0. A
   * driver reads as many parameters as the kernel has, so those that an older kernel lacks do no harm.
   */
  readonly scratch: readonly { readonly bytes: number; readonly align: number }[];
}

/** A kernel that can be launched: its image's facts, its arguments, and its grid. */
export interface KernelFile extends CompiledKernel {
  /** What it is called in a launch. */
  readonly name: string;
  readonly arguments: readonly FileArgument[];
  readonly grid: readonly [GridCount, GridCount, GridCount];
}

/** Fields of a JSON object, each of which is asked for by name; what is wrong is an error that names file and field. */
export class Fields {
  readonly source: string;
  readonly #path: string;
  readonly #values: Readonly<Record<string, unknown>>;

  /** @throws `ERR_INPUT_INVALID` if `value` is no object; `path` is where it stands in the file. */
  constructor(source: string, path: string, value: unknown) {
    this.source = source;
    this.#path = path;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw refusal(source, path, `is ${shown(value)}; it must be an object`);
    }
    this.#values = value as Readonly<Record<string, unknown>>;
  }

  get names(): string[] {
    return Object.keys(this.#values);
  }

  has(name: string): boolean {
    return this.#values[name] !== undefined && this.#values[name] !== null;
  }

  value(name: string): unknown {
    return this.#values[name];
  }

  /** An integer from `least` to `most`, or `otherwise` where the field is absent or null. */
  integer(name: string, least: number, most: number, otherwise?: number): number {
    const value = this.has(name) ? this.#values[name] : otherwise;
    if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) return value as number;
    throw this.refuse(name, `is ${shown(value)}; it must be an integer from ${least} to ${most}`);
  }

  text(name: string): string {
    const value = this.#values[name];
    if (typeof value === 'string' && value !== '') return value;
    throw this.refuse(name, `is ${shown(value)}; it must be a text`);
  }

  flag(name: string): boolean {
    const value = this.#values[name] ?? false;
    if (typeof value === 'boolean') return value;
    throw this.refuse(name, `is ${shown(value)}; it must be true or false`);
  }

  /** Three positive integers; [1, 1, 1] where the field is absent or null. */
  dimensions(name: string): [number, number, number] {
    const value = this.has(name) ? this.#values[name] : [1, 1, 1];
    const valid =
      Array.isArray(value) && value.length === 3 && value.every((size) => Number.isInteger(size) && size >= 1);
    if (valid) return value as [number, number, number];
    throw this.refuse(name, `is ${shown(value)}; it must be three positive integers`);
  }

  /** @throws `ERR_INPUT_INVALID` for the first name that is not among `known`. */
  only(known: readonly string[]): void {
    const stray = this.names.find((name) => !known.includes(name));
    if (stray !== undefined) throw this.refuse(stray, `is no field; there are ${known.join(', ')}`);
  }

  object(name: string): Fields {
    return new Fields(this.source, this.#at(name), this.#values[name]);
  }

  list(name: string): unknown[] {
    const value = this.#values[name];
    if (Array.isArray(value)) return value;
    throw this.refuse(name, `is ${shown(value)}; it must be an array`);
  }

  /** The objects of an array. */
  objects(name: string): Fields[] {
    return this.list(name).map((value, index) => new Fields(this.source, `${this.#at(name)}[${index}]`, value));
  }

  refuse(name: string, mistake: string): LockstepError {
    return refusal(this.source, this.#at(name), mistake);
  }

  #at(name: string): string {
    return this.#path === '' ? name : `${this.#path}.${name}`;
  }
}

/** @throws `ERR_INPUT_INVALID` for text that is not JSON. */
export function fieldsOf(text: string, source: string): Fields {
  try {
    return new Fields(source, '', JSON.parse(text));
  } catch (error) {
    if (error instanceof LockstepError) throw error;
    throw new LockstepError('ERR_INPUT_INVALID', `${source} is not JSON (${(error as Error).message})`, {
      path: source,
    });
  }
}

function refusal(source: string, field: string, mistake: string): LockstepError {
  const place = field === '' ? source : `${source}: ${field}`;
  return new LockstepError('ERR_INPUT_INVALID', `${place} ${mistake}.`, { path: source, field });
}
