/** Global memory of an interpreted launch: allocations far apart, so that an access beside one is in none. */
export class GlobalMemory {
  readonly #allocations: { readonly begin: bigint; readonly bytes: DataView }[] = [];

  /** Takes the bytes as they are, written in place; answers with their address, a multiple of 256. */
  allocate(bytes: Uint8Array): bigint {
    const begin = 0x7f00_0000_0000n + BigInt(this.#allocations.length) * 0x1_0000_0000n;
    this.#allocations.push({ begin, bytes: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) });
    return begin;
  }

  /** The unsigned value of `bytes` bytes. Throws for an address outside every allocation, or not aligned to `bytes`. */
  load(address: bigint, bytes: number): bigint {
    const { view, at } = this.#place(address, bytes, 'load');
    if (bytes === 8) return view.getBigUint64(at, true);
    return BigInt(bytes === 4 ? view.getUint32(at, true) : bytes === 2 ? view.getUint16(at, true) : view.getUint8(at));
  }

  /** Writes the low bytes of an unsigned value. Throws as `load` does. */
  store(address: bigint, bytes: number, value: bigint): void {
    const { view, at } = this.#place(address, bytes, 'store');
    if (bytes === 8) view.setBigUint64(at, BigInt.asUintN(64, value), true);
    else if (bytes === 4) view.setUint32(at, Number(BigInt.asUintN(32, value)), true);
    else if (bytes === 2) view.setUint16(at, Number(BigInt.asUintN(16, value)), true);
    else view.setUint8(at, Number(BigInt.asUintN(8, value)));
  }

  #place(address: bigint, bytes: number, what: string): { view: DataView; at: number } {
    for (const { begin, bytes: view } of this.#allocations) {
      const at = address - begin;
      if (at < 0n || at + BigInt(bytes) > BigInt(view.byteLength)) continue;
      if (at % BigInt(bytes) !== 0n)
        throw new RangeError(`${what} of ${bytes} bytes at a multiple of less: byte ${at}`);
      return { view, at: Number(at) };
    }
    throw new RangeError(`${what} of ${bytes} bytes outside every allocation, at 0x${address.toString(16)}`);
  }
}
