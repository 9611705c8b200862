import { nativeMetadata } from '../../dist/entry/native.js';
import type { WasmSources } from '../../dist/memory/modules.js';

/** The two ways in which the metadata sources are built, for `createPlanner({ wasm })` or `loadModules(wasm)`. */
export const METADATA_BUILDS: readonly (readonly [name: string, wasm: WasmSources])[] = [
  ['WebAssembly', {}],
  ['native', { metadata: nativeMetadata() }],
];
