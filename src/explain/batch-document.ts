import { LockstepError, shown } from '../errors.js';
import { BATCH_SHAPE } from '../names.js';

/** One scheduled request of a rank. */
export interface DocumentRequest {
  /** Given, never inferred from the length. */
  readonly phase: 'decode' | 'prefill';
  /** Tokens of this step. */
  readonly queryLen: number;
  /** Tokens already in the KV cache. */
  readonly numComputedTokens: number;
  /** Its KV blocks; with several KV cache groups one list each. Left out: the lowest ids that no request of the rank names. */
  readonly blockIds?: readonly number[] | readonly (readonly number[])[];
  /** Prefill only: the prompt ends with this chunk. Default false. */
  readonly lastChunk?: boolean;
  /** Ids of this step's tokens: queryLen of them. */
  readonly inputIds?: readonly number[];
}

/** What one rank has scheduled; no requests: the rank is idle. */
export interface DocumentRank {
  readonly requests: readonly DocumentRequest[];
}

/** One step's batches, rank by rank. */
export interface BatchDocument {
  /** What each rank has scheduled, by rank. */
  readonly ranks: readonly DocumentRank[];
}

/** Checks that `value` is a batch document. Errors: ERR_INPUT_INVALID naming the place, what was found and what was expected. */
export function checkBatchDocument(value: unknown): BatchDocument {
  const document = members(value, 'the document', ['ranks']);
  const ranks = list(document.ranks, 'ranks');
  if (ranks.length === 0) throw invalid('ranks', document.ranks, 'an array with a rank in it');
  return {
    ranks: ranks.map((rank, index) => {
      const place = `ranks[${index}]`;
      const { requests } = members(rank, place, ['requests']);
      return {
        requests: list(requests, `${place}.requests`).map((item, at) => request(item, `${place}.requests[${at}]`)),
      };
    }),
  };
}

const REQUEST_FIELDS = ['phase', 'queryLen', 'numComputedTokens', 'blockIds', 'lastChunk', 'inputIds'] as const;

function request(value: unknown, place: string): DocumentRequest {
  const fields = members(value, place, REQUEST_FIELDS);
  const { phase, queryLen, numComputedTokens, lastChunk } = fields;
  if (phase !== 'decode' && phase !== 'prefill') throw invalid(`${place}.phase`, phase, '"decode" or "prefill"');
  if (!isCount(queryLen) || queryLen < 1)
    throw invalid(`${place}.queryLen`, queryLen, 'a 32-bit integer of at least 1');
  if (!isCount(numComputedTokens)) {
    throw invalid(`${place}.numComputedTokens`, numComputedTokens, 'a 32-bit integer of at least 0');
  }
  if (lastChunk !== undefined && typeof lastChunk !== 'boolean') {
    throw invalid(`${place}.lastChunk`, lastChunk, 'true or false');
  }
  const blockIds = blockLists(fields.blockIds, `${place}.blockIds`);
  const inputIds = integers(fields.inputIds, `${place}.inputIds`);
  if (inputIds !== undefined && inputIds.length !== queryLen) {
    throw invalid(`${place}.inputIds`, `${inputIds.length} ids`, `as many ids as queryLen (${queryLen})`);
  }
  return {
    phase,
    queryLen,
    numComputedTokens,
    ...(blockIds && { blockIds }),
    ...(lastChunk !== undefined && { lastChunk }),
    ...(inputIds && { inputIds }),
  };
}

function members(value: unknown, place: string, known: readonly string[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(place, value, place === 'the document' ? `an object, like ${BATCH_SHAPE}` : 'an object');
  }
  for (const name of Object.keys(value)) {
    if (known.includes(name)) continue;
    throw new LockstepError('ERR_INPUT_INVALID', `${place} has no ${name}; it has ${known.join(', ')}`, {
      place,
      name,
      known,
    });
  }
  return value as Record<string, unknown>;
}

function list(value: unknown, place: string): readonly unknown[] {
  if (!Array.isArray(value)) throw invalid(place, value, 'an array');
  return value;
}

function integers(value: unknown, place: string): readonly number[] | undefined {
  if (value === undefined) return undefined;
  if (!Array.isArray(value) || !value.every((item) => typeof item === 'number' && (item | 0) === item)) {
    throw invalid(place, value, 'an array of 32-bit integers');
  }
  return value;
}

/** One list of ids, or a list of lists: the planner checks how many there are. */
function blockLists(value: unknown, place: string): readonly number[] | readonly (readonly number[])[] | undefined {
  if (!Array.isArray(value) || !value.some(Array.isArray)) return integers(value, place);
  return value.map((item: unknown, index) => {
    const list = integers(item, `${place}[${index}]`);
    if (list === undefined) throw invalid(`${place}[${index}]`, item, 'an array of 32-bit integers');
    return list;
  });
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && (value | 0) === value && value >= 0;
}

function invalid(place: string, value: unknown, expected: string): LockstepError {
  const found = shown(value);
  return new LockstepError('ERR_INPUT_INVALID', `${place} is ${found}; it must be ${expected}`, {
    place,
    found,
    expected,
  });
}
