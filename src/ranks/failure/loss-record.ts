import { type ErrorCode, LockstepError } from '../../errors.js';

/** Room for one record, the length word included. Unit: bytes. */
export const MAX_LOSS_BYTES = 1024;

/** Longest code of an error in a record. Unit: characters. */
const MAX_CODE = 64;

/** Why a group ended, in the words of the rank that ended it. */
export interface Reason {
  readonly code: ErrorCode;
  readonly message: string;
}

/** Who ended a group and why, as it lies in shared memory: JSON after its length. */
export interface LossRecord extends Reason {
  readonly rank: number;
  /** Ranks at fault, as far as the one that ended the group knows: itself, or those that it waited for or found to differ. */
  readonly culprits: readonly number[];
}

/**
 * Writes a record of a group of `size` ranks into `bytes`, and gives it as it lies there. A message too long for them is cut, and so is a list of
 * culprits. Of an error whose details name something other than ranks, `rank` alone is the culprit. Where `rank` ends the group because
 * another one has ended, as that of its device's collectives, it passes on who ended that one.
 */
export function lossRecord(rank: number, reason: LockstepError, bytes: Uint8Array, size: number): LossRecord {
  const named = culpritsOf(reason).filter((each) => isRank(each, size));
  const culprits = named.length > 0 ? named : [rank];
  // Of a group whose ranks have other numbers, the whole message says who ended it.
  const told = isTold(reason) && [reason.details.rank, ...culpritsOf(reason)].every((each) => isRank(each, size));
  const { code, message } = told ? reasonOf(reason) : reason;
  const ender = told ? Number(reason.details.rank) : rank;
  let record: LossRecord = { rank: ender, code: code.slice(0, MAX_CODE) as ErrorCode, message, culprits };
  let text = encode(record);
  for (let kept = message; text.length > bytes.length - 4; text = encode(record)) {
    if (kept !== '') {
      kept = kept.slice(0, kept.length >> 1);
      record = { ...record, message: `${kept}...` };
    } else record = { ...record, culprits: record.culprits.slice(0, record.culprits.length >> 1) };
  }
  new DataView(bytes.buffer, bytes.byteOffset).setInt32(0, text.length, true);
  bytes.set(text, 4);
  return record;
}

/** The record in `bytes`, of a group of `size` ranks; null where they hold none, as in a message that was damaged on its way. */
export function readLoss(bytes: Uint8Array, size: number): LossRecord | null {
  const length = new DataView(bytes.buffer, bytes.byteOffset).getInt32(0, true);
  if (length < 2 || length > bytes.length - 4) return null;
  // slice: a TextDecoder refuses shared memory.
  const text = new TextDecoder().decode(bytes.slice(4, 4 + length));
  try {
    const { rank, code, message, culprits } = JSON.parse(text) as LossRecord;
    const named = isRank(rank, size) && culprits.every((each) => isRank(each, size));
    return named && typeof code === 'string' && typeof message === 'string' ? { rank, code, message, culprits } : null;
  } catch {
    return null;
  }
}

function isRank(value: unknown, size: number): boolean {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) < size;
}

/** The error of every rank that waits, or would wait, in a group that ended. */
export function lostError(record: LossRecord): LockstepError {
  const { rank, code, message, culprits } = record;
  const finder = culprits.includes(rank) ? '' : `, as rank ${rank} found`;
  const cause = code === 'ERR_RANK_LOST' ? {} : { cause: new LockstepError(code, message) };
  return new LockstepError(
    'ERR_RANK_LOST',
    `Rank ${culprits.join(', ')} is lost${finder}: ${sentence(message)} No later step of its group can be agreed on; end all of its ranks and start new ones.`,
    { rank, reason: message, causeCode: code, culprits },
    cause,
  );
}

/** The reason behind an error that tells of a group's end, whole; of any other, itself. */
export function reasonOf(error: LockstepError): Reason {
  const { code, message, details } = error;
  return isTold(error)
    ? { code: details.causeCode as ErrorCode, message: details.reason as string }
    : { code, message };
}

/** Whether `lostError`, or the addon in its place, made it. */
function isTold({ code, details }: LockstepError): boolean {
  return code === 'ERR_RANK_LOST' && typeof details.reason === 'string' && typeof details.causeCode === 'string';
}

/**
 * The ranks at fault by the reason for which a rank ended its group; none where it names no other, and is about that rank itself. A row
 * that is not as its rank sealed it, which one rank alone found, was damaged where it was found.
 */
export function culpritsOf({ details }: LockstepError): readonly number[] {
  const { culprits, missing, ranks, what } = details;
  let named: readonly unknown[] = [];
  if (Array.isArray(culprits)) named = culprits;
  else if (Array.isArray(missing)) named = missing.map((each?: { readonly rank?: unknown } | null) => each?.rank);
  else if (Array.isArray(ranks) && what !== 'seal') named = ranks;
  // Other errors may call missing what is no rank.
  return named.filter((each): each is number => isRank(each, Infinity));
}

/** `message` with a full stop, if it does not end a sentence. */
export function sentence(message: string): string {
  return /[.!?]$/.test(message) ? message : `${message}.`;
}

function encode(record: LossRecord): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(record));
}
