import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { LockstepError } from '../errors.js';
import { guarded, loadNative } from '../native/index.js';

/** The memory of a recording: the pages of a file, or this process's own with the reason why. */
export function memoryOf(path: string | null, bytes: number): { memory: ArrayBuffer; reason: string | null } {
  if (path === null) return { memory: ownMemory(bytes), reason: 'no file was asked for' };
  let native: ReturnType<typeof loadNative>;
  try {
    native = loadNative();
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    return { memory: ownMemory(bytes), reason: error.message };
  }
  try {
    mkdirSync(dirname(path), { recursive: true });
  } catch (cause) {
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      `${path} cannot be made: ${(cause as Error).message}`,
      { path },
      { cause },
    );
  }
  return { memory: guarded(() => native.mapFile(path, bytes)), reason: null };
}

function ownMemory(bytes: number): ArrayBuffer {
  try {
    return new ArrayBuffer(bytes);
  } catch (cause) {
    throw new LockstepError(
      'ERR_CONFIG_INVALID',
      `A recording of so many steps takes ${bytes} bytes, which this process cannot have; keep fewer steps`,
      { bytes, options: ['steps'] },
      { cause },
    );
  }
}
