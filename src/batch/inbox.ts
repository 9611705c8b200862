import { LockstepError, shown } from '../errors.js';

/** Block ids of a request: of the first KV cache group, or one list a group. */
type BlockIds = ArrayLike<number> | ArrayLike<ArrayLike<number>>;

/** Where lists of an edit's integers are put for the metadata module, each checked as it is written. */
export class Inbox {
  readonly #words: Int32Array;
  /** Blocks in the inbox of each KV cache group: i32[groups]. */
  readonly #counts: Int32Array;

  constructor(words: Int32Array, counts: Int32Array) {
    this.#words = words;
    this.#counts = counts;
  }

  /** KV cache groups. */
  get groups(): number {
    return this.#counts.length;
  }

  /** Throws ERR_INPUT_INVALID for a group that there is not. */
  checkGroup(group: number): void {
    const { groups } = this;
    if (!Number.isInteger(group) || group < 0 || group >= groups) {
      throw new LockstepError(
        'ERR_INPUT_INVALID',
        `group is ${shown(group)}; it must be an integer from 0 to ${groups - 1}: there are ${groups} KV cache groups`,
        { group },
      );
    }
  }

  /** Writes a new request's blocks into the inbox, group after group. */
  fillGroups(blockIds: BlockIds): void {
    const counts = this.#counts;
    const nested = isNested(blockIds);
    if (counts.length === 1 && !nested) {
      this.fill(blockIds as ArrayLike<number>, 'blockIds');
      counts[0] = blockIds.length;
      return;
    }
    const lists = nested ? (blockIds as ArrayLike<ArrayLike<number>>) : [];
    if (nested ? lists.length !== counts.length : blockIds?.length !== 0 || lengthOf(blockIds, 'blockIds') !== 0) {
      throw new LockstepError(
        'ERR_INPUT_INVALID',
        `blockIds holds ${nested ? `${lists.length} lists` : `${shown(blockIds)}`}; it must hold one list a KV cache group: ${counts.length}`,
        { blockIds, groups: counts.length },
      );
    }
    let from = 0;
    for (let group = 0; group < counts.length; group++) {
      counts[group] = nested ? this.fill(lists[group], `blockIds[${group}]`, from) : 0;
      from += counts[group];
    }
  }

  /** Writes values into the inbox from word `from` on; `row` is named in errors, if the request is in the batch. Returns their number. */
  fill(values: ArrayLike<number>, name: string, from = 0, row?: number): number {
    if (this.#copied(values, from)) return values.length;
    const count = lengthOf(values, name);
    const room = this.#words.length - from;
    if (count > room) throw tooMany(count, name, room);
    const inbox = this.#words;
    for (let i = 0; i < count; i++) inbox[from + i] = integer(values[i], name, row);
    return count;
  }

  /** Copies values that are already int32 words, which need no check, if there are any and they fit. */
  #copied(values: ArrayLike<number>, from: number): boolean {
    if (!(values instanceof Int32Array)) return false;
    const inbox = this.#words;
    const count = values.length;
    if (count === 0 || count > inbox.length - from) return false;
    // A loop copies few words faster: calling TypedArray.set costs more.
    if (count > 32) inbox.set(values, from);
    else for (let i = 0; i < count; i++) inbox[from + i] = values[i];
    return true;
  }

  /** Writes rows into the inbox, then one value for each. Returns the number of rows. */
  fillPairs(rows: ArrayLike<number>, values: ArrayLike<number>, name: string): number {
    const count = lengthOf(rows, 'rows');
    if (2 * count > this.#words.length) throw tooMany(2 * count, `rows and ${name}`, this.#words.length);
    this.fill(rows, 'rows');
    this.fillEach(values, name, count, count);
    return count;
  }

  /** Writes values into the inbox from word `from` on, one for each of the `count` rows already in it. */
  fillEach(values: ArrayLike<number>, name: string, from: number, count: number): void {
    if (values?.length === count && this.#copied(values, from)) return;
    if (lengthOf(values, name) !== count) {
      throw new LockstepError('ERR_INPUT_INVALID', `${values.length} ${name} for ${count} rows; give one each`, {
        rows: count,
        [name]: values.length,
      });
    }
    const inbox = this.#words;
    const room = inbox.length - from;
    if (count > room) throw tooMany(count, name, room);
    for (let i = 0; i < count; i++) inbox[from + i] = integer(values[i], name, inbox[i]);
  }

  /** Writes the blocks that continued decodes are given into the inbox, group after group. Returns which groups give any. */
  fillNewBlocks(newBlocks: ArrayLike<number> | ArrayLike<ArrayLike<number> | null>, count: number): number {
    const isNested = newBlocks.length > 0 && typeof newBlocks[0] === 'object';
    if (!isNested) {
      this.fillEach(newBlocks as ArrayLike<number>, 'newBlocks', 2 * count, count);
      return 2;
    }
    const lists = newBlocks as ArrayLike<ArrayLike<number> | null>;
    const { groups } = this;
    if (lists.length !== groups) {
      throw new LockstepError(
        'ERR_INPUT_INVALID',
        `newBlocks holds ${lists.length} lists; it must hold one a KV cache group: ${groups}`,
        { newBlocks: lists.length, groups },
      );
    }
    let gives = 0;
    for (let group = 0; group < groups; group++) {
      const blocks = lists[group];
      if (blocks === null) continue;
      this.fillEach(blocks, 'newBlocks', (2 + group) * count, count);
      gives += 2 << group;
    }
    return gives;
  }
}

/** An int32, or ERR_INPUT_INVALID, naming `row` if there is one: the modules would silently truncate anything else. */
export function integer(value: number, name: string, row?: number): number {
  if (typeof value === 'number' && (value | 0) === value) return value;
  throw new LockstepError('ERR_INPUT_INVALID', `${name} is ${shown(value)}; it must be a 32-bit integer`, {
    ...(row === undefined ? {} : { row }),
    [name]: value,
  });
}

function lengthOf(values: ArrayLike<unknown>, name: string): number {
  const length = typeof values === 'object' ? values?.length : undefined;
  if (!Number.isInteger(length) || (length as number) < 0) {
    throw new LockstepError('ERR_INPUT_INVALID', `${name} must be an array of integers, not ${shown(values)}`, {
      [name]: values,
    });
  }
  if (length === 0 && isDetached(values)) {
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      `The buffer of ${name} was transferred: give an array that has its values`,
    );
  }
  return length as number;
}

/** Whether a typed array without entries lost its buffer to a transfer: it looks like an empty one. */
function isDetached(values: ArrayLike<unknown>): boolean {
  if (!ArrayBuffer.isView(values)) return false;
  try {
    values.buffer.slice(0, 0);
    return false;
  } catch {
    return true;
  }
}

function tooMany(count: number, name: string, limit: number): LockstepError {
  return new LockstepError(
    'ERR_BATCH_LIMIT',
    `${count} ${name} at once; ${limit} fit. Give fewer, or raise maxModelLen or maxNumBatchedTokens.`,
    { [name]: count, limit, options: ['maxModelLen', 'maxNumBatchedTokens'] },
  );
}

/** Whether block ids come in lists, one a KV cache group. */
function isNested(blockIds: BlockIds): boolean {
  return Number.isInteger(blockIds?.length) && blockIds.length > 0 && typeof blockIds[0] === 'object';
}
