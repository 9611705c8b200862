import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';

/** The bytes of a file, unpacked where its name ends in `.gz`. Everything else in src/input/ runs in browsers too. */
export function openPath(path: string | URL): AsyncIterable<Uint8Array> {
  const file = createReadStream(path);
  if (!String(path).endsWith('.gz')) return file;
  // The reader of the unpacked stream receives every error; the callback only keeps it from being unhandled.
  return pipeline(file, createGunzip(), () => undefined);
}
