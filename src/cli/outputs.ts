import { statSync } from 'node:fs';
import path from 'node:path';
import { LockstepError } from '../errors.js';

/** Options with the files they name; those that are not given are undefined. */
type NamedFiles = Readonly<Record<string, string | undefined>>;

/**
 * Refuses an output that would replace a file which is read, or another output. Devices and pipes may be named twice. Errors:
 * ERR_CONFIG_INVALID.
 */
export function checkOutputs(inputs: NamedFiles, outputs: NamedFiles): void {
  const read = Object.entries(inputs);
  for (const [option, file] of Object.entries(outputs)) {
    if (file === undefined) continue;
    const identity = identityOf(file);
    const other = read.find(([, one]) => one !== undefined && identity !== null && identityOf(one) === identity);
    if (other !== undefined) {
      throw new LockstepError(
        'ERR_CONFIG_INVALID',
        `${option} ${file} is the file of ${other[0]} too, and would replace it; give another`,
        { options: [other[0], option], file },
      );
    }
    read.push([option, file]);
  }
}

/** An identity that is equal for paths to the same file; null for what is not a regular file, such as a device. */
function identityOf(file: string): string | null {
  try {
    const stat = statSync(file, { bigint: true });
    return stat.isFile() ? `${stat.dev}:${stat.ino}` : null;
  } catch {
    // The file does not exist yet.
    return path.resolve(file);
  }
}
