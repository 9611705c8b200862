import { attendToken } from '../oracles/attend-oracle.js';
import { bitsOf, f32 } from '../oracles/f32-oracle.js';
import type { KernelLaunch } from '../support/kernel-program.js';
import { at, f32Bytes, f32Of, fails, i32Bytes, i64Bytes, type KernelCases, poison, scalar, succeeds } from './case.js';
import type { Draws } from './draws.js';

export const kvStore: KernelCases = {
  kinds: ['failure', 'padding', 'several pieces', 'several rows'],
  draw(draws) {
    const [n, kvHeads, headDim] = [
      draws.from(0, 5),
      draws.from(1, 3),
      draws.once(3) ? draws.from(44, 50) : draws.from(1, 12),
    ];
    const capacity = draws.from(Math.max(n, 1), 8);
    const width = 2 * kvHeads * headDim;
    const keyOffset = draws.from(0, 9);
    const pitch = keyOffset + width + draws.from(0, 3);
    const qkv = draws.floats(n * pitch);
    const slots = draws.distinct(n, capacity).map((slot) => (draws.once(4) ? -1 : slot));
    const kinds = [
      ...(slots.includes(-1) ? ['padding'] : []),
      ...(width > 256 ? ['several pieces'] : []),
      ...(n > 1 ? ['several rows'] : []),
    ];
    const launchOf = (list: readonly number[]) => ({
      kernel: 'kv_store',
      buffers: [f32Bytes(qkv), i64Bytes(list.map(BigInt)), poison(capacity * width * 4 + 4)],
      values: [at(0), at(1), at(2), ...[n, pitch, keyOffset, kvHeads, headDim].map(scalar)],
    });
    if (n > 0 && draws.once(5)) {
      const [index, slot] = [draws.from(0, n - 1), draws.pick([-2, capacity, 2 ** 40])];
      const words = `slots[${index}] is ${slot}, the cache has ${capacity} slots`;
      return fails(launchOf(slots.with(index, slot)), kinds, words);
    }
    return succeeds(launchOf(slots), kinds, ([, , cache = poison(0)]) => {
      for (const [i, slot] of slots.entries()) {
        const from = i * pitch + keyOffset;
        if (slot >= 0) f32Of(cache).set(qkv.slice(from, from + width), slot * width);
      }
    });
  },
};

/** Requests of a step over a paged cache: their lengths, the tokens of each that are computed, and the tables. */
function drawStep(draws: Draws) {
  const kvHeads = draws.from(1, 2);
  const heads = kvHeads * draws.from(1, 3);
  const headDim = draws.once(5) ? draws.from(33, 40) : draws.from(1, 20);
  const blockSize = draws.from(1, 9);
  const requests = draws.from(0, 3);
  const long = draws.once(5);
  const lengths = draws.list(requests, () => (long ? draws.from(60, 100) : draws.from(1, 20)));
  const computed = lengths.map((length) => draws.from(1, Math.min(length, long ? 2 : 4)));
  const tableWidth = Math.ceil(Math.max(1, ...lengths) / blockSize) + draws.from(0, 1);
  const numBlocks = draws.from(1, 30);
  const blockTable = draws.list(requests * tableWidth, () => draws.from(0, numBlocks - 1));
  const padding = draws.from(0, 2);
  const tokenToRequest = [
    ...computed.flatMap((count, request) => draws.list(count, () => request)),
    ...draws.list(padding, () => -1),
  ];
  const positions = [
    ...computed.flatMap((count, request) =>
      Array.from({ length: count }, (_, index) => (lengths[request] ?? 0) - count + index),
    ),
    ...draws.list(padding, () => 0),
  ];
  const pitch = (heads + 2 * kvHeads) * headDim + draws.from(0, 2);
  const cache = draws.floats(numBlocks * blockSize * 2 * kvHeads * headDim);
  const qkv = draws.floats(tokenToRequest.length * pitch);
  const window = draws.once(3) ? draws.pick([1, 5, 64, 70]) : 0;
  const scale = f32(draws.pick([1, 0.25, 1 / Math.sqrt(headDim)]));
  return {
    ...{ kvHeads, heads, headDim, blockSize, requests, lengths, tableWidth, numBlocks, blockTable },
    ...{ tokenToRequest, positions, pitch, cache, qkv, window, scale },
  };
}

