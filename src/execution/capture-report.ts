import type { Device, MemoryUse } from '../device/index.js';
import type { CaptureKey } from '../keys/index.js';
import type { CaptureLack } from '../ranks/index.js';
import type { KeyGraphs } from './key-graphs.js';

/** Whether this rank can go on with a key: either everything that it needs is reserved, or this says how much is lacking and why. */
export interface Readiness {
  readonly ready: boolean;
  readonly lackingBytes: number;
  readonly reason: CaptureLack;
}

/** One captured key, for the capture log. Source of the two growths: Megatron's capture log. */
export interface CaptureRecord {
  /** The key. */
  readonly key: CaptureKey;
  /** Graphs of the key: 1, or one a piece; more where collectives cut them. */
  readonly graphs: number;
  /** Nodes of its graphs together. */
  readonly nodes: number;
  /** Bytes the graphs themselves hold on the device. */
  readonly bytes: number;
  /** Growth of the device's peak memory in warm-up and capture, in bytes: 0 for a key that fitted into memory freed by others. */
  readonly reservedBytes: number;
  /** Growth of the memory that the device holds, in bytes: the graphs, and what the forward allocated in its warm-up. */
  readonly allocatedBytes: number;
  /** Growth of the graph pool's peak use, in bytes: 0 for a key that fitted. */
  readonly poolReservedBytes: number;
  /** Bytes of the pool that the key's graphs use. */
  readonly poolAllocatedBytes: number;
  /** Warm-up and capture. */
  readonly seconds: number;
}

/** A key that this rank did not capture, or holds no more. */
export interface SkippedKey {
  /** The key that is not captured. */
  readonly key: CaptureKey;
  /** Where it was given up: its list differed between ranks, or a rank could not warm it up, capture it, or make its graphs. */
  readonly stage: 'keys' | 'warm-up' | 'capture' | 'held';
  /** What this rank lacked: `nothing` where others did. */
  readonly reason: CaptureLack;
  /** Of a list that differed: the ranks whose plans lack the key. */
  readonly ranks?: readonly number[];
}

/** A size that has lost its other form: steps that want it run otherwise than the plan meant. */
export interface LostTwin {
  /** The key that is captured. */
  readonly key: CaptureKey;
  /** `plain`: an ubatched key whose plain twin is gone, so that ranks that disagree run eager. `ubatched`: the other way round. */
  readonly lacks: 'plain' | 'ubatched';
}

/** The outcome for every key of a plan. */
export interface CaptureReport {
  /** Keys that every rank captured, in the order of capture. */
  readonly captured: readonly CaptureRecord[];
  /** Keys that no rank holds, because some or all lacked what they need. */
  readonly skipped: readonly CaptureKey[];
  /** The same with why. */
  readonly dropped: readonly SkippedKey[];
  /** Keys that are captured and whose twin is not, though the plan had both. */
  readonly lostTwins: readonly LostTwin[];
}

/** One key is warmed up or captured. Units: bytes, seconds. */
export interface CaptureProgress {
  /** What was done: the warm-up, or the capture that follows it. */
  readonly stage: 'warm-up' | 'capture';
  /** From 1, of as many keys as are still to be captured. */
  readonly number: number;
  /** Keys that are still to be captured. */
  readonly of: number;
  /** The key. */
  readonly key: CaptureKey;
  /** Growth of the device's peak memory, in bytes; of a capture with its warm-up, as in its record. */
  readonly reservedBytes: number;
  /** Growth of the memory that the device holds, in bytes; of a capture with its warm-up. */
  readonly allocatedBytes: number;
  /** Seconds that it took. */
  readonly seconds: number;
}

/** Growth of a device's memory since `before`. */
export function grownSince(device: Device, before: MemoryUse): Pick<CaptureRecord, 'reservedBytes' | 'allocatedBytes'> {
  const { peakBytes, allocatedBytes } = device.memory();
  return {
    reservedBytes: peakBytes - before.peakBytes,
    allocatedBytes: allocatedBytes - before.allocatedBytes,
  };
}

/** What a key's graphs take. */
export function sizesOf(
  made: KeyGraphs,
): Pick<CaptureRecord, 'graphs' | 'nodes' | 'bytes' | 'poolReservedBytes' | 'poolAllocatedBytes'> {
  return {
    graphs: made.graphs.length,
    nodes: made.nodes,
    bytes: made.bytes,
    poolReservedBytes: made.reservedBytes,
    poolAllocatedBytes: made.allocatedBytes,
  };
}

/** Keys of `kept` whose twin was among `planned` and is not in `kept`. Twins differ in their parts alone. */
export function lostTwins(planned: readonly CaptureKey[], kept: readonly CaptureKey[]): LostTwin[] {
  const has = (keys: readonly CaptureKey[], of: CaptureKey): boolean =>
    keys.some((key) => shape(key) === shape(of) && key.parts > 1 !== of.parts > 1);
  return kept
    .filter((key) => has(planned, key) && !has(kept, key))
    .map((key) => ({ key, lacks: key.parts > 1 ? 'plain' : 'ubatched' }));
}

function shape({ parts, ...rest }: CaptureKey): string {
  return JSON.stringify(Object.values(rest));
}
