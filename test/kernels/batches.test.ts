import { afterAll, beforeAll, expect, test } from 'vitest';
import { exponential, f32 } from '../oracles/f32-oracle.js';
import { type KernelLaunch, KernelProgram, type KernelResult } from '../support/kernel-program.js';
import { attendLaunch } from './attend-cases.js';
import { scalar } from './case.js';
import { drawCases } from './cases.js';
import { Draws } from './draws.js';

const seed = Number(process.env.LOCKSTEP_SEED);
let program: KernelProgram;

beforeAll(() => {
  program = new KernelProgram();
});
afterAll(() => program.remove());

const run = (launches: readonly KernelLaunch[]): readonly KernelResult[] =>
  program.run(launches.map((launch) => [launch, null]));

/** Row `index` of `count` equal ones. */
function rowOf(bytes: Uint8Array, index: number, count: number): Uint8Array {
  const size = bytes.length / count;
  return bytes.slice(index * size, (index + 1) * size);
}

/** Kernels of rows: which buffers have a row a token, and which argument is their number. */
const ROW_KERNELS: readonly (readonly [kernel: string, rows: readonly number[], count: number])[] = [
  ['matmul', [0, 2], 3],
  ['swiglu', [0, 1], 2],
  ['combine', [0, 1, 2], 3],
  ['route', [0, 1, 2], 3],
  ['sample', [0, 1, 2], 3],
  ['expert_matmul', [0, 1, 3], 4],
];

test.each(ROW_KERNELS)('%s: a row alone has the bits that it has in a batch', (kernel, rows, count) => {
  const cases = drawCases(kernel, 150, seed).filter(({ expected }) => 'buffers' in expected);
  const together = run(cases.map(({ launch }) => launch));
  const alone: { launch: KernelLaunch; wanted: readonly (readonly [buffer: number, bytes: Uint8Array])[] }[] = [];
  for (const [index, { launch }] of cases.entries()) {
    const value = launch.values[count];
    const n = value !== undefined && 'scalar' in value ? Number(value.scalar) : 0;
    const after = together[index]?.buffers ?? [];
    for (let row = 0; row < Math.min(n, 12); row++) {
      alone.push({
        launch: {
          kernel,
          buffers: launch.buffers.map((bytes, at) => (rows.includes(at) ? rowOf(bytes, row, n) : bytes)),
          values: launch.values.with(count, scalar(1)),
        },
        wanted: rows.map((at) => [at, rowOf(after[at] ?? new Uint8Array(), row, n)] as const),
      });
    }
  }
  expect(alone.length).toBeGreaterThan(150);
  const results = run(alone.map(({ launch }) => launch));
  for (const [index, { wanted }] of alone.entries()) {
    for (const [buffer, bytes] of wanted) expect(results[index]?.buffers[buffer], `row ${index}`).toEqual(bytes);
  }
});

test('attend: a prefill in chunks has the bits of one at once, wherever its blocks lie and whatever is beside it', () => {
  const draws = new Draws(BigInt(seed) + 3n);
  for (let round = 0; round < 40; round++) {
    const kvHeads = draws.from(1, 2);
    const [heads, headDim, length] = [kvHeads * draws.from(1, 3), draws.from(1, 24), draws.from(1, 150)];
    const pitch = (heads + 2 * kvHeads) * headDim;
    const qkv = draws.floats(length * pitch);
    const width = 2 * kvHeads * headDim;
    const window = draws.once(2) ? 0 : draws.from(1, 100);
    const shape = { kvHeads, heads, headDim, pitch, window, scale: f32(1 / Math.sqrt(headDim)) };

    /** What the tokens from `begin` to `end` - 1 get, with `others` tokens of another request before them, and padding after. */
    const launchOf = (begin: number, end: number, others: number): KernelLaunch => {
      const blockSize = draws.from(1, 20);
      const tableWidth = Math.ceil(length / blockSize) + draws.from(0, 1);
      const blockTable = draws.distinct(2 * tableWidth, 2 * tableWidth);
      // What no token may see is no number: one that is read shows.
      const cache = new Array<number>(2 * tableWidth * blockSize * width).fill(NaN);
      const put = (request: number, position: number, row: readonly number[]): void => {
        const block = blockTable[request * tableWidth + Math.floor(position / blockSize)] ?? 0;
        for (const [column, value] of row.entries()) {
          cache[(block * blockSize + (position % blockSize)) * width + column] = value;
        }
      };
      for (let position = 0; position < end; position++) {
        if (window > 0 && position < begin - window + 1) continue;
        put(1, position, qkv.slice((position + 1) * pitch - width, (position + 1) * pitch));
      }
      for (let position = 0; position < others; position++) put(0, position, draws.floats(width));
      const padding = draws.from(0, 2);
      return attendLaunch({
        ...{ ...shape, blockSize, tableWidth, blockTable, cache, requests: 2, numBlocks: 2 * tableWidth },
        qkv: [
          ...draws.floats(others * pitch),
          ...qkv.slice(begin * pitch, end * pitch),
          ...draws.floats(padding * pitch),
        ],
        lengths: [others, end],
        positions: [
          ...Array.from({ length: others }, (_, index) => index),
          ...Array.from({ length: end - begin }, (_, index) => begin + index),
          ...draws.list(padding, () => 0),
        ],
        tokenToRequest: [
          ...draws.list(others, () => 0),
          ...draws.list(end - begin, () => 1),
          ...draws.list(padding, () => -1),
        ],
      });
    };
    const rows = (result: KernelResult | undefined, others: number, tokens: number): Uint8Array => {
      const size = heads * headDim * 4;
      expect(result?.words).toBe('');
      return (result?.buffers[5] ?? new Uint8Array()).slice(others * size, (others + tokens) * size);
    };
    const chunks: (readonly [begin: number, end: number, others: number])[] = [];
    for (let begin = 0; begin < length; ) {
      const end = Math.min(length, begin + (draws.once(2) ? 1 : draws.from(1, 70)));
      chunks.push([begin, end, Math.min(draws.from(0, 3), length)]);
      begin = end;
    }
    const [whole, ...parts] = run([launchOf(0, length, 0), ...chunks.map((chunk) => launchOf(...chunk))]);
    const wanted = rows(whole, 0, length);
    expect(new Float32Array(wanted.buffer).every(Number.isFinite)).toBe(true);
    const found = chunks.map(([begin, end, others], index) => rows(parts[index], others, end - begin));
    expect(Buffer.concat(found).equals(wanted), `round ${round} of seed ${seed}`).toBe(true);
  }
});

test('the exponential is that of real numbers within two units in the last place', () => {
  let worst = 0;
  for (let step = -87_300; step <= 88_700; step++) {
    const x = f32(step / 1000 + Math.sin(step) * 5e-4);
    const exact = Math.exp(x);
    worst = Math.max(worst, Math.abs(exponential(x) - exact) / 2 ** (Math.floor(Math.log2(exact)) - 23));
  }
  expect(worst).toBeLessThan(2);
  expect([exponential(0), exponential(-Infinity), exponential(Infinity)]).toEqual([1, 0, Infinity]);
});
