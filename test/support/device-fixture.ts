import { describe, expect, it } from 'vitest';
import type { Device, DeviceBuffer, DeviceKind, DeviceStream } from '../../dist/device/index.js';
import { type ErrorCode, LockstepError } from '../../dist/errors.js';

/** What `call` throws, which must be a LockstepError of this code. */
export function errorOf(code: ErrorCode, call: () => unknown): LockstepError {
  try {
    call();
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    expect(`${error.code}: ${error.message}`).toMatch(new RegExp(`^${code}: `));
    return error;
  }
  throw new Error(`expected ${code}, nothing was thrown`);
}

export async function rejectionOf(code: ErrorCode, promise: Promise<unknown>): Promise<LockstepError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return errorOf(code, () => {
    if (error !== undefined) throw error;
  });
}

export function bufferOf(device: Device, stream: DeviceStream, values: ArrayBufferView): DeviceBuffer {
  const buffer = device.allocate(Math.max(values.byteLength, 1));
  stream.upload(buffer, 0, values);
  return buffer;
}

export function readI32(stream: DeviceStream, buffer: DeviceBuffer, count: number = buffer.bytes >> 2): number[] {
  const values = new Int32Array(count);
  stream.downloadSync(buffer, 0, values);
  return [...values];
}

/** The device that the suites of devices and of execution open: the host's, or a GPU's over a stand-in driver. */
export const TEST_DEVICE = (process.env.LOCKSTEP_TEST_DEVICE ?? 'host') as DeviceKind;

/** A byte of what a buffer holds before anything is written to it, on the host and over a stand-in driver. */
export const POISON_BYTE = TEST_DEVICE === 'host' ? 0xa5 : 0xcd;

/** Four of them. */
export const POISON = (POISON_BYTE * 0x01010101) | 0;

/** What only the host device has: kernels of a user's library, and graphs whose bytes are known before they are made. */
export const onHost = (name: string, test: () => unknown): void => {
  // No skipped test on a GPU, where one counts as a failure: nothing of a GPU goes untested for it.
  if (TEST_DEVICE === 'host') it(name, async () => void (await test()));
};

/** The same of tests that share something. */
export const describeOnHost = (name: string, tests: () => void): void => {
  if (TEST_DEVICE === 'host') describe(name, tests);
};
