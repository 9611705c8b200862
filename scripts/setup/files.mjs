import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/**
 * SHA-256 of some bytes, in hex.
 * @param {string | Uint8Array} bytes
 */
export function hashBytes(bytes) {
  return createHash('sha256').update(bytes).digest('hex');
}

/**
 * Content hash of a file, or undefined where there is none.
 * @param {string} file
 * @returns {string | undefined}
 */
export function hashFile(file) {
  try {
    return hashBytes(readFileSync(file));
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/**
 * Every file below `folder`, as sorted paths relative to `root` with forward slashes; none if the folder is absent.
 * @param {string} root
 * @param {string} folder relative to root
 * @param {(file: string) => boolean} [keep]
 * @returns {string[]}
 */
export function listFiles(root, folder, keep = () => true) {
  const entries = readFolder(path.join(root, folder));
  const found = entries.flatMap((entry) => {
    const name = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return listFiles(root, name, keep);
    return keep(name) ? [name] : [];
  });
  return found.sort();
}

/** @param {string} folder */
function readFolder(folder) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/**
 * Puts bytes at root/file, by a rename: a reader sees the old file or the new one, and a process that has the old one
 * mapped (a loaded addon) keeps it. A file that holds these bytes already is left alone.
 * @param {string} root
 * @param {string} file relative to root
 * @param {Uint8Array} bytes
 * @param {number} [mode]
 */
export function placeFile(root, file, bytes, mode = 0o644) {
  const target = path.join(root, file);
  if (hashFile(target) === hashBytes(bytes)) {
    if ((statSync(target).mode & 0o111) !== (mode & 0o111)) chmodSync(target, mode);
    return;
  }
  const part = path.join(root, '.setup/part', hashBytes(file));
  mkdirSync(path.dirname(part), { recursive: true });
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(part, bytes);
  chmodSync(part, mode);
  renameSync(part, target);
}

/** @param {unknown} error */
export function isMissing(error) {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ENOENT' || code === 'ENOTDIR';
}
