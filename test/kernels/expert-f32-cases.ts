import { dot, exponential, f32 } from '../oracles/f32-oracle.js';
import { at, f32Bytes, f32Of, fails, i32Bytes, i32Of, type KernelCases, poison, scalar, succeeds } from './case.js';

export const route: KernelCases = {
  kinds: ['equal logits', 'all experts', 'not a number', 'beyond one grid'],
  draw(draws) {
    const n = draws.once(3) ? draws.from(41, 60) : draws.from(0, 6);
    const experts = draws.from(1, 9);
    const k = draws.once(4) ? experts : draws.from(1, experts);
    const coarse = draws.once(3);
    const nan = draws.once(6);
    const logits = draws.list(n * experts, () => (coarse ? draws.from(-1, 1) : f32(draws.float() * 8)));
    if (nan && n > 0) for (const index of draws.distinct(1, n * experts)) logits[index] = NaN;
    const kinds = [
      ...(coarse && n > 0 && k > 1 ? ['equal logits'] : []),
      ...(k === experts && n > 0 ? ['all experts'] : []),
      ...(nan && n > 0 && k < experts ? ['not a number'] : []),
      ...(n > 40 ? ['beyond one grid'] : []),
    ];
    const launch = {
      kernel: 'route',
      buffers: [f32Bytes(logits), poison(n * k * 4), poison(n * k * 4)],
      values: [at(0), at(1), at(2), scalar(n), scalar(experts), scalar(k)],
    };
    // One that is not a number comes last, and is chosen where all are; what its softmax is, no rule says.
    if (nan && k === experts)
      for (const [index, value] of logits.entries()) if (Number.isNaN(value)) logits[index] = -3;
    return succeeds({ ...launch, buffers: [f32Bytes(logits), ...launch.buffers.slice(1)] }, kinds, (buffers) => {
      const [, chosen = poison(0), weights = poison(0)] = buffers;
      for (let i = 0; i < n; i++) {
        const own = logits.slice(i * experts, (i + 1) * experts);
        const order = own.map((value, expert) => ({ value: Number.isNaN(value) ? -Infinity : value, expert }));
        const best = order.sort((a, b) => b.value - a.value || a.expert - b.expert).slice(0, k);
        const shares = best.map(({ value }) => exponential(f32(value - (best[0]?.value ?? 0))));
        const sum = shares.reduce((total, share) => f32(total + share), 0);
        i32Of(chosen).set(
          best.map(({ expert }) => expert),
          i * k,
        );
        f32Of(weights).set(
          shares.map((share) => f32(share / sum)),
          i * k,
        );
      }
    });
  },
};

export const expertMatmul: KernelCases = {
  kinds: ['failure', 'experts of others', 'a row for each choice', 'a row for each token', 'rest of 16', 'none'],
  draw(draws) {
    const [n, k, kDim, m] = [draws.from(0, 5), draws.from(1, 3), draws.from(1, 40), draws.from(1, 6)];
    const [before, count, after] = [draws.from(0, 2), draws.once(6) ? 0 : draws.from(1, 3), draws.from(0, 2)];
    const perChoice = draws.from(0, 1);
    const x = draws.floats((perChoice === 1 ? n * k : n) * kDim);
    const w = draws.floats(count * m * kDim);
    const chosen = draws.list(n * k, () => draws.from(0, Math.max(0, before + count + after - 1)));
    const own = (expert: number): boolean => expert >= before && expert < before + count;
    const kinds = [
      ...(count > 0 && chosen.some((expert) => !own(expert)) && chosen.some(own) ? ['experts of others'] : []),
      perChoice === 1 ? 'a row for each choice' : 'a row for each token',
      ...(kDim % 16 > 0 && kDim > 16 ? ['rest of 16'] : []),
      ...(count === 0 ? ['none'] : []),
    ];
    const launchOf = (list: readonly number[]) => ({
      kernel: 'expert_matmul',
      buffers: [f32Bytes(x), i32Bytes(list), f32Bytes(w), poison(n * k * m * 4)],
      values: [at(0), at(1), at(2), at(3), ...[n, k, kDim, m, before, count, perChoice].map(scalar)],
    });
    if (n > 0 && draws.once(6)) {
      const index = draws.from(0, n * k - 1);
      const words = `chosen[${Math.floor(index / k)}][${index % k}] is -1, which is no expert`;
      return fails(launchOf(chosen.with(index, -1)), kinds, words);
    }
    return succeeds(launchOf(chosen), kinds, ([, , , out = poison(0)]) => {
      for (const [choice, expert] of chosen.entries()) {
        const row = perChoice === 1 ? choice : Math.floor(choice / k);
        for (let o = 0; o < m; o++) {
          const place = ((expert - before) * m + o) * kDim;
          const value = own(expert) ? dot(x.slice(row * kDim, (row + 1) * kDim), w.slice(place, place + kDim)) : 0;
          f32Of(out)[choice * m + o] = value;
        }
      }
    });
  },
};

export const combine: KernelCases = {
  kinds: ['several pieces', 'several choices', 'several rows'],
  draw(draws) {
    const [n, k] = [draws.from(0, 4), draws.from(1, 4)];
    const width = draws.once(3) ? draws.from(257, 300) : draws.from(1, 40);
    const [shares, weights] = [draws.floats(n * k * width), draws.floats(n * k)];
    const kinds = [
      ...(width > 256 ? ['several pieces'] : []),
      ...(k > 1 ? ['several choices'] : []),
      ...(n > 1 ? ['several rows'] : []),
    ];
    const launch = {
      kernel: 'combine',
      buffers: [f32Bytes(shares), f32Bytes(weights), poison(n * width * 4)],
      values: [at(0), at(1), at(2), scalar(n), scalar(k), scalar(width)],
    };
    return succeeds(launch, kinds, ([, , out = poison(0)]) => {
      for (let i = 0; i < n; i++) {
        for (let d = 0; d < width; d++) {
          let sum = 0;
          for (let j = 0; j < k; j++) {
            sum = f32(sum + f32((shares[(i * k + j) * width + d] ?? 0) * (weights[i * k + j] ?? 0)));
          }
          f32Of(out)[i * width + d] = sum;
        }
      }
    });
  },
};
