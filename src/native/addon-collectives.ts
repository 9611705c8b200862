import type { NativeBuffer } from './addon-memory.js';
import type { NativeStream } from './addon-streams.js';

/** A rank's side of a group within the process or of an MPI job: the handle behind a `Communicator`. An exchange is post, arrived, collect. */
export interface NativeCommunicator {
  /**
   * Begins an exchange with `bytes` of a buffer, once `stream` has come so far. Ranks whose signatures differ get ERR_RANKS_DIVERGED. `shares`
   * are two numbers for each rank, which processes need: byte of what is posted that it takes, and bytes.
   */
  post(
    stream: NativeStream,
    send: NativeBuffer,
    byteOffset: number,
    bytes: number,
    signature: Int32Array,
    shares?: Float64Array,
  ): void;
  /** Waits at most `min(ms, 50)` milliseconds; whether all ranks have posted, and processes have exchanged their shares. */
  arrived(ms: number): boolean;
  /** `copies` are four numbers each: rank, byte of what it posted, byte behind `byteOffset`, bytes. */
  collect(stream: NativeStream, into: NativeBuffer, byteOffset: number, copies: Float64Array): void;
  /** Ranks that the exchange under way waits for. */
  missing(): number[];
  /** Ends the group because of `culprits`, or of this rank where they are none. */
  abort(code: string, reason: string, culprits: Int32Array): void;
  /** Leaves the group. */
  leave(): void;
  /** Waits at most `min(ms, 50)` milliseconds until neither peers nor copies read this rank's memory, and frees it. */
  released(ms: number): boolean;
}

/** A rank's side of a group of NCCL or RCCL: the handle behind an `NcclCommunicator`. */
export interface NativeNccl {
  /** Begins a collective: its kind by number, where it reads and writes (a buffer, its byte offset, bytes), elements of each rank. */
  begin(
    stream: NativeStream,
    kind: number,
    send: NativeBuffer,
    sendOffset: number,
    sendBytes: number,
    recv: NativeBuffer,
    recvOffset: number,
    recvBytes: number,
    counts: Float64Array,
  ): void;
  /** Waits at most `min(ms, 50)` milliseconds; whether it is on its stream. */
  settled(ms: number): boolean;
  /** Ends the group with an error of this code. */
  abort(code: string, reason: string): void;
  /** Leaves the group. */
  leave(): void;
  /** Waits at most `min(ms, 50)` milliseconds until the communicators have ended. */
  released(ms: number): boolean;
  /** Leaves them to themselves: the device is lost. */
  giveUp(): void;
}
