import { LockstepError, shown } from '../errors.js';
import { ENUMS, ROW_WORDS, word } from '../layout/index.js';
import type { MetadataExports } from '../memory/index.js';
import { editRefusal, unknownRow } from './edit-refusals.js';

declare const rowBrand: unique symbol;
/** Row of a request in the batch state, from `add`. It may be given to another request after `remove`. */
export type Row = number & { readonly [rowBrand]: true };

/** Rows of several requests. */
export type Rows = ArrayLike<Row> | Int32Array;

/** A request that joins. */
export interface NewRequest {
  /**
   * KV blocks that hold its first tokens, or will hold its next ones. With several KV cache groups one list each, or an empty one
   * where no group has any yet. Never block 0, but for leading blocks of a group with a `window` that its next token sees nothing of.
   */
  readonly blockIds: ArrayLike<number> | ArrayLike<ArrayLike<number>>;
  /** Tokens already in those blocks (a reused prefix). Default 0. */
  readonly numComputedTokens?: number;
}

/** The tokens of a request that run in this step. */
export interface ScheduledChunk {
  /** Given, never inferred from the length: `decode` is past the prompt, `prefill` a chunk of it. */
  readonly phase: 'decode' | 'prefill';
  /** Tokens of this step. */
  readonly queryLen: number;
  /** Prefill only: the prompt ends with this chunk, so its last token's logits are wanted. Default false. */
  readonly lastChunk?: boolean;
  /** Ids of those tokens: i32[queryLen]. Left out where only the device knows them; the executor's kernels fill them in. */
  readonly inputIds?: Int32Array;
  /**
   * The request that in this same step writes blocks which this one has as computed prefix (a prefix shared within the step). The
   * checked mode refuses such a step otherwise; nothing else depends on it.
   */
  readonly dependsOn?: Row;
}

/** Requests of the batch state. Every edit is checked whole before anything changes. */
export class Requests {
  readonly #metadata: MetadataExports;
  readonly #inbox: Int32Array;
  /** Blocks in the inbox of each KV cache group: i32[groups]. */
  readonly #inboxCounts: Int32Array;
  readonly #error: Int32Array;
  readonly #rows: Int32Array;
  readonly #guard: (reads?: boolean) => void;

  /** `guard` throws while the batch is frozen or the planner disposed; for calls that only read, only once it is disposed. */
  constructor(
    metadata: MetadataExports,
    views: { inbox: Int32Array; inboxCounts: Int32Array; error: Int32Array; rows: Int32Array },
    guard: (reads?: boolean) => void,
  ) {
    this.#metadata = metadata;
    this.#inbox = views.inbox;
    this.#inboxCounts = views.inboxCounts;
    this.#error = views.error;
    this.#rows = views.rows;
    this.#guard = guard;
  }

  /** Takes a row for a request. Errors: ERR_BATCH_LIMIT, ERR_BLOCK_INVALID, ERR_POSITION_BEYOND_BLOCKS, ERR_STATE_FROZEN. */
  add(request: NewRequest): Row {
    this.#guard();
    object(request, 'the request');
    this.#fillGroups(request.blockIds);
    const computed = integer(request.numComputedTokens ?? 0, 'numComputedTokens');
    return this.#done(this.#metadata.state_add(computed)) as Row;
  }

