import type { Faults } from '../checks.js';
import { blocksOf, type Limits } from '../config.js';
import type { Device } from '../device/index.js';
import { LockstepError, shown } from '../errors.js';
import { allGatherBytesSync, type Collective } from '../ranks/index.js';

/** How a KV pool is sized by the memory that its device has left. */
export interface KvPool {
  /** Share of the device's memory that may be in use, above 0, 1 at most. */
  readonly utilization: number;
}

/** Source: vLLM's default of `gpu_memory_utilization`. */
const UTILIZATION = 0.9;

/** Limits as they are given where blocks may be `'auto'`. */
type GivenLimits = Partial<Omit<Limits, 'numBlocks'>> & { readonly numBlocks?: number | 'auto' | undefined };

/** The pool that given limits ask for, null where they say a number or nothing, and the other limits. Notes what is wrong. */
export function poolOf(
  given: GivenLimits | undefined,
  utilization: number | undefined,
  faults: Faults,
): { readonly pool: KvPool | null; readonly limits: Partial<Limits> | undefined } {
  const isObject = typeof given === 'object' && given !== null && !Array.isArray(given);
  faults.check(given === undefined || isObject, `limits is ${shown(given)}; it must be an object`, 'limits');
  const isAuto = given?.numBlocks === 'auto';
  if (utilization !== undefined) {
    const isShare = typeof utilization === 'number' && utilization > 0 && utilization <= 1;
    const remedy = 'it must be a number above 0, 1 at most';
    faults.check(isShare, `gpuMemoryUtilization is ${shown(utilization)}; ${remedy}`, 'gpuMemoryUtilization');
    faults.check(
      !isShare || isAuto,
      'gpuMemoryUtilization is given, and numBlocks is not auto, which it is for: leave it out, or set numBlocks to auto',
      'gpuMemoryUtilization',
      'numBlocks',
    );
  }
  if (!isAuto) return { pool: null, limits: given as Partial<Limits> | undefined };
  const { numBlocks: _auto, ...limits } = given;
  return { pool: { utilization: utilization ?? UTILIZATION }, limits };
}

/** Blocks of a pool that holds one request of `maxModelLen` tokens, the null block included. */
export function leastBlocks(limits: Pick<Limits, 'maxModelLen' | 'blockSize'>): number {
  return blocksOf(1, limits);
}

/** Blocks that the requests of a step can hold at most, the null block included, as far as ids of blocks reach. */
export function mostBlocks(
  limits: Pick<Limits, 'maxModelLen' | 'blockSize' | 'kernelBlockSize' | 'maxNumSeqs'>,
): number {
  const { blockSize, kernelBlockSize, maxNumSeqs } = limits;
  const ids = Math.floor((2 ** 31 - 1) / (blockSize / kernelBlockSize));
  return Math.min(blocksOf(maxNumSeqs, limits), ids);
}

/** What a rank says of its device, once its graphs are captured. */
interface PoolBid {
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
  gather(collective, placement, timeoutMs);
  const bids = gather(collective, bidOf(given, placement), timeoutMs);
  const silent = bids.findIndex(({ leftBytes }) => leftBytes === null);
  if (silent >= 0) throw silentError(silent, device.kind);
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
  const bid = { place, blockBytes, heldBytes };
  // The peak holds what captures reserve for a while.
  const ownBytes = limitBytes === null ? null : limitBytes - peakBytes;
  if (freeBytes === null) return { ...bid, leftBytes: null, ownBytes };
  // A card is filled up to the share, whoever holds what is in use. Of a machine's memory the share is of what is left.
  const leftBytes =
    totalBytes === null ? freeBytes * pool.utilization : freeBytes - (1 - pool.utilization) * totalBytes;
  return { ...bid, leftBytes, ownBytes };
}

function gather<T>(collective: Collective, value: T, timeoutMs: number): T[] {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  const all = allGatherBytesSync(collective, bytes, { timeoutMs });
  return all.map((each) => JSON.parse(new TextDecoder().decode(each)) as T);
}

function silentError(rank: number, kind: string): LockstepError {
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
