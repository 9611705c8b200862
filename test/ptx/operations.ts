/** A value of a type such as s32, from the unsigned bits that a register holds. */
export function typed(type: string, bits: bigint): bigint {
  const width = widthOf(type);
  return type.startsWith('s') ? BigInt.asIntN(width, bits) : BigInt.asUintN(width, bits);
}

/** Bits of a type: 64 of s64, 1 of pred. */
export function widthOf(type: string): number {
  if (type === 'pred') return 1;
  const width = /^[usb](8|16|32|64)$/.exec(type)?.[1];
  if (width === undefined) throw new SyntaxError(`no type of PTX that is known here: ${type}`);
  return Number(width);
}

/** The type of the bits that instructions move without computing: those of a float are words. */
export function movedType(type: string): string {
  return type === 'f32' ? 'b32' : type;
}

type Compute = (type: string, ...operands: bigint[]) => bigint;

/** Instructions of the form `name.type d, a, b, …`, on values of their type. A quotient by zero is all ones, as on a GPU. */
const ARITHMETIC: Readonly<Record<string, Compute>> = {
  add: (_, a, b) => a + b,
  sub: (_, a, b) => a - b,
  'mul.lo': (_, a, b) => a * b,
  'mad.lo': (_, a, b, c) => a * b + c,
  div: (_, a, b) => (b === 0n ? -1n : a / b),
  rem: (_, a, b) => (b === 0n ? a : a % b),
  min: (_, a, b) => (a < b ? a : b),
  max: (_, a, b) => (a > b ? a : b),
  neg: (_, a) => -a,
  and: (_, a, b) => a & b,
  or: (_, a, b) => a | b,
  xor: (_, a, b) => a ^ b,
  not: (_, a) => ~a,
  mov: (_, a) => a,
  selp: (_, a, b, predicate) => (predicate === 0n ? b : a),
  shl: (type, a, b) => (b >= BigInt(widthOf(type)) ? 0n : a << b),
  shr: (type, a, b) => a >> (b > BigInt(widthOf(type)) ? BigInt(widthOf(type)) : b),
  // The low `length` bits of a, put into b at `place`.
  bfi: (_, a, b, place, length) => {
    const mask = ((1n << length) - 1n) << place;
    return (b & ~mask) | ((a << place) & mask);
  },
};

/** Operands that are not of the instruction's type, by the instruction. */
const COUNTS: Readonly<Record<string, readonly number[]>> = { shl: [1], shr: [1], bfi: [2, 3], selp: [2] };

const COMPARE: Readonly<Record<string, (a: bigint, b: bigint) => boolean>> = {
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  lt: (a, b) => a < b,
  le: (a, b) => a <= b,
  gt: (a, b) => a > b,
  ge: (a, b) => a >= b,
};

const view = new DataView(new ArrayBuffer(4));

/** The float32 that 32 bits hold. */
function floatOf(bits: bigint): number {
  view.setUint32(0, Number(BigInt.asUintN(32, bits)));
  return view.getFloat32(0);
}

/** The bits of a number rounded to float32; of what is not one, those that a GPU gives. */
function bitsOf(value: number): bigint {
  if (Number.isNaN(value)) return 0x7fff_ffffn;
  view.setFloat32(0, value);
  return BigInt(view.getUint32(0));
}

/**
 * Instructions of the form `name.f32 d, a, b` on floats, each rounded once, to nearest: in float64 these operations have more than twice the
 * bits, so that rounding again changes nothing. A multiply-add is not among them, nor is anything approximate.
 */
const FLOATS: Readonly<Record<string, (a: number, b: number) => number>> = {
  'add.rn': (a, b) => a + b,
  'sub.rn': (a, b) => a - b,
  'mul.rn': (a, b) => a * b,
  'div.rn': (a, b) => a / b,
};

/** Comparisons of floats; those that end in u are true where one of the two is no number. */
const COMPARE_FLOATS: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  eq: (a, b) => a === b,
  ne: (a, b) => a < b || a > b,
  lt: (a, b) => a < b,
  le: (a, b) => a <= b,
  gt: (a, b) => a > b,
  ge: (a, b) => a >= b,
  ltu: (a, b) => !(a >= b),
  leu: (a, b) => !(a > b),
  gtu: (a, b) => !(a <= b),
  geu: (a, b) => !(a < b),
  num: (a, b) => !Number.isNaN(a) && !Number.isNaN(b),
  nan: (a, b) => Number.isNaN(a) || Number.isNaN(b),
};

/** The operation of an opcode on floats, or undefined where it is none. */
function floatOperation(parts: readonly string[]): { operation: Operation; operands: number } | undefined {
  const name = parts.slice(0, -1).join('.');
  if (name === 'neg') return { operation: (a = 0n) => a ^ 0x8000_0000n, operands: 1 };
  const compute = FLOATS[name];
  if (compute !== undefined) {
    return { operation: (a = 0n, b = 0n) => bitsOf(compute(floatOf(a), floatOf(b))), operands: 2 };
  }
  const compare = parts[0] === 'setp' && parts.length === 3 ? COMPARE_FLOATS[parts[1] ?? ''] : undefined;
  if (compare === undefined) return undefined;
  return { operation: (a = 0n, b = 0n) => (compare(floatOf(a), floatOf(b)) ? 1n : 0n), operands: 2 };
}

/** What an instruction without memory or branch computes of the bits of its operands: bits for its destination. */
export type Operation = (...operands: bigint[]) => bigint;

/** The operation of an opcode such as `setp.lt.s64`, and how many operands it takes. Throws for one that is not known. */
export function operationOf(opcode: string): { readonly operation: Operation; readonly operands: number } {
  const parts = opcode.split('.');
  const name = parts.slice(0, -1).join('.');
  const last = parts.at(-1) ?? '';
  const type = name === 'mov' || name === 'selp' ? movedType(last) : last;
  const onFloats = type === 'f32' ? floatOperation(parts) : undefined;
  if (onFloats !== undefined) return onFloats;
  const compute = ARITHMETIC[name];
  if (compute !== undefined) {
    const counts = COUNTS[name] ?? [];
    widthOf(type);
    const operation: Operation = (...operands) =>
      compute(type, ...operands.map((bits, index) => (counts.includes(index) ? bits : typed(type, bits))));
    return { operation, operands: compute.length - 1 };
  }
  const compare = parts[0] === 'setp' && parts.length === 3 ? COMPARE[parts[1] ?? ''] : undefined;
  if (compare !== undefined) {
    return { operation: (a = 0n, b = 0n) => (compare(typed(type, a), typed(type, b)) ? 1n : 0n), operands: 2 };
  }
  if (name === 'mul.wide') {
    return { operation: (a = 0n, b = 0n) => typed(type, a) * typed(type, b), operands: 2 };
  }
  if (name === 'cvt.rn.f32') {
    widthOf(type);
    return {
      operation: (a = 0n) => {
        const value = typed(type, a);
        if (BigInt(Number(value)) !== value) throw new RangeError(`${value} would be rounded twice`);
        return bitsOf(Number(value));
      },
      operands: 1,
    };
  }
  if (parts[0] === 'cvt' && parts.length === 3) {
    const to = parts[1] ?? '';
    widthOf(to);
    return { operation: (a = 0n) => typed(to, typed(type, a)), operands: 1 };
  }
  // Addresses of global memory are the generic ones.
  if (opcode === 'cvta.to.global.u64' || opcode === 'cvta.global.u64') return { operation: (a = 0n) => a, operands: 1 };
  throw new SyntaxError(`no instruction of PTX that is known here: ${opcode}`);
}
