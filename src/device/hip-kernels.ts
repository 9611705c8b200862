import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { LockstepError } from '../errors.js';
import { hipSource } from '../native/index.js';

const COMPILER = fileURLToPath(new URL('./hip-compiler.js', import.meta.url));
const MOST_MS = 180_000;
const MOST_BYTES = 1 << 26;
const HASH_BYTES = 32;

/** What the child says of a compilation. */
interface Answer {
  /** Base64. */
  readonly code: string | null;
  readonly library: string | null;
  readonly log: string;
}

/**
 * The built-in kernels for a HIP card, of the package's source: compiled once for each target and source, in a process of its own, and kept in
 * a folder of the user's. `driver` is the file of HIP's runtime, which holds the compiler where no library of its own does.
 *
 * @throws `ERR_DEVICE_UNAVAILABLE` with `target`, `library` and `log`.
 */
export function hipKernels(arch: string, driver: string | null): Uint8Array {
  const target = targetOf(arch);
  const source = hipSource();
  if (source === null) {
    throw unavailable(target, 'the source of the kernels does not lie beside the addon; install the package again', {});
  }
  const hash = hashOf(`${target}\0`, source).toString('hex');
  const kept = path.join(cacheFolder(), `${target.replaceAll(':', '-')}-${hash.slice(0, 32)}.image`);
  const found = readKept(kept);
  if (found !== null) return found;
  const code = compile(source, target, libraries(driver));
  keep(kept, code);
  return code;
}

function targetOf(arch: string): string {
  const target = process.env.LOCKSTEP_HIP_ARCH || arch;
  if (/^gfx[0-9a-f]{3,4}(:[\w]+[+-])*$/.test(target)) return target;
  throw unavailable(
    target,
    `what the card is called ("${target}") is no target to compile for, since /sys/class/kfd does not list it; name it in ` +
      'LOCKSTEP_HIP_ARCH, such as gfx90a',
    {},
  );
}

/** `LOCKSTEP_CACHE`, or the user's folder for what can be made again. */
function cacheFolder(): string {
  const given = process.env.LOCKSTEP_CACHE;
  if (given) return given;
  return path.join(process.env.XDG_CACHE_HOME || path.join(homedir(), '.cache'), 'lockstep');
}

function libraries(driver: string | null): string[] {
  const given = process.env.LOCKSTEP_HIPRTC_LIB;
  if (given) return [given];
  const own = ['libhiprtc.so.7', 'libhiprtc.so.6', 'libhiprtc.so'];
  const inRocm = path.join(process.env.ROCM_PATH || '/opt/rocm', 'lib/libhiprtc.so');
  return [...own, inRocm, ...(driver === null ? [] : [driver])];
}

function compile(source: string, target: string, names: readonly string[]): Buffer {
  const { NODE_OPTIONS: _, ...env } = process.env;
  const child = spawnSync(process.execPath, [COMPILER, target, ...names], {
    input: source,
    env,
    stdio: ['pipe', 'ignore', 'pipe', 'pipe'],
    maxBuffer: MOST_BYTES,
    timeout: MOST_MS,
  });
  const words = child.stderr?.toString('utf8').trim() ?? '';
  if (child.error !== undefined || child.status !== 0) {
    const end = child.signal ?? child.error?.message ?? `code ${child.status}`;
    const mistake = `HIP's compiler ended with ${end}, as some versions do over a target that they do not know${words === '' ? '' : `: ${words}`}`;
    throw unavailable(target, mistake, { signal: child.signal, log: words });
  }
  const { code, library, log } = JSON.parse(String(child.output[3])) as Answer;
  if (code !== null) return Buffer.from(code, 'base64');
  const mistake =
    library === null ? `there is no compiler (${log}); name one in LOCKSTEP_HIPRTC_LIB` : `${library} failed: ${log}`;
  throw unavailable(target, mistake, { library, log });
}

function unavailable(target: string, mistake: string, details: Readonly<Record<string, unknown>>): LockstepError {
  return new LockstepError(
    'ERR_DEVICE_UNAVAILABLE',
    `The kernels cannot be compiled for ${target}: ${mistake}. With another ROCm's compiler they can be compiled from lockstep.hip, which lies ` +
      'beside the addon, and named in LOCKSTEP_HIP_IMAGE.',
    { target, ...details },
  );
}

/** A file of the cache: the hash of the image, then the image. Null for one that is not there or not whole. */
function readKept(file: string): Buffer | null {
  try {
    const bytes = readFileSync(file);
    const image = bytes.subarray(HASH_BYTES);
    return image.length > 0 && hashOf(image).equals(bytes.subarray(0, HASH_BYTES)) ? image : null;
  } catch {
    return null;
  }
}

function hashOf(...parts: readonly (string | Buffer)[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** Whole or not at all. Where nothing can be written, the next process compiles again. */
function keep(file: string, code: Buffer): void {
  const making = `${file}.${randomBytes(6).toString('hex')}`;
  try {
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  } catch {
    return;
  }
  try {
    writeFileSync(making, Buffer.concat([hashOf(code), code]), { mode: 0o600 });
    renameSync(making, file);
  } catch {
    rmSync(making, { force: true });
  }
}
