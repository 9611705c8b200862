import { LockstepError } from '../errors.js';
import { loadNative, type NativeAddon } from '../native/index.js';
import { guarded } from './addon-errors.js';
import { type Device, type DeviceKind, deviceOf } from './device.js';

/** Options of `openDevice`. */
export interface OpenDeviceOptions {
  /** `auto` takes the best available backend and says which; a named one opens or throws, without a fallback. Default `auto`. */
  readonly device?: 'auto' | DeviceKind;
  /** Bytes that buffers and graphs may hold together; default: no limit but the machine's. */
  readonly memoryLimit?: number;
}

/** One library tried, and why it did not serve. */
export interface DeviceAttempt {
  readonly library: string;
  readonly reason: string;
}

/** Whether a backend is available here; `reason` says why or why not. */
export interface DeviceProbe {
  readonly kind: DeviceKind;
  readonly available: boolean;
  readonly reason: string;
  readonly attempts: readonly DeviceAttempt[];
}

const GPU_LIBRARIES: Readonly<Record<'cuda' | 'hip', { variable: string; names: readonly string[] }>> = {
  cuda: { variable: 'LOCKSTEP_CUDA_LIB', names: ['libcuda.so.1'] },
  hip: {
    variable: 'LOCKSTEP_HIP_LIB',
    names: ['libamdhip64.so.7', 'libamdhip64.so.6', 'libamdhip64.so.5', 'libamdhip64.so'],
  },
};

/**
 * Opens a device on this thread.
 *
 * @throws LockstepError `ERR_DEVICE_UNAVAILABLE` (`details.attempts`: every library tried and why) for a GPU that is not
 *   available, `ERR_NATIVE_UNAVAILABLE` when the addon itself does not load, `ERR_CONFIG_INVALID` for an option.
 */
export function openDevice(options: OpenDeviceOptions = {}): Device {
  const wanted = options.device === undefined ? 'auto' : options.device;
  const limit = checkedLimit(options.memoryLimit);
  if (wanted === 'host') return openHost(loadNative(), limit, 'host, as asked');
  if (wanted === 'cuda' || wanted === 'hip') {
    const probe = probeGpu(loadNative(), wanted);
    throw new LockstepError(
      'ERR_DEVICE_UNAVAILABLE',
      `No ${wanted} device: ${probe.reason}. Ask for 'host', or 'auto' to take what is available.`,
      { device: wanted, attempts: probe.attempts },
    );
  }
  if (wanted !== 'auto') {
    throw new LockstepError(
      'ERR_CONFIG_INVALID',
      `device is ${JSON.stringify(wanted)}; it is one of 'auto', 'host', 'cuda', 'hip'.`,
      { device: wanted },
    );
  }
  const addon = loadNative();
  const refused = [probeGpu(addon, 'cuda'), probeGpu(addon, 'hip')];
  return openHost(addon, limit, `host, since ${refused.map((probe) => `${probe.kind}: ${probe.reason}`).join('; ')}`);
}

/** Every backend, whether it is available, and why or why not. Never throws: without the addon, no backend is available. */
export function probeDevices(): DeviceProbe[] {
  let addon: NativeAddon;
  try {
    addon = loadNative();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return (['host', 'cuda', 'hip'] as const).map((kind) => ({
      kind,
      available: false,
      reason,
      attempts: [{ library: 'lockstep.node', reason }],
    }));
  }
  const host: DeviceProbe = { kind: 'host', available: true, reason: 'kernels run on CPU threads', attempts: [] };
  return [host, probeGpu(addon, 'cuda'), probeGpu(addon, 'hip')];
}

function openHost(addon: NativeAddon, memoryLimit: number | null, choice: string): Device {
  return deviceOf(
    guarded(() => addon.openDevice('host', memoryLimit)),
    'host',
    choice,
  );
}

function checkedLimit(limit: number | undefined): number | null {
  if (limit === undefined) return null;
  if (!Number.isSafeInteger(limit) || limit < 0) {
    throw new LockstepError('ERR_CONFIG_INVALID', `memoryLimit is ${String(limit)}; give whole bytes, 0 or more.`, {
      memoryLimit: limit,
    });
  }
  return limit;
}

/** Tries to load the driver libraries; the first that loads ends the search. */
function probeGpu(addon: NativeAddon, kind: 'cuda' | 'hip'): DeviceProbe {
  const { variable, names } = GPU_LIBRARIES[kind];
  const override = process.env[variable];
  const attempts: DeviceAttempt[] = [];
  for (const library of override ? [override] : names) {
    const reason = addon.probeLibrary(library);
    if (reason === null) {
      attempts.push({ library, reason: `loads, but this build holds no ${kind.toUpperCase()} backend yet` });
      break;
    }
    attempts.push({ library, reason });
  }
  return { kind, available: false, reason: attempts.map((a) => a.reason).join('; '), attempts };
}