  /**
   * Schedules the next tokens of a request in this step.
   * Errors: ERR_ROW_UNKNOWN, ERR_BATCH_LIMIT, ERR_POSITION_BEYOND_BLOCKS, ERR_INPUT_INVALID, ERR_STEP_ORDER, ERR_STATE_FROZEN.
   */
  schedule(row: Row, chunk: ScheduledChunk): void {
    this.#guard();
    object(chunk, 'the chunk');
    const { inputIds } = chunk;
    const queryLen = integer(chunk.queryLen, 'queryLen', row);
    if (chunk.phase !== 'decode' && chunk.phase !== 'prefill') {
      throw new LockstepError('ERR_INPUT_INVALID', `phase is ${shown(chunk.phase)}; it must be "decode" or "prefill"`, {
        row,
      });
    }
    if (inputIds !== undefined) {
      if (!(inputIds instanceof Int32Array)) {
        throw new LockstepError('ERR_INPUT_INVALID', `inputIds is ${shown(inputIds)}; it must be an Int32Array`, {
          row,
        });
      }
      if (inputIds.length !== queryLen) {
        throw new LockstepError('ERR_INPUT_INVALID', `${inputIds.length} inputIds for a chunk of ${queryLen} tokens`, {
          row,
          inputIds: inputIds.length,
          queryLen,
        });
      }
      this.#fill(inputIds, 'inputIds', 0, row);
    }
    if (chunk.lastChunk !== undefined && typeof chunk.lastChunk !== 'boolean') {
      throw new LockstepError('ERR_INPUT_INVALID', `lastChunk is ${shown(chunk.lastChunk)}; it must be true or false`, {
        row,
      });
    }
    const lastChunk = chunk.phase === 'prefill' && chunk.lastChunk === true ? 1 : 0;
    this.#done(
      this.#metadata.state_schedule(
        integer(row, 'row'),
        ENUMS.PHASE[chunk.phase],
        queryLen,
        lastChunk,
        inputIds === undefined ? 0 : 1,
        chunk.dependsOn === undefined ? -1 : integer(chunk.dependsOn, 'dependsOn', row),
      ),
    );
  }

  /**
   * Gives a request more blocks of a KV cache group, by default the first.
   * Errors: ERR_ROW_UNKNOWN, ERR_BLOCK_INVALID, ERR_BATCH_LIMIT, ERR_INPUT_INVALID, ERR_STATE_FROZEN.
   */
  appendBlocks(row: Row, blockIds: ArrayLike<number>, group = 0): void {
    this.#guard();
    this.#fill(blockIds, 'blockIds', 0, row);
    this.#checkGroup(group);
    this.#done(this.#metadata.state_append(integer(row, 'row'), blockIds.length, group));
  }

  /**
   * Gives each of `rows` one block of a KV cache group, by default the first, in one call, to all or to none: what decodes that
   * enter a block need. A request may appear more than once.
   * Errors: ERR_ROW_UNKNOWN, ERR_BLOCK_INVALID, ERR_BATCH_LIMIT, ERR_INPUT_INVALID (not as many blocks as rows), ERR_STATE_FROZEN.
   */
  appendEach(rows: Rows, blockIds: ArrayLike<number>, group = 0): void {
    this.#guard();
    const count = this.#fillPairs(rows, blockIds, 'blockIds');
    this.#checkGroup(group);
    this.#done(this.#metadata.state_append_each(count, group));
  }

  /**
   * After the step: `tokens` more are computed (a prefill's chunk; of a decode, 1 + the accepted drafts).
   * Errors: ERR_ROW_UNKNOWN, ERR_POSITION_BEYOND_BLOCKS, ERR_BATCH_LIMIT, ERR_STATE_FROZEN.
   */
  advance(row: Row, tokens: number): void {
    this.#guard();
    this.#done(this.#metadata.state_advance(integer(row, 'row'), integer(tokens, 'tokens', row)));
  }

  /**
   * The same for several requests, in one call, all or none: `tokens[i]` more of `rows[i]` are computed. A request may appear more
   * than once. Errors: as `advance`, and ERR_INPUT_INVALID (not as many counts as rows).
   */
  advanceEach(rows: Rows, tokens: ArrayLike<number>): void {
    this.#guard();
    const count = this.#fillPairs(rows, tokens, 'tokens');
    this.#done(this.#metadata.state_advance_each(count));
  }

  /**
   * Schedules several decodes, in this order, in one call, all or none: `queryLens[i]` tokens of `rows[i]`, whose ids come from the device.
   * Errors: as `schedule`, and ERR_INPUT_INVALID (not as many lengths as rows).
   */
  scheduleEach(rows: Rows, queryLens: ArrayLike<number>): void {
    this.#guard();
    const count = this.#fillPairs(rows, queryLens, 'queryLens');
    this.#done(this.#metadata.state_schedule_each(count));
  }

  /**
   * After a step: advances each of its decodes by one token and the accepted drafts, and schedules as many tokens again, all in one call
   * and in the same order (`local.order`). Token ids come from the device. Returns the number of decodes.
   *
   * `rows` names the decodes that had drafts accepted or need a block: `acceptedDrafts[i]` drafts of `rows[i]` were accepted, and it is
   * given block `newBlocks[i]` of the first KV cache group, or none if that is 0. With several groups `newBlocks` may be one list each, or null for a group that
   * gives none. The other decodes had no draft accepted. A request may be in `rows` more than once: its drafts add up. Decodes of
   * several tokens are continued only where `acceptedDrafts` is given.
   *
   * Requests removed since the step are left out. No decode is left to continue (0 is returned) once one of them was advanced or scheduled by
   * hand, or any decode scheduled. A `dependsOn` ends with its step. Errors, with nothing changed, no block appended either:
   * ERR_POSITION_BEYOND_BLOCKS (its `details.row` needs a block), ERR_BATCH_LIMIT (maxModelLen, maxNumBatchedTokens, or a decode of several
   * tokens without `acceptedDrafts`), ERR_BLOCK_INVALID, ERR_ROW_UNKNOWN, ERR_INPUT_INVALID (more accepted drafts than it had), ERR_STEP_ORDER (a
   * decode is scheduled already, or a row is no decode of the last step), ERR_STATE_FROZEN.
   */
  continueDecodes(
    rows?: Rows | null,
    acceptedDrafts?: ArrayLike<number> | null,
    newBlocks?: ArrayLike<number> | ArrayLike<ArrayLike<number> | null> | null,
  ): number {
    this.#guard();
    if (rows === undefined || rows === null) {
      if (acceptedDrafts || newBlocks) {
        throw new LockstepError('ERR_INPUT_INVALID', 'acceptedDrafts and newBlocks are of rows: give those too');
      }
      return this.#done(this.#metadata.state_continue(0, 0));
    }
    const count = this.#fill(rows, 'rows');
    let gives = 0;
    if (acceptedDrafts !== undefined && acceptedDrafts !== null) {
      this.#fillEach(acceptedDrafts, 'acceptedDrafts', count, count);
      gives = 1;
    }
    if (newBlocks !== undefined && newBlocks !== null) gives += this.#fillNewBlocks(newBlocks, count);
    return this.#done(this.#metadata.state_continue(count, gives));
  }

  /** Forgets a request: finished, cancelled or preempted, scheduled or not. Errors: ERR_ROW_UNKNOWN, ERR_STATE_FROZEN. */
  remove(row: Row): void {
    this.#guard();
    this.#done(this.#metadata.state_remove(integer(row, 'row')));
  }

  /** Tokens of a request that are computed, in a frozen batch too. Errors: ERR_ROW_UNKNOWN, ERR_DISPOSED. */
  numComputedTokens(row: Row): number {
    this.#guard(true);
    const at = row * ROW_WORDS.length;
    if (!Number.isInteger(row) || row < 0 || this.#rows[at + word(ROW_WORDS, 'active')] !== 1) {
      throw unknownRow(row, this.#rows.length / ROW_WORDS.length);
    }
    return this.#metadata.state_computed(row);
  }

  /** Refuses a step in which a request writes a block that another touches. Errors: ERR_BLOCK_CONFLICT. */
  checkSharedBlocks(): void {
    this.#guard();
    this.#done(this.#metadata.check_shared_blocks());
  }

  #checkGroup(group: number): void {
    const groups = this.#inboxCounts.length;
    if (!Number.isInteger(group) || group < 0 || group >= groups) {
      throw new LockstepError(
        'ERR_INPUT_INVALID',
        `group is ${shown(group)}; it must be an integer from 0 to ${groups - 1}: there are ${groups} KV cache groups`,
        { group },
      );
    }
  }

  /** Writes a new request's blocks into the inbox, group after group. */
  #fillGroups(blockIds: NewRequest['blockIds']): void {
    const counts = this.#inboxCounts;
    const nested = isNested(blockIds);
    if (counts.length === 1 && !nested) {
      this.#fill(blockIds as ArrayLike<number>, 'blockIds');
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
      counts[group] = nested ? this.#fill(lists[group], `blockIds[${group}]`, from) : 0;
      from += counts[group];
    }
  }

  /** Writes values into the inbox from word `from` on; `row` is named in errors, if the request is in the batch. Returns their number. */
  #fill(values: ArrayLike<number>, name: string, from = 0, row?: Row): number {
    if (this.#copied(values, from)) return values.length;
    const count = lengthOf(values, name);
    const room = this.#inbox.length - from;
    if (count > room) throw tooMany(count, name, room);
    const inbox = this.#inbox;
    for (let i = 0; i < count; i++) inbox[from + i] = integer(values[i], name, row);
    return count;
  }

  /** Copies values that are already int32 words, which need no check, if there are any and they fit. */
  #copied(values: ArrayLike<number>, from: number): boolean {
    if (!(values instanceof Int32Array)) return false;
    const inbox = this.#inbox;
    const count = values.length;
    if (count === 0 || count > inbox.length - from) return false;
    // A loop copies few words faster: calling TypedArray.set costs more.
    if (count > 32) inbox.set(values, from);
    else for (let i = 0; i < count; i++) inbox[from + i] = values[i];
    return true;
  }

  /** Writes rows into the inbox, then one value for each. Returns the number of rows. */
  #fillPairs(rows: Rows, values: ArrayLike<number>, name: string): number {
    const count = lengthOf(rows, 'rows');
    if (2 * count > this.#inbox.length) throw tooMany(2 * count, `rows and ${name}`, this.#inbox.length);
    this.#fill(rows, 'rows');
    this.#fillEach(values, name, count, count);
    return count;
  }

  /** Writes values into the inbox from word `from` on, one for each of the `count` rows already in it. */
  #fillEach(values: ArrayLike<number>, name: string, from: number, count: number): void {
    if (values?.length === count && this.#copied(values, from)) return;
    if (lengthOf(values, name) !== count) {
      throw new LockstepError('ERR_INPUT_INVALID', `${values.length} ${name} for ${count} rows; give one each`, {
        rows: count,
        [name]: values.length,
      });
    }
    const inbox = this.#inbox;
    const room = inbox.length - from;
    if (count > room) throw tooMany(count, name, room);
    for (let i = 0; i < count; i++) inbox[from + i] = integer(values[i], name, inbox[i] as Row);
  }

  /** Writes the blocks that continued decodes are given into the inbox, group after group. Returns which groups give any. */
  #fillNewBlocks(newBlocks: ArrayLike<number> | ArrayLike<ArrayLike<number> | null>, count: number): number {
    const isNested = newBlocks.length > 0 && typeof newBlocks[0] === 'object';
    if (!isNested) {
      this.#fillEach(newBlocks as ArrayLike<number>, 'newBlocks', 2 * count, count);
      return 2;
    }
    const lists = newBlocks as ArrayLike<ArrayLike<number> | null>;
    const groups = this.#inboxCounts.length;
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
      this.#fillEach(blocks, 'newBlocks', (2 + group) * count, count);
      gives += 2 << group;
    }
    return gives;
  }

  #done(result: number): number {
    if (result >= 0) return result;
    throw this.#refusal(result);
  }

  // Separate from `#done`, which would otherwise allocate in every call.
  #refusal(result: number): LockstepError {
    return editRefusal(result, this.#error, this.#inboxCounts.length);
  }
}

/** An int32, or ERR_INPUT_INVALID, naming `row` if there is one: the modules would silently truncate anything else. */
function integer(value: number, name: string, row?: Row): number {
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
function isNested(blockIds: NewRequest['blockIds']): boolean {
  return Number.isInteger(blockIds?.length) && blockIds.length > 0 && typeof blockIds[0] === 'object';
}

function object(value: object, name: string): void {
  if (typeof value === 'object' && value !== null) return;
  throw new LockstepError('ERR_INPUT_INVALID', `${name} is ${shown(value)}; it must be an object`);
}
