/** Formats of weights in a file; what is read is float32. */
export type WeightDtype = 'F32' | 'F16' | 'BF16';

/** Bytes of a value. */
export const DTYPE_BYTES: Readonly<Record<WeightDtype, number>> = Object.freeze({ F32: 4, F16: 2, BF16: 2 });

/** Whether weights of that format can be read. */
export function isWeightDtype(dtype: unknown): dtype is WeightDtype {
  return typeof dtype === 'string' && Object.hasOwn(DTYPE_BYTES, dtype);
}

/** Converts 16-bit floats to the bits of the float32 of the same value; NaNs keep their sign and payload. */
export function widen(dtype: 'F16' | 'BF16', from: Uint16Array, into: Uint32Array): void {
  if (dtype === 'BF16') {
    for (let i = 0; i < from.length; i++) into[i] = from[i] << 16;
  } else {
    for (let i = 0; i < from.length; i++) into[i] = halfToFloat(from[i]);
  }
}

/** Converts bits of float32 to 16-bit floats, to the nearest, of two to the even one. */
export function narrow(dtype: 'F16' | 'BF16', from: Uint32Array, into: Uint16Array): void {
  const convert = dtype === 'BF16' ? floatToBfloat : floatToHalf;
  for (let i = 0; i < from.length; i++) into[i] = convert(from[i]);
}

/** Bits of a float32 of those of an IEEE half. */
function halfToFloat(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 0x1f;
  const mantissa = half & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f800000 | (mantissa << 13);
  if (exponent > 0) return sign | ((exponent + 112) << 23) | (mantissa << 13);
  if (mantissa === 0) return sign;
  // A subnormal half is a normal float: its leading bit becomes the hidden one.
  const shift = Math.clz32(mantissa) - 21;
  return sign | ((113 - shift) << 23) | (((mantissa << shift) & 0x3ff) << 13);
}

function floatToHalf(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const rest = bits & 0x7fffffff;
  // A NaN stays one, whatever of its payload is cut off.
  if (rest > 0x7f800000) return sign | 0x7e00 | ((rest >>> 13) & 0x3ff);
  // 65520 and above rounds to infinity.
  if (rest >= 0x477ff000) return sign | 0x7c00;
  if (rest >= 0x38800000) return sign | roundShift(rest - 0x38000000, 13);
  const exponent = rest >>> 23;
  // Below half of the least subnormal, 2^-25, everything rounds to 0.
  if (exponent < 102) return sign;
  return sign | roundShift((rest & 0x7fffff) | 0x800000, 126 - exponent);
}

function floatToBfloat(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return roundShift(bits >>> 0, 16) & 0xffff;
}

/** `value / 2^shift`, to the nearest, of two to the even one. A carry out of the mantissa raises the exponent, as it should. */
function roundShift(value: number, shift: number): number {
  const half = 2 ** (shift - 1);
  const odd = Math.floor(value / 2 ** shift) % 2;
  return Math.floor((value + half - 1 + odd) / 2 ** shift);
}
