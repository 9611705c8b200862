import type { MetadataBuild, MetadataExports } from '../memory/index.js';
import { loadNative } from '../native/index.js';

/**
 * The planner's metadata module as the addon has it, compiled for this machine from the same sources: for
 * `createPlanner({ wasm: { metadata: nativeMetadata() } })`. It computes the same tensors, bit for bit; a call costs more than
 * one into WebAssembly, long prompts less. Its functions are the planner's to call: they take rows, groups and offsets unchecked, and a wrong
 * one is an access outside the memory, where WebAssembly would trap. Errors: ERR_NATIVE_UNAVAILABLE.
 */
export function nativeMetadata(): MetadataBuild {
  const addon = loadNative();
  return (memory) => addon.bindMetadata(new Uint8Array(memory)) as unknown as MetadataExports;
}