type Step = ReturnType<typeof drawStep>;

/** The launch of `attend` for a step, its output last. */
export function attendLaunch(step: Step): KernelLaunch {
  const { tokenToRequest, heads, headDim } = step;
  return {
    kernel: 'attend',
    buffers: [
      f32Bytes(step.qkv),
      f32Bytes(step.cache),
      i32Bytes(step.blockTable),
      i64Bytes(step.positions.map(BigInt)),
      i32Bytes(tokenToRequest),
      poison(tokenToRequest.length * heads * headDim * 4),
    ],
    values: [
      ...[0, 1, 2, 3, 4, 5].map((buffer) => at(buffer)),
      ...[tokenToRequest.length, step.requests, step.tableWidth, step.blockSize, step.pitch].map(scalar),
      ...[heads, step.kvHeads, headDim, step.window, bitsOf(step.scale)].map(scalar),
    ],
  };
}

/** A step with one value that the kernel must refuse, and its words. Other requests have no tokens, so that all find the same. */
function spoil(draws: Draws, step: Step): readonly [Step, string] {
  const request = draws.from(0, step.requests - 1);
  const alone: Step = {
    ...step,
    tokenToRequest: step.tokenToRequest.map((own) => (own === request ? own : -1)),
    window: 0,
  };
  const room = step.tableWidth * step.blockSize;
  const token = step.tokenToRequest.indexOf(request);
  switch (draws.from(0, 2)) {
    case 0: {
      const wrong = draws.pick([-2, step.requests]);
      const list = alone.tokenToRequest.map(() => -1).with(token, wrong);
      return [
        { ...alone, tokenToRequest: list },
        `tokenToRequest[${token}] is ${wrong}, there are ${step.requests} requests`,
      ];
    }
    case 1: {
      const wrong = draws.pick([-1, room]);
      const list = alone.tokenToRequest.map((_, index) => (index === token ? request : -1));
      const words = `positions[${token}] is ${wrong}, a row of the block table has ${room} positions`;
      return [{ ...alone, tokenToRequest: list, positions: step.positions.with(token, wrong) }, words];
    }
    default: {
      // The first block, which every token sees.
      const wrong = draws.pick([-1, step.numBlocks]);
      const blockTable = step.blockTable.with(request * step.tableWidth, wrong);
      const words = `blockTable[${request}][0] is ${wrong}, the cache has ${step.numBlocks} blocks`;
      return [{ ...alone, blockTable }, words];
    }
  }
}

export const attend: KernelCases = {
  kinds: [
    'failure',
    'padding',
    'several chunks',
    'window',
    'grouped heads',
    'several tokens',
    'wide head',
    'rest of 16',
  ],
  draw(draws) {
    const step = drawStep(draws);
    const { heads, headDim, tokenToRequest } = step;
    const kinds = [
      ...(tokenToRequest.includes(-1) ? ['padding'] : []),
      ...(step.lengths.some((length) => length > 64) ? ['several chunks'] : []),
      ...(step.window > 0 && step.lengths.some((length) => length > step.window) ? ['window'] : []),
      ...(heads > step.kvHeads && step.requests > 0 ? ['grouped heads'] : []),
      ...(tokenToRequest.length > step.requests + 1 ? ['several tokens'] : []),
      ...(headDim > 32 && step.requests > 0 ? ['wide head'] : []),
      ...(headDim % 16 > 0 && headDim > 16 && step.requests > 0 ? ['rest of 16'] : []),
    ];
    if (step.requests > 0 && draws.once(5)) {
      const [wrong, words] = spoil(draws, step);
      return fails(attendLaunch(wrong), kinds, words);
    }
    return succeeds(attendLaunch(step), kinds, (buffers) => {
      const out = f32Of(buffers[5] ?? poison(0)).fill(0);
      for (const [token, request] of tokenToRequest.entries()) {
        if (request < 0) continue;
        const position = step.positions[token] ?? 0;
        const blocks = step.blockTable.slice(request * step.tableWidth, (request + 1) * step.tableWidth);
        for (let head = 0; head < heads; head++) {
          const place = token * step.pitch + head * headDim;
          const query = step.qkv.slice(place, place + headDim);
          out.set(attendToken(step, blocks, query, position, head), (token * heads + head) * headDim);
        }
      }
    });
  },
};
