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

/** A device of the addon: the handle behind a `Device`. */
export interface NativeDevice {
  /** The backend: 'host', 'cuda' or 'hip'. */
  readonly kind: string;
  /** Which device it is, and why this one. */
  readonly choice: string;
  /** Memory of so many bytes. Errors: ERR_DEVICE_MEMORY, ERR_DEVICE_CAPTURE. */
  allocate(bytes: number): NativeBuffer;
  /** `priority`: 0, the least, or more; a device has as many as it has. */
  createStream(priority?: number): NativeStream;
  /** A point in a queue, which is not recorded yet. */
  createEvent(): NativeEvent;
  /** Scratch memory for graphs, empty. */
  createPool(): NativePool;
  /** Joins the ranks of this process that name the same group. */
  joinLocal(group: string, rank: number, size: number): NativeCommunicator;
  /** Joins the processes of the MPI job, with a host device each; `spins`: looks for a message before the thread yields. */
  joinMpi(spins: number): NativeCommunicator;
  /** Joins ranks with a GPU each: `ids` has 128 bytes for each stream; `ms` is the longest that a collective takes. */
  joinNccl(ids: Uint8Array, rank: number, size: number, ms: number): NativeNccl;
  /** Built-in kernels without a path, else the table a shared library exports. */
  loadModule(path?: string): NativeModule;
  /** Kernels compiled for a GPU, which have no table; `name` is what messages call the image. */
  loadImage(image: Uint8Array, name: string): NativeModule;
  /** Null where the device reads and writes the view's memory itself, else why its copies take a way round. */
  bindArena(view: Uint8Array): string | null;
  /** Which device it is, and its memory as a whole. */
  facts(): NativeDeviceFacts;
  /** What it holds now. */
  memory(): NativeMemoryUse;
  /** Why it takes no more work, or null; also when it is disposed. */
  failure(): Error | null;
  /** What stays with the driver, since it could not be let go of: counts by kind. */
  givenUp(): NativeGivenUp;
  /** Ends the device. */
  dispose(): void;
}

/** Things that stay with a driver until the process ends, by kind; a kind without any is left out. */
export interface NativeGivenUp {
  /** Allocations of device memory. */
  readonly memory?: number;
  /** Allocations of pinned host memory. */
  readonly pinned?: number;
  /** Arenas that stay registered. */
  readonly arenas?: number;
  /** Streams that could not be ended. */
  readonly streams?: number;
  /** Events that could not be freed. */
  readonly events?: number;
  /** Captured graphs. */
  readonly recordings?: number;
  /** Executable graphs that could not be freed. */
  readonly graphs?: number;
  /** Modules that could not be unloaded. */
  readonly modules?: number;
  /** Communicators of NCCL or RCCL. */
  readonly communicators?: number;
}

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

/** Which device it is, and its memory as a whole, whoever holds it. */
export interface NativeDeviceFacts {
  /** The backend: 'host', 'cuda' or 'hip'. */
  readonly kind: string;
  /** The driver's name of the card, or the processor's. */
  readonly name: string;
  /** What kernels are compiled for: `x86_64`, `sm_90`. */
  readonly arch: string;
  /** Threads that run in step. */
  readonly warp: number;
  /** As the vendor counts; 0 without a driver. */
  readonly driverVersion: number;
  /** Empty without one. */
  readonly pci: string;
  /** Bytes that are free now. */
  readonly freeBytes: number;
  /** Bytes of the device in all. */
  readonly totalBytes: number;
}

/** What a device holds now, in bytes and objects. */
export interface NativeMemoryUse {
  /** Bytes held by buffers and graphs together. */
  readonly allocatedBytes: number;
  /** The largest `allocatedBytes` so far. */
  readonly peakBytes: number;
  /** The `memoryLimit` the device was opened with; null without one. */
  readonly limitBytes: number | null;
  /** Buffers not disposed. */
  readonly buffers: number;
  /** Graphs not disposed. */
  readonly graphs: number;
  /** The part of `allocatedBytes` that graphs hold. */
  readonly graphBytes: number;
}

/** Device memory: the handle behind a `DeviceBuffer`. */
export interface NativeBuffer {
  /** Number of the buffer; never used again on its device. */
  readonly id: number;
  /** Its size in bytes. */
  readonly bytes: number;
  /** A part of it as a buffer of its own, which keeps it. */
  range(byteOffset: number, bytes: number): NativeBuffer;
  /** Frees it. Errors: ERR_DEVICE_BUSY while a live graph has its address. */
  dispose(): void;
}

/** A kernel of a module, and what it takes. */
export interface NativeKernelInfo {
  /** Name of the kernel. */
  readonly name: string;
  /** What it takes, in the order of a launch. */
  readonly arguments: readonly NativeKernelParameter[];
}

