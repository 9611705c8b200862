import { checkArguments } from '../checks.js';
import { LockstepError, shown } from '../errors.js';
import { ENUMS, ROW_WORDS, word } from '../layout/index.js';
import type { MetadataExports } from '../memory/index.js';
import { editRefusal, unknownRow } from './edit-refusals.js';
import { Inbox, integer } from './inbox.js';

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
  readonly #inbox: Inbox;
  readonly #error: Int32Array;
  readonly #rows: Int32Array;
  readonly #guard: (reads?: boolean) => void;

  /** `guard` throws while the batch is frozen or the planner disposed; for calls that only read, only once it is disposed. */
  constructor(
    metadata: MetadataExports,
    views: { inbox: Int32Array; inboxCounts: Int32Array; error: Int32Array; rows: Int32Array },
    guard: (reads?: boolean) => void,
  ) {
    checkArguments('Requests', {
      metadata: [metadata, 'object'],
      views: [views, 'object', 'inbox', 'inboxCounts', 'error', 'rows'],
      guard: [guard, 'function'],
    });
    this.#metadata = metadata;
    this.#inbox = new Inbox(views.inbox, views.inboxCounts);
    this.#error = views.error;
    this.#rows = views.rows;
    this.#guard = guard;
  }

  /** Takes a row for a request. Errors: ERR_BATCH_LIMIT, ERR_BLOCK_INVALID, ERR_POSITION_BEYOND_BLOCKS, ERR_STATE_FROZEN. */
  add(request: NewRequest): Row {
    this.#guard();
    object(request, 'the request');
    this.#inbox.fillGroups(request.blockIds);
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
      this.#inbox.fill(inputIds, 'inputIds', 0, row);
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
    this.#inbox.fill(blockIds, 'blockIds', 0, row);
    this.#inbox.checkGroup(group);
    this.#done(this.#metadata.state_append(integer(row, 'row'), blockIds.length, group));
  }

  /**
   * Gives each of `rows` one block of a KV cache group, by default the first, in one call, to all or to none: what decodes that
   * enter a block need. A request may appear more than once.
   * Errors: ERR_ROW_UNKNOWN, ERR_BLOCK_INVALID, ERR_BATCH_LIMIT, ERR_INPUT_INVALID (not as many blocks as rows), ERR_STATE_FROZEN.
   */
  appendEach(rows: Rows, blockIds: ArrayLike<number>, group = 0): void {
    this.#guard();
    const count = this.#inbox.fillPairs(rows, blockIds, 'blockIds');
    this.#inbox.checkGroup(group);
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
    const count = this.#inbox.fillPairs(rows, tokens, 'tokens');
    this.#done(this.#metadata.state_advance_each(count));
  }

  /**
   * Schedules several decodes, in this order, in one call, all or none: `queryLens[i]` tokens of `rows[i]`, whose ids come from the device.
   * Errors: as `schedule`, and ERR_INPUT_INVALID (not as many lengths as rows).
   */
  scheduleEach(rows: Rows, queryLens: ArrayLike<number>): void {
    this.#guard();
    const count = this.#inbox.fillPairs(rows, queryLens, 'queryLens');
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
    const count = this.#inbox.fill(rows, 'rows');
    let gives = 0;
    if (acceptedDrafts !== undefined && acceptedDrafts !== null) {
      this.#inbox.fillEach(acceptedDrafts, 'acceptedDrafts', count, count);
      gives = 1;
    }
    if (newBlocks !== undefined && newBlocks !== null) gives += this.#inbox.fillNewBlocks(newBlocks, count);
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

  #done(result: number): number {
    if (result >= 0) return result;
    throw this.#refusal(result);
  }

  // Separate from `#done`, which would otherwise allocate in every call.
  #refusal(result: number): LockstepError {
    return editRefusal(result, this.#error, this.#inbox.groups);
  }
}

function object(value: object, name: string): void {
  if (typeof value === 'object' && value !== null) return;
  throw new LockstepError('ERR_INPUT_INVALID', `${name} is ${shown(value)}; it must be an object`);
}
