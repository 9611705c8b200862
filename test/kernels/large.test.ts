import { afterAll, beforeAll, expect, test } from 'vitest';
import { dot, f32 } from '../oracles/f32-oracle.js';
import { type KernelLaunch, KernelProgram } from '../support/kernel-program.js';
import { attendLaunch } from './attend-cases.js';
import { at, f32Bytes, f32Of, i32Bytes, poison, scalar } from './case.js';
import { Draws } from './draws.js';

let program: KernelProgram;
const draws = new Draws(BigInt(process.env.LOCKSTEP_SEED ?? 0) + 4n);

beforeAll(() => {
  program = new KernelProgram();
});
afterAll(() => program.remove());

const floats = (count: number): number[] => draws.floats(count);

/** Launches that are shared out to helper threads: each adds up more than 2^18 numbers. */
const LARGE: Readonly<Record<string, () => KernelLaunch>> = {
  matmul: () => {
    const [n, k, m] = [70, 130, 90];
    return {
      kernel: 'matmul',
      buffers: [f32Bytes(floats(n * k)), f32Bytes(floats(m * k)), poison(n * m * 4)],
      values: [at(0), at(1), at(2), scalar(n), scalar(k), scalar(m)],
    };
  },
  attend: () => {
    const [tokens, kvHeads, heads, headDim, blockSize, length] = [70, 2, 6, 40, 16, 150];
    const tableWidth = Math.ceil(length / blockSize);
    return attendLaunch({
      ...{ kvHeads, heads, headDim, blockSize, tableWidth, numBlocks: tableWidth, window: 0, requests: 1 },
      ...{ pitch: (heads + 2 * kvHeads) * headDim, scale: f32(0.2) },
      blockTable: draws.distinct(tableWidth, tableWidth),
      lengths: [length],
      positions: Array.from({ length: tokens }, (_, index) => length - tokens + index),
      tokenToRequest: new Array<number>(tokens).fill(0),
      cache: floats(tableWidth * blockSize * 2 * kvHeads * headDim),
      qkv: floats(tokens * (heads + 2 * kvHeads) * headDim),
    });
  },
  swiglu: () => {
    const [n, width] = [20, 1000];
    return {
      kernel: 'swiglu',
      buffers: [f32Bytes(floats(2 * n * width)), poison(n * width * 4)],
      values: [at(0), at(1), scalar(n), scalar(width)],
    };
  },
  sample: () => {
    const [n, vocab] = [12, 9000];
    const controls = draws.list(n, () => [
      0x3f80_0000,
      500,
      0x3f66_6666,
      draws.from(0, 999),
      0,
      draws.from(0, 999),
      0,
      0,
    ]);
    return {
      kernel: 'sample',
      buffers: [f32Bytes(floats(n * vocab)), i32Bytes(controls.flat()), poison(n * 4)],
      values: [at(0), at(1), at(2), scalar(n), scalar(vocab)],
    };
  },
  add: () => {
    const count = 300_000;
    return {
      kernel: 'add',
      buffers: [f32Bytes(floats(count)), f32Bytes(floats(count))],
      values: [at(0), at(1), scalar(count)],
    };
  },
};

test.each(Object.keys(LARGE))('%s: no instruction set and no number of threads changes a bit', (kernel) => {
  const launch = LARGE[kernel]?.();
  if (launch === undefined) throw new RangeError(kernel);
  const [first = '', ...others] = program.cpus().flatMap((cpu) => [`${cpu} 1`, `${cpu} 64`, `${cpu} `]);
  const run = (name: string) => {
    const [cpu = '', threads = ''] = name.split(' ');
    return program.run([[launch, null]], { LOCKSTEP_CPU: cpu, LOCKSTEP_THREADS: threads })[0];
  };
  const wanted = run(first);
  expect(wanted?.words).toBe('');
  expect(launch.buffers.some((bytes, index) => Buffer.compare(wanted?.buffers[index] ?? bytes, bytes) !== 0)).toBe(
    true,
  );
  expect(others.length).toBeGreaterThan(1);
  for (const other of others) {
    const found = run(other);
    for (const [index, bytes] of (wanted?.buffers ?? []).entries()) {
      expect(Buffer.compare(found?.buffers[index] ?? poison(0), bytes), `buffer ${index}, ${other}`).toBe(0);
    }
  }
});

test('a large product is that of plain loops, and a failure of a shared launch is told', () => {
  const launch = LARGE.matmul?.();
  if (launch === undefined) throw new RangeError('matmul');
  const [x, w] = launch.buffers.map(f32Of);
  const out = f32Of(program.run([[launch, null]])[0]?.buffers[2] ?? poison(0));
  for (let t = 0; t < 70; t++) {
    for (let o = 0; o < 90; o++) expect(out[t * 90 + o]).toBe(dot(x ?? [], w ?? [], 130, t * 130, o * 130));
  }
  const attend = LARGE.attend?.();
  if (attend === undefined) throw new RangeError('attend');
  const wrong = { ...attend, buffers: attend.buffers.with(4, i32Bytes([1, ...new Array<number>(69).fill(0)])) };
  expect(program.run([[wrong, null]])[0]?.words).toBe('tokenToRequest[0] is 1, there are 1 requests');
});
