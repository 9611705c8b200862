import { expect, test } from 'vitest';
import { GlobalMemory } from './memory.js';
import { operationOf } from './operations.js';
import { type Entry, parsePtx } from './parse.js';
import { Kernel } from './run.js';

/** A kernel of one i64 parameter, an address, and one i32, with these statements. */
function entryOf(body: string): Entry {
  const text = `
.version 9.0
.target sm_80
.address_size 64

.visible .entry probe(
	.param .u64 probe_param_0,
	.param .u32 probe_param_1
)
{
	.reg .pred 	%p<4>;
	.reg .b16 	%rs<4>;
	.reg .b32 	%r<8>;
	.reg .b64 	%rd<8>;
${body}
}
`;
  const entry = parsePtx(text).entries.get('probe');
  if (entry === undefined) throw new RangeError('no entry');
  return entry;
}

const START = 'ld.param.u64 %rd1, [probe_param_0];\ncvta.to.global.u64 %rd2, %rd1;\nld.param.u32 %r1, [probe_param_1];';

function run(body: string, bytes: Uint8Array, value: number, grid = 1, block = 1): Uint8Array {
  const memory = new GlobalMemory();
  new Kernel(entryOf(`${START}\n${body}`)).run(
    { grid, block, parameters: [memory.allocate(bytes), BigInt(value)] },
    memory,
  );
  return bytes;
}

test('threads know their place, and loops and guards are followed', () => {
  // Element i of the grid's 6 becomes the parameter plus i, but the odd ones stay.
  const body = `
	mov.u32 %r2, %ctaid.x;
	mov.u32 %r3, %ntid.x;
	mov.u32 %r4, %tid.x;
	mul.lo.s32 %r5, %r2, %r3;
	add.s32 %r5, %r5, %r4;
	and.b32 %r6, %r5, 1;
	setp.eq.s32 %p1, %r6, 1;
	@%p1 bra $END;
	mul.wide.u32 %rd3, %r5, 4;
	add.s64 %rd4, %rd2, %rd3;
	add.s32 %r7, %r5, %r1;
	st.global.u32 [%rd4], %r7;
$END:
	ret;`;
  const bytes = run(body, new Uint8Array(24), 100, 2, 3);
  expect([...new Int32Array(bytes.buffer)]).toEqual([100, 0, 102, 0, 104, 0]);
});

test('a compare-and-swap gives the old value and stores once', () => {
  const body = 'atom.global.cas.b32 %r2, [%rd2+4], 0, %r1;\nst.global.u32 [%rd2], %r2;\nret;';
  const bytes = new Uint8Array(8);
  expect([...new Int32Array(run(body, bytes, 7).buffer)]).toEqual([0, 7]);
  expect([...new Int32Array(run(body, bytes, 9).buffer)]).toEqual([7, 7]);
});

test.each([
  ['st.global.u32 [%rd2+8], %r1;\nret;', 'line 18, st.global.u32: store of 4 bytes outside every allocation'],
  ['ld.global.u32 %r2, [%rd2+-4];\nret;', 'load of 4 bytes outside every allocation'],
  ['ld.global.u64 %rd3, [%rd2+4];\nret;', 'load of 8 bytes outside every allocation'],
  ['ld.global.u32 %r2, [%rd2+2];\nret;', 'load of 4 bytes at a multiple of less: byte 2'],
  ['$L:\nbra.uni $L;', 'does not end'],
  ['add.s32 %r2, %r1, 1;', 'runs past its end'],
])('%j is an error of the run', (body, message) => {
  expect(() => run(body, new Uint8Array(8), 1)).toThrow(message);
});

test.each([
  ['bar.sync 0;\nret;', 'bar.sync'],
  ['shfl.sync.bfly.b32 %r1, %r2, 1, 31, -1;\nret;', 'shfl.sync.bfly.b32'],
  ['add.f32 %r1, %r2, %r3;\nret;', 'f32'],
  ['fma.rn.f32 %r1, %r2, %r3, %r4;\nret;', 'fma.rn.f32'],
  ['mad.lo.f32 %r1, %r2, %r3, %r4;\nret;', 'f32'],
  ['div.approx.f32 %r1, %r2, %r3;\nret;', 'div.approx.f32'],
  ['mul.rn.ftz.f32 %r1, %r2, %r3;\nret;', 'mul.rn.ftz.f32'],
  ['mov.f64 %rd1, %rd2;\nret;', 'f64'],
  ['add.s32 %r1, %r2;\nret;', 'add.s32 with operands'],
  ['ld.shared.u32 %r1, [%rd1];\nret;', 'ld.shared.u32'],
  ['ld.param.u64 %rd3, [probe_param_1];\nret;', 'ld.param.u64'],
  ['mov.u32 %r1, %laneid;\nret;', 'is not understood: %laneid'],
  ['bra $NOWHERE;\nret;', 'is not understood: $NOWHERE'],
  ['mov.b64 %rd1, {%r1, %r2};\nret;', 'is not understood'],
  ['.shared .align 4 .b8 buffer[16];\nret;', 'is not understood'],
])('%j is refused before anything runs', (body, message) => {
  expect(() => new Kernel(entryOf(body))).toThrow(message);
});

