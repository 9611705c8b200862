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

/** Bytes on their way from a buffer to JS: staged natively, since JS memory can move or go while a stream runs. */
export interface NativeReadback {
  /** Copies the staged bytes; `ERR_DEVICE_BUSY` before the stream has filled them. */
  copyTo(into: ArrayBufferView): void;
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
