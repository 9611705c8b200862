import type { NativeDevice } from './addon-device.js';
import type { NativeCollectivesProbe, NativeDriverProbe } from './addon-driver-probes.js';
import type { NativeMpi } from './addon-mpi.js';

/**
 * What the addon exports. Everything here throws plain `Error`s that carry `code` (an `ErrorCode`) and `details`;
 * `src/device` turns them into `LockstepError`. Handles are checked by the addon: any value may be passed, none crashes.
 */
export interface NativeAddon {
  /** Version of what is declared here. An addon of another version is not used. */
  readonly interfaceVersion: number;
  /**
   * `device`: 'host', 'cuda', 'hip', or a card of theirs ('cuda:1'). `localRank` chooses the card where none is named; null: the
   * launcher's, or the first card. `hipKernels` gives the image of the kernels for a HIP card by its target, where
   * `LOCKSTEP_HIP_IMAGE` names none.
   */
  openDevice(
    device: string,
    memoryLimit: number | null,
    localRank?: number | null,
    hipKernels?: (arch: string) => Uint8Array,
  ): NativeDevice;
  /** Compiles a HIP source by the first of the libraries that is HIP's runtime compiler, which may abort the process. */
  compileHip(source: string, target: string, libraries: readonly string[]): NativeHipCode;
  /** Tries to `dlopen` a library (RTLD_NOW, RTLD_LOCAL, never closed again): null when it loads, else the loader's message. */
  probeLibrary(name: string): string | null;
  /** Loads a vendor's driver, once a process, and asks it for its cards. */
  probeDriver(kind: 'cuda' | 'hip'): NativeDriverProbe;
  /** With which instructions and on how many threads the host's kernels run. */
  cpuKernels(): NativeCpuKernels;
  /** Pins a view's memory for a card, and lets it go again: null when the driver takes it, else why not. Makes the card's context. */
  probePinning(kind: 'cuda' | 'hip', ordinal: number, view: Uint8Array): string | null;
  /** Loads NCCL ('cuda') or RCCL ('hip'), once a process. */
  probeCollectives(kind: 'cuda' | 'hip'): NativeCollectivesProbe;
  /** What the ranks of a communicator share, 128 bytes: one rank makes it. */
  ncclId(kind: 'cuda' | 'hip'): Uint8Array;
  /**
   * The functions of `metadata.wasm`, compiled for this machine, over a planner's memory (`CONFIG_BASE` holds its layout). The
   * object keeps the memory alive; a function alone does not, and throws once the memory is gone.
   */
  bindMetadata(memory: Uint8Array): NativeMetadata;
  /**
   * Makes a file of so many bytes, all 0, whose pages are the memory that is returned: what is stored there is in the file even if the process
   * is killed. Locked until the memory is collected: a file that another run has mapped is ERR_INPUT_INVALID. It must not be cut short meanwhile.
   */
  mapFile(path: string, bytes: number): ArrayBuffer;
  /** Lets go of the lock of such a file. Its memory stays until it is collected. */
  unlockFile(memory: ArrayBuffer): void;
  /**
   * Locks an open file for this process, without waiting, until it is closed or the process ends: 0, or the error's number, which is
   * EWOULDBLOCK where another opening of the file holds the lock.
   */
  lockFile(descriptor: number): number;
  /** MPI in this process. */
  readonly mpi: NativeMpi;
  /** Stops and joins every stream thread of this JS thread and releases its arenas. Idempotent. */
  shutdown(): void;
}

/** What the host's kernels run with. */
export interface NativeCpuKernels {
  /** The instruction set: `v2`, `avx2` or `avx512` of x86-64, else `base`. All give the same bits. */
  readonly name: string;
  /** Those that this processor has, the least first. */
  readonly supported: readonly string[];
  /** Threads that a large launch is shared out to, its stream's own included. */
  readonly threads: number;
  /** Why `LOCKSTEP_CPU` or `LOCKSTEP_THREADS` cannot be followed; null where they can. */
  readonly mistake: string | null;
}

/** What HIP's runtime compiler made. */
export interface NativeHipCode {
  /** Null where it failed. */
  readonly code: Uint8Array | null;
  /** The library that compiled; null where none can. */
  readonly library: string | null;
  /** Why not. */
  readonly log: string;
}

/** Functions by the names of `wasm/exports.txt`; every argument is an int32. */
export type NativeMetadata = Readonly<Record<string, (...words: number[]) => number>>;