/** One argument that a kernel takes, in the order of its launch. */
export interface NativeKernelParameter {
  /** Name of the argument. */
  readonly name: string;
  /** `in`, `out` and `inout` take a buffer; `i32` and `i64` a scalar, baked in when captured. */
  readonly kind: 'in' | 'out' | 'inout' | 'i32' | 'i64';
}

/** Loaded kernels: the handle behind a `DeviceModule`. */
export interface NativeModule {
  /** Empty for an image. */
  readonly kernels: readonly NativeKernelInfo[];
  /** Finds an entry point of an image, for `launchRaw`. */
  entry(name: string): void;
  /** Unloads the kernels. */
  dispose(): void;
}

/** An argument of a launch: a buffer, whose byte offset is passed beside it, or a scalar. */
export type NativeArgument = NativeBuffer | number | bigint;

/** An in-order queue of work: the handle behind a `DeviceStream`. */
export interface NativeStream {
  /** Number of the stream; never used again on its device. */
  readonly id: number;
  /** `kernel` is an index into `module.kernels`; `offsets[i]` is the byte offset into a buffer argument. */
  launch(module: NativeModule, kernel: number, args: readonly NativeArgument[], offsets: readonly number[]): void;
  /**
   * Launches an entry point of an image. Beside a buffer stands its offset, beside a word its bytes, 4 or 8. `sizes` are grid, block and
   * cluster as x, y, z, bytes of shared memory, 1 for a cooperative launch, and how many of the last parameters the kernel may lack.
   */
  launchRaw(
    module: NativeModule,
    entry: string,
    args: readonly (NativeBuffer | bigint)[],
    beside: readonly number[],
    sizes: readonly number[],
  ): void;
  /** Copies `source` now, and enqueues its copy into the buffer. In a capture it is baked. */
  upload(buffer: NativeBuffer, byteOffset: number, source: ArrayBufferView): void;
  /** Enqueues a copy within the device's memory; `name` is what `order` calls it. The two ranges may not overlap. */
  copy(from: NativeBuffer, fromOffset: number, to: NativeBuffer, toOffset: number, bytes: number, name: string): void;
  /** Enqueues the copy of so many bytes to the host. */
  readback(buffer: NativeBuffer, byteOffset: number, bytes: number): NativeReadback;
  /** Moves the event to this place in the queue. */
  record(event: NativeEvent): void;
  /** Later work waits for the last `record` of the event. */
  wait(event: NativeEvent): void;
  /** Enqueues a replay. Errors: ERR_DEVICE_BUSY, ERR_DEVICE_MISMATCH. */
  launchGraph(graph: NativeGraph): void;
  /** Records from here on what is enqueued, instead of running it. What is taken from the pool counts as the graph's. */
  beginCapture(pool?: NativePool): void;
  /** Ends the capture. Errors: ERR_DEVICE_CAPTURE. */
  endCapture(): NativeRecording;
  /** Ends the capture and drops what was recorded. Errors: ERR_DEVICE_CAPTURE. */
  abandonCapture(): void;
  /** Whether what is enqueued is recorded. */
  capturing(): boolean;
  /** Sets where in the arena `submit` reads its commands, and how many at most. */
  setCommandBlock(byteOffset: number, maxCommands: number): void;
  /** Enqueues the command block of the arena: all of it, or nothing where a command is invalid. Default the place that was set. */
  submit(byteOffset?: number): void;
  /** Waits at most `min(ms, 50)` milliseconds (0 only looks); whether all work enqueued so far is done. */
  waitSlice(ms: number): boolean;
  /** An event recorded here, to wait for off the JS thread while later work is enqueued. */
  mark(): NativeEvent;
  /** Ends the stream. */
  dispose(): void;
}

/** Bytes on their way from a buffer to JS: staged natively, since JS memory can move or go while a stream runs. */
export interface NativeReadback {
  /** Copies the staged bytes; `ERR_DEVICE_BUSY` before the stream has filled them. */
  copyTo(into: ArrayBufferView): void;
}

/** A point in a stream's queue: the handle behind a `DeviceEvent`. */
export interface NativeEvent {
  /** Number of the event; never used again on its device. */
  readonly id: number;
  /** Whether it is reached. */
  query(): boolean;
  /** A separate event at the point where this one was recorded last: it stays there when this one is recorded again. */
  last(): NativeEvent;
  /** Waits at most `min(ms, 50)` milliseconds (0 only looks); whether it is reached. */
  waitSlice(ms: number): boolean;
  /** The same on Node's thread pool. */
  waitSliceAsync(ms: number): Promise<boolean>;
  /** Frees the event. */
  dispose(): void;
}

