import { LockstepError, shown } from '../errors.js';
import { hash32, mix32 } from './random.js';
import { checkTable, type RequestTable } from './request.js';

/** Keep ids of hashed prompts, unhashed tokens and rejected drafts apart. */
const HASHED = 1;
const OWN = 2;
const DRAFT = 3;
const MODULUS = 2 ** 31;

/**
 * Token of a request at a position: an i32 of at least 0. A prompt token of a request with hash ids follows from its
 * hash id and its offset in its hash block, so that prompts which share a hash id share its tokens; every other
 * token follows from request and position.
 */
export function tokenId(table: RequestTable, request: number, position: number): number {
  checkTable(table);
  if (typeof request !== 'number' || !(request >= 0 && request < table.length)) throw noRequest(table, request);
  if (typeof position !== 'number') throw noNumber('position', position);
  const hashed = table.hashOffsets[request] as number;
  if (position < (table.inputTokens[request] as number) && hashed < (table.hashOffsets[request + 1] as number)) {
    const block = Math.floor(position / table.hashBlockTokens);
    const hashId = table.hashIds[hashed + block] as number;
    return hash32(HASHED, hashId, position - block * table.hashBlockTokens) >>> 1;
  }
  return hash32(OWN, request, position) >>> 1;
}

/**
 * A draft that will be rejected: an i32 of at least 0 that differs from `tokenId` at the position, whatever the
 * attempt. `attempt` tells apart the drafts that several steps propose for one position.
 */
export function rejectedDraftId(table: RequestTable, request: number, position: number, attempt: number): number {
  const id = tokenId(table, request, position);
  if (typeof attempt !== 'number') throw noNumber('attempt', attempt);
  const distance = 1 + (mix32(hash32(DRAFT, request, position) + attempt) % (MODULUS - 1));
  return (id + distance) % MODULUS;
}

function noRequest({ length }: RequestTable, request: unknown): LockstepError {
  return new LockstepError('ERR_INPUT_INVALID', `request is ${shown(request)}; the table has ${length}`, {
    request: shown(request),
  });
}

function noNumber(name: string, value: unknown): LockstepError {
  return new LockstepError('ERR_INPUT_INVALID', `${name} is ${shown(value)}; it must be a number`, {
    [name]: shown(value),
  });
}
