import type { Limits } from '../config.js';
import type { Device, DeviceKind } from '../device/index.js';
import { LockstepError } from '../errors.js';
import { type KvPool, leastBlocks, mostBlocks } from '../kv-pool.js';
import { allGatherJsonSync, type Collective } from '../ranks/index.js';

/** What a rank says of its device, once its graphs are captured. */
interface PoolBid {
  /** The device's kind. */
  readonly kind: DeviceKind;
  /** Where its memory is; ranks of one place share it. */
  readonly place: string;
  /** Bytes that may be taken there by all, null where the device does not say; and by this rank alone, null without a limit. */
  readonly leftBytes: number | null;
  readonly ownBytes: number | null;
  readonly blockBytes: number;
  readonly heldBytes: number;
}

/** Bytes that a rank has for its pool, and whether its own limit is what bounds them. */
interface Room {
  readonly bytes: number;
  readonly isOwn: boolean;
}

/** What an agreement on the pool's size looks at. */
export interface PoolAgreement {
  readonly device: Device;
  readonly collective: Collective;
  /** The group's limits, whatever their `numBlocks` is. */
  readonly limits: Limits;
  readonly pool: KvPool;
  /** Bytes that a block takes on this rank. */
  readonly blockBytes: number;
  /** Bytes that the pool with which the graphs were captured takes now. */
  readonly heldBytes: number;
  readonly timeoutMs: number;
}

/**
 * The blocks of every rank's KV pool: the least that a rank has room for. Every rank calls it once its graphs are captured with a small
 * pool, and gets the same number, or the same error. Ranks of one memory share what it has left; no pool is larger than what
 * `maxNumSeqs` requests of `maxModelLen` tokens hold.
 * Errors: `ERR_DEVICE_MEMORY` where a device does not say what it has left, or a rank has no room for one longest request; what
 * `allGatherSync` throws.
 */
export function agreeOnBlocksSync(given: PoolAgreement): number {
  const { device, collective, limits, timeoutMs } = given;
  const { placement } = device;
  // All have captured before one looks at what is left, and all have looked before one goes on.
  allGatherJsonSync(collective, placement, { timeoutMs });
  const bids = allGatherJsonSync(collective, bidOf(given, placement), { timeoutMs });
  const silent = bids.findIndex(({ leftBytes }) => leftBytes === null);
  if (silent >= 0) throw silentError(silent, (bids[silent] as PoolBid).kind);
  const rooms = bids.map(({ place, leftBytes, ownBytes, heldBytes }): Room => {
    const shared = (leftBytes as number) / bids.filter((each) => each.place === place).length;
    const own = ownBytes ?? Infinity;
    return { bytes: Math.max(0, Math.floor(Math.min(shared, own) + heldBytes)), isOwn: own < shared };
  });
  const blocks = bids.map(({ blockBytes }, rank) => Math.floor((rooms[rank] as Room).bytes / blockBytes));
  const least = Math.min(...blocks);
  if (least < leastBlocks(limits)) {
    const rank = blocks.indexOf(least);
    const { blockBytes } = bids[rank] as PoolBid;
    const { bytes: roomBytes, isOwn } = rooms[rank] as Room;
    throw narrowError({ rank, blocks: least, blockBytes, roomBytes }, isOwn, given);
  }
  return Math.min(least, mostBlocks(limits));
}

function bidOf({ device, pool, blockBytes, heldBytes }: PoolAgreement, place: string): PoolBid {
  const { freeBytes, totalBytes } = device.capacity();
  const { limitBytes, peakBytes } = device.memory();
  const bid = { kind: device.kind, place, blockBytes, heldBytes };
  // The peak holds what captures reserve for a while.
  const ownBytes = limitBytes === null ? null : limitBytes - peakBytes;
  if (freeBytes === null) return { ...bid, leftBytes: null, ownBytes };
  // A card is filled up to the share, whoever holds what is in use. Of a machine's memory the share is of what is left.
  const leftBytes =
    totalBytes === null ? freeBytes * pool.utilization : freeBytes - (1 - pool.utilization) * totalBytes;
  return { ...bid, leftBytes, ownBytes };
}

function silentError(rank: number, kind: DeviceKind): LockstepError {
  return new LockstepError(
    'ERR_DEVICE_MEMORY',
    `numBlocks is auto, and the ${kind} device of rank ${rank} does not say how much memory it has left: give numBlocks a number.`,
    { rank, device: kind, options: ['numBlocks'] },
  );
}

function narrowError(
  found: { readonly rank: number; readonly blocks: number; readonly blockBytes: number; readonly roomBytes: number },
  isOwn: boolean,
  { limits, pool }: PoolAgreement,
): LockstepError {
  const { rank, blocks, blockBytes } = found;
  const least = leastBlocks(limits);
  const bound = isOwn ? 'within deviceMemory' : `with gpuMemoryUtilization ${pool.utilization}`;
  // A share of all of the memory cannot be raised.
  const raised = isOwn ? ['deviceMemory'] : pool.utilization < 1 ? ['gpuMemoryUtilization'] : [];
  const remedies = ['lower maxModelLen', ...raised.map((option) => `raise ${option}`)];
  return new LockstepError(
    'ERR_DEVICE_MEMORY',
    `The device of rank ${rank} has room for ${blocks} KV blocks of ${blockBytes} bytes beside weights and graphs, ${bound}, and one request of maxModelLen ${limits.maxModelLen} takes ${least}: ${remedies.join(', ')}, or capture fewer graphs.`,
    { ...found, least, options: ['maxModelLen', isOwn ? 'deviceMemory' : 'gpuMemoryUtilization'] },
  );
}