/** What was recorded, and what waits for what. */
export interface NativeCapturedOrder {
  /** Kernels by name, `upload`, and copies by the name they were given; the stream's id. */
  readonly nodes: readonly { readonly name: string; readonly stream: number }[];
  /** Pairs of nodes, by index: the second waits for the first. */
  readonly edges: readonly (readonly [number, number])[];
}

/** Recorded work that is no graph yet. */
export interface NativeRecording {
  /** Nodes that were recorded. */
  readonly nodes: number;
  /** What was recorded, and what waits for what. */
  order(): NativeCapturedOrder;
  /** Makes the graph, once. Errors: ERR_DEVICE_MEMORY, ERR_DEVICE_CAPTURE, ERR_DISPOSED. */
  instantiate(): NativeGraph;
  /** Drops what was recorded. */
  dispose(): void;
}

/** Scratch memory that graphs share. */
export interface NativePool {
  /** Number of the pool. */
  readonly id: number;
  /** The buffer that `take` allocates from: replaced when it had to grow; undefined until the first `take`. */
  readonly buffer?: NativeBuffer;
  /** The byte of `buffer` at which the piece begins. */
  take(bytes: number): number;
  /** Everything may be taken again. */
  reset(): void;
  /** The most bytes ever taken between two resets, and those taken since the last one. */
  sizes(): { readonly reservedBytes: number; readonly allocatedBytes: number };
  /** Frees the buffer. Errors: ERR_DEVICE_BUSY while a live graph has its address. */
  dispose(): void;
}

/** Instantiated work: the handle behind a `DeviceGraph`. */
export interface NativeGraph {
  /** Number of the graph. */
  readonly id: number;
  /** Recorded launches and uploads. */
  readonly nodes: number;
  /** Bytes that the graph itself holds, baked uploads included. */
  readonly bytes: number;
  /** The part of `bytes` that a driver took: an estimate, by what was free before and after. */
  readonly driverBytes: number;
  /** By how much the pool's peak use grew for it, in bytes; 0 without a pool. */
  readonly reservedBytes: number;
  /** Bytes of its pool that it uses. */
  readonly allocatedBytes: number;
  /** Frees the graph once queued launches of it are done. */
  dispose(): void;
}

/**
 * MPI of this process, which all of its threads share, one call at a time. Messages are int32 words with a tag. Errors that MPI
 * returns are `ERR_RANK_LOST`.
 */
export interface NativeMpi {
  /** Opens a library by its name: its version, or the reason why it does not serve. Once MPI has started, it stays. */
  load(name: string): { readonly version: string } | string;
  /**
   * Starts MPI with the library that `load` opened last, or finds it started; blocks until every process of the job has called it.
   * `host` is a number that processes share which see each other's process ids; `first`: whether this call started it.
   */
  start(host: number): { readonly rank: number; readonly size: number; readonly first: boolean };
  /** So many MPI_Allgather of rows of so many int32, one after the other: blocks until all processes have done the same. */
  allgather(words: number, rounds: number): void;
  /** The tag of the next group, from 1. */
  nextGroup(): number;
  /** Copies the first `count` words, and sends them. */
  send(peer: number, tag: number, words: Int32Array, count: number): void;
  /**
   * Opens a group of messages with this tag, of at most `capacity` words, and gives its number. `board` holds this rank's sequence, the last
   * one whose row has come of each rank, and two tables, by the parity of the sequence: rows that come in turn are put there. Null for none.
   */
  openGroup(tag: number, capacity: number, board: Int32Array | null, rowWords: number): number;
  /** Receives no more messages of the group. */
  closeGroup(group: number): void;
  /**
   * Waits at most `min(ms, 50)` milliseconds for a message of the group and copies it. It looks `spins` times before it lets other
   * threads run, and later sleeps; with 0 it sleeps between all looks. Returns the rank that sent it; -1 without a message; -2 where rows
   * came that are on the board now.
   */
  receive(group: number, words: Int32Array, ms: number, spins: number): number;
  /**
   * Sends the first `count` words to all other ranks, and waits as `receive` does until the rows of all are on the board and nothing else
   * has come: -2. Any other message ends the wait: the rank that sent it; -3 - rank where it had come before and nothing was sent.
   */
  gather(group: number, row: Int32Array, count: number, words: Int32Array, ms: number, spins: number): number;
  /** Whether a message of the group has come, after at most `min(ms, 50)` milliseconds on Node's thread pool. `poke` ends it. */
  waitAsync(group: number, ms: number): Promise<boolean>;
  /** Ends a wait of `waitAsync`. */
  poke(): void;
  /** Whether a rank's process, on this host, has ended. False where it cannot be seen. */
  peerEnded(peer: number): boolean;
  /** MPI_Abort: ends every process of the job, this one at once. */
  abort(code: number): void;
  /** MPI_Finalize: returns when every rank has called it. */
  finalize(): void;
}
