/** The part of the WebAssembly API the planner uses, typed here so that no browser library is needed to compile. */
export interface WasmMemory {
  readonly buffer: ArrayBuffer;
}
export type WasmModule = object;
interface WasmApi {
  readonly Memory: new (descriptor: { initial: number; maximum: number }) => WasmMemory;
  readonly Module: { new (bytes: ArrayBufferView | ArrayBuffer): WasmModule };
  readonly Instance: new (module: WasmModule, imports: object) => { readonly exports: object };
  validate(bytes: ArrayBufferView | ArrayBuffer): boolean;
  compile(bytes: ArrayBufferView | ArrayBuffer): Promise<WasmModule>;
}

export const wasmApi: WasmApi = (globalThis as unknown as { WebAssembly: WasmApi }).WebAssembly;

/** A module of one function that splats a byte and counts its bits: it validates where the engine has 128-bit SIMD. */
const SIMD_MODULE = Uint8Array.of(
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0],
  ...[10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11],
);

/** Whether this engine runs 128-bit SIMD. */
export function hasSimd(): boolean {
  return wasmApi.validate(SIMD_MODULE);
}
