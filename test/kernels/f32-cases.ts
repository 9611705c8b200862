import { bitsOf, dot, exponential, f32 } from '../oracles/f32-oracle.js';
import { at, f32Bytes, f32Of, fails, i32Bytes, i64Bytes, type KernelCases, poison, scalar, succeeds } from './case.js';
import type { Draws } from './draws.js';

/** Widths on both sides of an item of the host, 256 elements, and of its vectors. */
const widthOf = (draws: Draws): number => (draws.once(4) ? draws.from(257, 300) : draws.from(1, 40));
const row = (values: readonly number[], index: number, width: number): number[] =>
  values.slice(index * width, (index + 1) * width);
const wide = (width: number): string[] => (width > 256 ? ['several pieces'] : []);

/** Rows of a table by a list of them: of ids, or of indices. */
function rowCases(kernel: 'embed' | 'take_rows'): KernelCases {
  return {
    kinds: ['failure', 'several pieces', 'several rows', 'a row twice'],
    draw(draws) {
      const [n, rows, width] = [draws.from(0, 6), draws.from(1, 6), widthOf(draws)];
      const table = draws.floats(rows * width);
      const list = draws.list(n, () => draws.from(0, rows - 1));
      const kinds = [
        ...wide(width),
        ...(n > 1 ? ['several rows'] : []),
        ...(new Set(list).size < n ? ['a row twice'] : []),
      ];
      const launchOf = (indices: readonly number[]) => ({
        kernel,
        buffers: [i32Bytes(indices), f32Bytes(table), poison(n * width * 4)],
        values: [
          ...(kernel === 'embed' ? [at(0), at(1)] : [at(1), at(0)]),
          at(2),
          ...(kernel === 'embed' ? [n, rows, width] : [rows, n, width]).map(scalar),
        ],
      });
      if (n > 0 && draws.once(5)) {
        const [index, wrong] = [draws.from(0, n - 1), draws.pick([-1, rows, 2 ** 31 - 1])];
        const words = kernel === 'embed' ? `the table has ${rows} rows` : `there are ${rows} rows`;
        const name = kernel === 'embed' ? 'ids' : 'indices';
        return fails(launchOf(list.with(index, wrong)), kinds, `${name}[${index}] is ${wrong}, ${words}`);
      }
      return succeeds(launchOf(list), kinds, ([, , out = poison(0)]) => {
        f32Of(out).set(list.flatMap((index) => row(table, index, width)));
      });
    },
  };
}

export const embed: KernelCases = rowCases('embed');
export const takeRows: KernelCases = rowCases('take_rows');

export const joinColumns: KernelCases = {
  kinds: ['several pieces', 'several ranks', 'several rows'],
  draw(draws) {
    const [n, ranks, width] = [draws.from(0, 4), draws.from(1, 4), widthOf(draws)];
    const shards = draws.floats(n * ranks * width);
    const kinds = [...wide(width), ...(ranks > 1 ? ['several ranks'] : []), ...(n > 1 ? ['several rows'] : [])];
    const launch = {
      kernel: 'join_columns',
      buffers: [f32Bytes(shards), poison(n * ranks * width * 4)],
      values: [at(0), at(1), scalar(n), scalar(ranks), scalar(width)],
    };
    return succeeds(launch, kinds, ([, out = poison(0)]) => {
      const each = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
      f32Of(out).set(each(n).flatMap((i) => each(ranks).flatMap((rank) => row(shards, rank * n + i, width))));
    });
  },
};

export const add: KernelCases = {
  kinds: ['several pieces', 'offset'],
  draw(draws) {
    const [before, count, after] = [
      draws.from(0, 3),
      draws.once(3) ? draws.from(257, 300) : draws.from(0, 40),
      draws.from(0, 3),
    ];
    const [x, y] = [draws.floats(before + count + after), draws.floats(count)];
    const launch = {
      kernel: 'add',
      buffers: [f32Bytes(x), f32Bytes(y)],
      values: [at(0, before * 4), at(1), scalar(count)],
    };
    return succeeds(launch, [...wide(count), ...(before > 0 ? ['offset'] : [])], ([out = poison(0)]) => {
      f32Of(out).set(
        y.map((value, index) => f32(value + (x[before + index] ?? 0))),
        before,
      );
    });
  },
};

export const swiglu: KernelCases = {
  kinds: ['several pieces', 'several rows', 'gates far from 0'],
  draw(draws) {
    const [n, width] = [draws.from(0, 4), widthOf(draws)];
    const far = draws.once(3);
    const values = draws.list(n * 2 * width, () => (far ? f32(draws.float() * 60) : draws.float()));
    const kinds = [...wide(width), ...(n > 1 ? ['several rows'] : []), ...(far ? ['gates far from 0'] : [])];
    const launch = {
      kernel: 'swiglu',
      buffers: [f32Bytes(values), poison(n * width * 4)],
      values: [at(0), at(1), scalar(n), scalar(width)],
    };
    return succeeds(launch, kinds, ([, out = poison(0)]) => {
      for (let i = 0; i < n; i++) {
        const up = row(values, 2 * i + 1, width);
        const gated = row(values, 2 * i, width).map((gate, index) =>
          f32(f32(gate / f32(exponential(-gate) + 1)) * (up[index] ?? 0)),
        );
        f32Of(out).set(gated, i * width);
      }
    });
  },
};

