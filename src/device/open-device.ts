import { checkArguments } from '../checks.js';
import { type ErrorDetails, LockstepError, shown } from '../errors.js';
import { DEVICE_PATTERN, DEVICE_WORDS } from '../names.js';
import { loadNative, type NativeAddon } from '../native/index.js';
import { guarded } from './addon-errors.js';
import { type Device, type DeviceName, deviceOf } from './device.js';
import { hipKernels } from './hip-kernels.js';
import { type DeviceAttempt, probeGpu } from './probe-devices.js';

/** Options of `openDevice`. */
export interface OpenDeviceOptions {
  /**
   * `auto` takes the first of CUDA, HIP and host that opens, and says why; a kind or a card (`cuda:1`) opens or throws, without a
   * fallback. Default `auto`.
   */
  readonly device?: 'auto' | DeviceName;
  /** Bytes that buffers and graphs may hold together; default: no limit but the machine's. */
  readonly memoryLimit?: number;
  /**
   * This rank's number on its machine, which chooses a card where none is named; ranks beyond the cards share them. Default: what
   * the launcher says (`LOCKSTEP_LOCAL_RANK`, or a variable of Open MPI, MPICH, Slurm and others), else 0.
   */
  readonly localRank?: number;
}

/**
 * Opens a device on this thread.
 *
 * @throws LockstepError `ERR_DEVICE_UNAVAILABLE` (`details.attempts`: every library tried and why) for a GPU that is not
 *   available, `ERR_NATIVE_UNAVAILABLE` when the addon itself does not load, `ERR_CONFIG_INVALID` for an option.
 */
export function openDevice(options: OpenDeviceOptions = {}): Device {
  checkArguments('openDevice', { options: [options, 'object'] });
  const wanted: unknown = options.device === undefined ? 'auto' : options.device;
  if (typeof wanted !== 'string' || !DEVICE_PATTERN.test(wanted)) {
    throw new LockstepError('ERR_CONFIG_INVALID', `device is ${shown(wanted)}; it is ${DEVICE_WORDS}.`, {
      device: wanted,
    });
  }
  const memoryLimit = wholeOption('memoryLimit', options.memoryLimit, 'bytes');
  const localRank = wholeOption('localRank', options.localRank, 'rank');
  const way: Way = { addon: loadNative(), memoryLimit, localRank };
  if (wanted === 'auto') return openAny(way);
  return wanted === 'host' ? openHost(way, 'host, as asked') : openGpu(way, wanted);
}

/** How a device is opened, whichever it is. */
interface Way {
  readonly addon: NativeAddon;
  readonly memoryLimit: number | null;
  readonly localRank: number | null;
}

/** The first that opens. Only what is not available is passed over, with its reason. */
function openAny(way: Way): Device {
  const refused: string[] = [];
  for (const kind of ['cuda', 'hip'] as const) {
    try {
      return openGpu(way, kind);
    } catch (error) {
      if (!(error instanceof LockstepError && error.code === 'ERR_DEVICE_UNAVAILABLE')) throw error;
      refused.push(`${kind}: ${String(error.details.reason)}`);
    }
  }
  return openHost(way, `host, since ${refused.join('; ')}`);
}

function openHost({ addon, memoryLimit }: Way, choice: string): Device {
  return deviceOf(
    guarded(() => addon.openDevice('host', memoryLimit)),
    'host',
    choice,
  );
}

function openGpu({ addon, memoryLimit, localRank }: Way, name: string): Device {
  const kind = name.startsWith('cuda') ? 'cuda' : 'hip';
  const probe = probeGpu(addon, kind);
  if (!probe.available) throw unavailable(name, probe.reason, probe.attempts);
  try {
    const kernels = (arch: string) => hipKernels(arch, probe.driver?.library ?? null);
    const native = guarded(() => addon.openDevice(name, memoryLimit, localRank, kernels));
    return deviceOf(native, kind, native.choice);
  } catch (error) {
    if (!(error instanceof LockstepError && error.code === 'ERR_DEVICE_UNAVAILABLE')) throw error;
    throw unavailable(name, error.message.replace(/\.$/, ''), probe.attempts, error.details);
  }
}

function unavailable(
  device: string,
  reason: string,
  attempts: readonly DeviceAttempt[],
  details: ErrorDetails = {},
): LockstepError {
  return new LockstepError(
    'ERR_DEVICE_UNAVAILABLE',
    `No ${device} device: ${reason}. Ask for 'host', or 'auto' to take what is available.`,
    { ...details, device, reason, attempts },
  );
}

function wholeOption(name: string, value: number | undefined, unit: string): number | null {
  if (value === undefined) return null;
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new LockstepError(
    'ERR_CONFIG_INVALID',
    `${name} is ${shown(value)}; give a whole number (${unit}), 0 or more.`,
    {
      [name]: value,
    },
  );
}
