/** What there is of a GPU vendor's driver. */
export interface NativeDriverProbe {
  /** Libraries tried in vain, also where a later one answered. */
  readonly attempts: readonly NativeDriverAttempt[];
  /** The file that answered; null where none serves, and the rest is null and empty then. */
  readonly library: string | null;
  /** The CUDA version that the driver serves, or HIP's: '12.8', '6.3.42131'. */
  readonly driverVersion: string | null;
  /** HIP's runtime; null for CUDA. */
  readonly runtimeVersion: string | null;
  /** Its cards that this process may use. */
  readonly cards: readonly NativeCard[];
}

/** What there is of a vendor's library of collectives. */
export interface NativeCollectivesProbe {
  /** Steps: dlopen, symbols, version. */
  readonly attempts: readonly NativeDriverAttempt[];
  /** The file that answered; null where none serves. */
  readonly library: string | null;
  /** The library's version: '2.26.2'. Null where none serves. */
  readonly version: string | null;
  /** Whether an abort waits until no graph holds work of its communicator. */
  readonly safeAborts: boolean;
}

/** A library that was tried, the step that failed and the reason. */
export interface NativeDriverAttempt {
  /** File or name of the library. */
  readonly library: string;
  /** Of these, in order: dlopen, error names, version, symbols, init, devices, cards. */
  readonly step: string;
  /** What failed, in words. */
  readonly reason: string;
}

/** A GPU that this process may use. */
export interface NativeCard {
  /** `cuda:<ordinal>`: counted by the driver, after CUDA_VISIBLE_DEVICES and the like. */
  readonly ordinal: number;
  /** The driver's name of it. */
  readonly name: string;
  /** Memory of the card, in bytes. */
  readonly bytes: number;
  /** What kernels are compiled for: 'sm_90', 'gfx942'. */
  readonly arch: string;
  /** Threads that run in step. */
  readonly warp: number;
  /** Multiprocessors, or compute units. */
  readonly processors: number;
  /** Its address on the PCI bus. */
  readonly pciBusId: string;
}
