import {
  loadNative,
  type NativeAddon,
  type NativeCard,
  type NativeCpuKernels,
  type NativeDriverProbe,
} from '../native/index.js';
import type { DeviceKind } from './device.js';

/** One library tried, and why it did not serve. */
export interface DeviceAttempt {
  /** Name or path of the library. */
  readonly library: string;
  /** What failed, of a GPU driver: dlopen, error names, version, symbols, init, devices, cards. */
  readonly step?: string;
  /** Why it did not serve, in the loader's or the driver's words. */
  readonly reason: string;
}

/** A GPU as `openDevice` can open it: `cuda:<ordinal>`, `hip:<ordinal>`. */
export interface DeviceCard extends NativeCard {
  /** A library of the tests answers in a driver's place, and there is no GPU. */
  readonly standIn: boolean;
}

/** The library that answered as a GPU vendor's driver. */
export interface DeviceDriver {
  /** Its file. */
  readonly library: string;
  /** The CUDA version that it serves, or HIP's: `12.8`, `6.3.42131`. */
  readonly version: string;
  /** HIP's runtime; null for CUDA. */
  readonly runtimeVersion: string | null;
}

/** Whether a backend is available here; `reason` says why or why not. */
export interface DeviceProbe {
  /** The backend: `host`, `cuda` or `hip`. */
  readonly kind: DeviceKind;
  /** Whether a device of it can be opened. */
  readonly available: boolean;
  /** Why or why not, as a sentence. */
  readonly reason: string;
  /** Libraries that did not serve, also where a later one did. */
  readonly attempts: readonly DeviceAttempt[];
  /** Null for the host, and where none serves. */
  readonly driver: DeviceDriver | null;
  /** Its cards, as the driver counts them; empty where none serves. */
  readonly cards: readonly DeviceCard[];
  /** What names the library to take; null where nothing does. */
  readonly override: {
    /** The environment variable. */
    readonly variable: string;
    /** Its value. */
    readonly value: string;
  } | null;
}

const OVERRIDES: Readonly<Record<'cuda' | 'hip', string>> = { cuda: 'LOCKSTEP_CUDA_LIB', hip: 'LOCKSTEP_HIP_LIB' };
/** How the drivers in `test/standin` name their cards. */
const STAND_IN = 'lockstep stand-in';

/** Every backend, whether it is available, and why or why not. Never throws: without the addon, no backend is available. */
export function probeDevices(): DeviceProbe[] {
  let addon: NativeAddon;
  try {
    addon = loadNative();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const attempts = [{ library: 'lockstep.node', reason }];
    return (['host', 'cuda', 'hip'] as const).map((kind) => ({ ...NOTHING, kind, available: false, reason, attempts }));
  }
  const { mistake } = addon.cpuKernels();
  const reason = mistake ?? 'kernels run on CPU threads';
  const host: DeviceProbe = { ...NOTHING, kind: 'host', available: mistake === null, reason };
  return [host, probeGpu(addon, 'cuda'), probeGpu(addon, 'hip')];
}

/** What the host's kernels run with; null where the addon does not load. */
export type CpuKernels = NativeCpuKernels;

/** With which instructions and on how many threads the host's kernels run. Never throws. */
export function probeCpuKernels(): CpuKernels | null {
  try {
    return loadNative().cpuKernels();
  } catch {
    return null;
  }
}

/** A GPU vendor's driver: the addon loads it at the first call in a process, and keeps what came of it. */
export function probeGpu(addon: NativeAddon, kind: 'cuda' | 'hip'): DeviceProbe {
  const found = addon.probeDriver(kind);
  const cards = found.cards.map((card) => ({ ...card, standIn: card.name.includes(STAND_IN) }));
  const variable = OVERRIDES[kind];
  const value = process.env[variable];
  const available = cards.length > 0;
  return {
    kind,
    available,
    reason: available ? reasonOf(kind, found) : found.attempts.map(attemptText).join('; '),
    attempts: found.attempts,
    driver:
      found.library === null
        ? null
        : { library: found.library, version: found.driverVersion ?? '', runtimeVersion: found.runtimeVersion },
    cards,
    override: value ? { variable, value } : null,
  };
}

/** Whether a card's driver takes a planner's memory as its own, which lets copies read it where it lies; `reason` where not. */
export interface PinnedArena {
  readonly pinned: boolean;
  readonly reason: string;
}

/** Tries it: pins `arena` for the card and lets it go again. Starts the card, which takes a moment. */
export function probePinnedArena(kind: 'cuda' | 'hip', ordinal: number, arena: Uint8Array): PinnedArena {
  const refusal = loadNative().probePinning(kind, ordinal, arena);
  return { pinned: refusal === null, reason: refusal ?? 'the driver pins and maps it' };
}

/** A library that more than one rank needs, and whether it loads. */
export interface LibraryProbe {
  readonly name: 'nccl' | 'rccl';
  readonly available: boolean;
  readonly reason: string;
  readonly attempts: readonly DeviceAttempt[];
  /** `2.26.2`; null where it does not serve. */
  readonly version: string | null;
  /** Whether it ends a communicator safely while graphs hold its work, as versions from 2.26 on do. */
  readonly safeAborts: boolean;
}

const COLLECTIVES = { nccl: 'cuda', rccl: 'hip' } as const;

/** NVIDIA's and AMD's libraries of collectives; none where the addon does not load. */
export function probeCollectives(): LibraryProbe[] {
  let addon: NativeAddon;
  try {
    addon = loadNative();
  } catch {
    return [];
  }
  return (['nccl', 'rccl'] as const).map((name) => {
    const { attempts, library, version, safeAborts } = addon.probeCollectives(COLLECTIVES[name]);
    const reason =
      library === null ? attempts.map(attemptText).join('; ') : `${name.toUpperCase()} ${version} (${library})`;
    const warning = library === null || safeAborts ? '' : '; 2.26 or newer ends safely while graphs hold its work';
    return { name, available: library !== null, reason: reason + warning, attempts, version, safeAborts };
  });
}

/** An attempt in one line. The loader's own messages begin with the library. */
export function attemptText({ library, reason }: DeviceAttempt): string {
  return reason.startsWith(library) ? reason : `${library}: ${reason}`;
}

function reasonOf(kind: 'cuda' | 'hip', { cards, driverVersion, library }: NativeDriverProbe): string {
  const names = cards.length === 1 ? cards[0].name : `${cards.length} cards`;
  return `${names}, ${kind.toUpperCase()} ${driverVersion} (${library})`;
}

const NOTHING: Pick<DeviceProbe, 'attempts' | 'driver' | 'cards' | 'override'> = {
  attempts: [],
  driver: null,
  cards: [],
  override: null,
};
