import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { LockstepError } from '../errors.js';
import type { NativeAddon } from './addon.js';

export type { NativeAddon, NativeCpuKernels, NativeHipCode, NativeMetadata } from './addon.js';
export type { NativeCommunicator, NativeNccl } from './addon-collectives.js';
export type { NativeDevice, NativeDeviceFacts, NativeGivenUp, NativeMemoryUse } from './addon-device.js';
export type {
  NativeCard,
  NativeCollectivesProbe,
  NativeDriverAttempt,
  NativeDriverProbe,
} from './addon-driver-probes.js';
export { guarded, lockstepError } from './addon-errors.js';
export type { NativeBuffer, NativePool, NativeReadback } from './addon-memory.js';
export type { NativeMpi } from './addon-mpi.js';
export type {
  NativeArgument,
  NativeCapturedOrder,
  NativeEvent,
  NativeGraph,
  NativeKernelInfo,
  NativeKernelParameter,
  NativeModule,
  NativeRecording,
  NativeStream,
} from './addon-streams.js';

export { hipSource, type KernelImage, kernelImages } from './kernel-images.js';

/** One file tried, and why it did not serve. */
export interface NativeAttempt {
  /** Path of the file. */
  readonly file: string;
  /** Why it did not serve. */
  readonly reason: string;
}

/** Raised whenever the addon's exported shape changes, so that a stale binary is refused instead of called. */
const INTERFACE_VERSION = 12;
const NODE_API_VERSION = 8;

let loaded: NativeAddon | undefined;

/**
 * The native addon of this platform, loaded once a thread. Its stream threads are stopped when the thread's `exit` event
 * fires: Node runs addon finalizers for workers but not for the main thread.
 *
 * @throws LockstepError `ERR_NATIVE_UNAVAILABLE`; `details.attempts` lists every file tried and why it did not serve.
 */
export function loadNative(): NativeAddon {
  if (loaded !== undefined) return loaded;
  const target = `${process.platform}-${process.arch}`;
  // A name of its own: bundlers take along whatever an address in its place would name.
  const beside = `../../prebuilds/${target}/lockstep.node`;
  const file = fileURLToPath(new URL(beside, import.meta.url));
  const attempt = tryLoad(file);
  if (typeof attempt === 'string') {
    const attempts: NativeAttempt[] = [{ file, reason: attempt }];
    throw new LockstepError(
      'ERR_NATIVE_UNAVAILABLE',
      `The native addon cannot be loaded for ${target}: ${attempt}. Planning works without it; for devices, ` +
        'use Linux with glibc on x64 or arm64 and Node 20.19 or newer, and run `npm run setup` in a source checkout.',
      { attempts, target },
    );
  }
  process.once('exit', () => attempt.shutdown());
  loaded = attempt;
  return attempt;
}

/** The addon, or the reason it did not load. Versions come first: requiring an addon of a newer Node-API is a segfault. */
function tryLoad(file: string): NativeAddon | string {
  if (process.platform !== 'linux') return `the addon is built for Linux, this is ${process.platform}`;
  const napi = Number(process.versions.napi ?? 0);
  if (!(napi >= NODE_API_VERSION)) return `it needs Node-API ${NODE_API_VERSION}, this Node has ${napi}`;
  if (!existsSync(file)) return 'there is no such file';
  try {
    const addon = createRequire(import.meta.url)(file) as NativeAddon;
    if (addon.interfaceVersion !== INTERFACE_VERSION) {
      return `it has interface version ${addon.interfaceVersion}, this package needs ${INTERFACE_VERSION}`;
    }
    return addon;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return isGlibc()
      ? reason
      : `it is built for glibc, and this Node runs on another C library, such as Alpine's musl (${reason})`;
  }
}

/** What is read of Node's report on itself. */
interface Report {
  excludeNetwork?: boolean;
  getReport(): { readonly header: { readonly glibcVersionRuntime?: string } };
}

/** Whether this process runs on glibc, as far as it says so. */
function isGlibc(): boolean {
  const report = process.report as unknown as Report | undefined;
  if (typeof report?.getReport !== 'function') return true;
  const before = report.excludeNetwork;
  // It would ask the names of all network interfaces, which may take seconds.
  report.excludeNetwork = true;
  try {
    return report.getReport().header.glibcVersionRuntime !== undefined;
  } finally {
    report.excludeNetwork = before;
  }
}