export const rmsNorm: KernelCases = {
  kinds: ['several pieces', 'in place', 'rest of 16', 'several rows'],
  draw(draws) {
    const [n, width] = [draws.from(0, 5), widthOf(draws)];
    const scale = draws.pick([1, 1, 2 ** -40, 2 ** 30]);
    const x = draws.list(n * width, () => f32(draws.float() * scale));
    const weight = draws.floats(width);
    const eps = f32(draws.pick([1e-5, 1e-6, 0.5]));
    const inPlace = draws.once(2);
    const kinds = [
      ...wide(width),
      ...(inPlace ? ['in place'] : []),
      ...(width % 16 > 0 ? ['rest of 16'] : []),
      ...(n > 1 ? ['several rows'] : []),
    ];
    const launch = {
      kernel: 'rms_norm',
      buffers: [f32Bytes(x), f32Bytes(weight), ...(inPlace ? [] : [poison(n * width * 4)])],
      values: [at(0), at(1), at(inPlace ? 0 : 2), scalar(n), scalar(width), scalar(bitsOf(eps))],
    };
    return succeeds(launch, kinds, (buffers) => {
      const out = f32Of(buffers[inPlace ? 0 : 2] ?? poison(0));
      for (let i = 0; i < n; i++) {
        const own = row(x, i, width);
        const root = f32(Math.sqrt(f32(f32(dot(own, own) / width) + eps)));
        out.set(
          own.map((value, index) => f32(f32(value / root) * (weight[index] ?? 0))),
          i * width,
        );
      }
    });
  },
};

export const matmul: KernelCases = {
  kinds: ['several row blocks', 'rest of 16', 'whole tiles', 'rest of a tile', 'shorter than 16'],
  draw(draws) {
    const n = draws.once(4) ? draws.from(65, 70) : draws.from(0, 9);
    const [k, m] = n > 60 ? [draws.from(1, 20), draws.from(1, 5)] : [draws.from(1, 50), draws.from(1, 11)];
    const [x, w] = [draws.floats(n * k), draws.floats(m * k)];
    const kinds = [
      ...(n > 64 ? ['several row blocks'] : []),
      ...(k % 16 > 0 && k > 16 ? ['rest of 16'] : []),
      ...(k < 16 ? ['shorter than 16'] : []),
      ...(m >= 8 && n >= 8 ? ['whole tiles'] : []),
      ...(m % 4 === 3 && n % 4 === 3 ? ['rest of a tile'] : []),
    ];
    const launch = {
      kernel: 'matmul',
      buffers: [f32Bytes(x), f32Bytes(w), poison(n * m * 4)],
      values: [at(0), at(1), at(2), scalar(n), scalar(k), scalar(m)],
    };
    return succeeds(launch, kinds, ([, , out = poison(0)]) => {
      for (let t = 0; t < n; t++) {
        for (let o = 0; o < m; o++) f32Of(out)[t * m + o] = dot(x, w, k, t * k, o * k);
      }
    });
  },
};

export const rotate: KernelCases = {
  kinds: ['failure', 'heads left alone', 'several heads', 'beyond one grid'],
  draw(draws) {
    const [n, heads, half, maxPositions] = [draws.from(0, 5), draws.from(0, 4), draws.from(1, 9), draws.from(1, 9)];
    const pitch = heads * 2 * half + draws.from(0, 5);
    const qkv = draws.floats(n * pitch);
    const [cosines, sines] = [draws.floats(maxPositions * half), draws.floats(maxPositions * half)];
    const positions = draws.list(n, () => draws.from(0, maxPositions - 1));
    const kinds = [
      ...(pitch > heads * 2 * half ? ['heads left alone'] : []),
      ...(heads > 1 ? ['several heads'] : []),
      ...(n * heads * half > 40 ? ['beyond one grid'] : []),
    ];
    const launchOf = (list: readonly number[]) => ({
      kernel: 'rotate',
      buffers: [f32Bytes(qkv), i64Bytes(list.map(BigInt)), f32Bytes(cosines), f32Bytes(sines)],
      values: [at(0), at(1), at(2), at(3), ...[n, heads, half * 2, pitch, maxPositions].map(scalar)],
    });
    if (n > 0 && heads > 0 && draws.once(5)) {
      const [token, wrong] = [draws.from(0, n - 1), draws.pick([-1, maxPositions, 2 ** 40])];
      const words = `positions[${token}] is ${wrong}, the tables of angles have ${maxPositions} rows`;
      return fails(launchOf(positions.with(token, wrong)), kinds, words);
    }
    return succeeds(launchOf(positions), kinds, ([out = poison(0)]) => {
      const to = f32Of(out);
      for (const [token, position] of positions.entries()) {
        for (let head = 0; head < heads; head++) {
          for (let pair = 0; pair < half; pair++) {
            const first = token * pitch + head * 2 * half + pair;
            const [a, b] = [qkv[first] ?? 0, qkv[first + half] ?? 0];
            const [cosine, sine] = [cosines[position * half + pair] ?? 0, sines[position * half + pair] ?? 0];
            to[first] = f32(f32(a * cosine) - f32(b * sine));
            to[first + half] = f32(f32(b * cosine) + f32(a * sine));
          }
        }
      }
    });
  },
};
