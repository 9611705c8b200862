import { type ErrorCode, LockstepError } from '../../errors.js';

/** Room for one record, the length word included. Unit: bytes. */
export const MAX_LOSS_BYTES = 1024;

/** Who ended a group and why, as it lies in shared memory: JSON after its length. */
export interface LossRecord {
  readonly rank: number;
  readonly code: ErrorCode;
  readonly message: string;
}

/** Writes a record into `bytes`. A message too long for them is cut. */
export function lossRecord(rank: number, reason: LockstepError, bytes: Uint8Array): void {
  let message = reason.message;
  let text = encode({ rank, code: reason.code, message });
  while (text.length > bytes.length - 4) {
    message = message.slice(0, Math.floor(message.length / 2));
    text = encode({ rank, code: reason.code, message: `${message}...` });
  }
  new DataView(bytes.buffer, bytes.byteOffset).setInt32(0, text.length, true);
  bytes.set(text, 4);
}

export function readLoss(bytes: Uint8Array): LossRecord {
  const length = new DataView(bytes.buffer, bytes.byteOffset).getInt32(0, true);
  // slice: a TextDecoder refuses shared memory.
  return JSON.parse(new TextDecoder().decode(bytes.slice(4, 4 + length))) as LossRecord;
}

/** The error of every rank that waits, or would wait, in a group that ended. */
export function lostError(record: LossRecord): LockstepError {
  const { rank, code, message } = record;
  const cause = code === 'ERR_RANK_LOST' ? {} : { cause: new LockstepError(code, message) };
  return new LockstepError(
    'ERR_RANK_LOST',
    `Rank ${rank} is lost: ${sentence(message)} No later step of its group can be agreed on; end all of its ranks and start new ones.`,
    { rank, reason: message, causeCode: code },
    cause,
  );
}

/** `message` with a full stop, if it does not end a sentence. */
export function sentence(message: string): string {
  return /[.!?]$/.test(message) ? message : `${message}.`;
}

function encode(record: LossRecord): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(record));
}