const ones = (1n << 64n) - 1n;
test.each([
  ['add.s32', [0xffff_ffffn, 2n], 32, 1n],
  ['sub.s64', [1n, 2n], 64, ones],
  ['mul.lo.s16', [0x100n, 0x101n], 16, 0x100n],
  ['mul.wide.s32', [0xffff_ffffn, 3n], 64, ones - 2n],
  ['mul.wide.u32', [0xffff_ffffn, 2n], 64, 0x1_ffff_fffen],
  ['mad.lo.s32', [3n, 4n, 5n], 32, 17n],
  ['div.s64', [ones - 6n, 2n], 64, ones - 2n],
  ['rem.s64', [ones - 6n, 4n], 64, ones - 2n],
  ['div.u32', [0xffff_fff9n, 2n], 32, 0x7fff_fffcn],
  ['div.s32', [5n, 0n], 32, 0xffff_ffffn],
  ['shr.s64', [ones - 7n, 1n], 64, ones - 3n],
  ['shr.u64', [ones, 63n], 64, 1n],
  ['shr.s32', [0x8000_0000n, 40n], 32, 0xffff_ffffn],
  ['shl.b64', [1n, 64n], 64, 0n],
  ['min.s64', [ones, 0n], 64, ones],
  ['max.s64', [ones, 0n], 64, 0n],
  ['neg.s64', [1n], 64, ones],
  ['not.b64', [0n], 64, ones],
  ['xor.b32', [6n, 3n], 32, 5n],
  ['selp.b64', [4n, 5n, 1n], 64, 4n],
  ['bfi.b64', [7n, 1n, 32n, 32n], 64, (7n << 32n) | 1n],
  ['cvt.s64.s32', [0xffff_fffen], 64, ones - 1n],
  ['cvt.u64.u32', [0xffff_fffen], 64, 0xffff_fffen],
  ['cvt.u32.u64', [ones], 32, 0xffff_ffffn],
  ['setp.lt.s64', [ones, 0n], 1, 1n],
  ['setp.lt.u64', [ones, 0n], 1, 0n],
  ['setp.ge.s32', [5n, 5n], 1, 1n],
  ['or.pred', [1n, 0n], 1, 1n],
  // 1, 2^-24 and 3 * 2^-24: half a last place of 1 is dropped, one and a half are rounded to the even two.
  ['add.rn.f32', [0x3f80_0000n, 0x3380_0000n], 32, 0x3f80_0000n],
  ['add.rn.f32', [0x3f80_0000n, 0x3440_0000n], 32, 0x3f80_0002n],
  ['sub.rn.f32', [0x3f80_0000n, 0x3f80_0000n], 32, 0n],
  ['mul.rn.f32', [0xbf80_0000n, 0n], 32, 0x8000_0000n],
  ['mul.rn.f32', [0x0080_0000n, 0x3f00_0000n], 32, 0x0040_0000n],
  ['div.rn.f32', [0x3f80_0000n, 0x4040_0000n], 32, 0x3eaa_aaabn],
  ['div.rn.f32', [0n, 0n], 32, 0x7fff_ffffn],
  ['neg.f32', [0n], 32, 0x8000_0000n],
  ['mov.f32', [0x7fc0_0001n], 32, 0x7fc0_0001n],
  ['selp.f32', [4n, 5n, 0n], 32, 5n],
  ['cvt.rn.f32.s64', [ones], 32, 0xbf80_0000n],
  ['cvt.rn.f32.u32', [0x0100_0001n], 32, 0x4b80_0000n],
  ['setp.lt.f32', [0x8000_0000n, 0n], 1, 0n],
  ['setp.ltu.f32', [0x7fc0_0000n, 0n], 1, 1n],
  ['setp.leu.f32', [0x3f80_0000n, 0n], 1, 0n],
  ['setp.ge.f32', [0x7fc0_0000n, 0n], 1, 0n],
  ['setp.num.f32', [0x7fc0_0000n, 0n], 1, 0n],
] as const)('%s computes what the manual says: %#', (opcode, operands, bits, result) => {
  const { operation, operands: count } = operationOf(opcode);
  expect(count).toBe(operands.length);
  expect(BigInt.asUintN(bits, operation(...operands))).toBe(result);
});
