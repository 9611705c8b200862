/** The part of the WebAssembly API the planner uses, typed here so that no browser library is needed to compile. */
export interface WasmMemory {
  readonly buffer: ArrayBuffer;
}
export type WasmModule = object;
interface WasmApi {
  readonly Memory: new (descriptor: { initial: number; maximum: number }) => WasmMemory;
  readonly Module: { new (bytes: ArrayBufferView | ArrayBuffer): WasmModule };
  readonly Instance: new (module: WasmModule, imports: object) => { readonly exports: object };
  compile(bytes: ArrayBufferView | ArrayBuffer): Promise<WasmModule>;
}

export const wasmApi: WasmApi = (globalThis as unknown as { WebAssembly: WasmApi }).WebAssembly;
