import type { DeviceModule, Kernel } from '../device/index.js';

const NAMES = [
  'embed',
  'rms_norm',
  'matmul',
  'add',
  'rotate',
  'kv_store',
  'attend',
  'swiglu',
  'take_rows',
  'join_columns',
  'sample',
  'accept_drafts',
  'advance_positions',
  'device_inputs',
  'route',
  'expert_matmul',
  'combine',
  'fill',
] as const;

/** The built-in kernels that a decoder launches, by name. */
export type DecoderKernels = Readonly<Record<(typeof NAMES)[number], Kernel>>;

export function decoderKernels(module: DeviceModule): DecoderKernels {
  return Object.fromEntries(NAMES.map((name) => [name, module.kernel(name)])) as DecoderKernels;
}

const BITS = new DataView(new ArrayBuffer(4));

/** A float as kernels take it: the int32 of its float32 bits. */
export function floatBits(value: number): number {
  BITS.setFloat32(0, value);
  return BITS.getInt32(0);
}
