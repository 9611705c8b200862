import { at, i32Bytes, i32Of, type KernelCases, poison, scalar, succeeds } from './case.js';
import type { Draws } from './draws.js';

const anyInteger = (draws: Draws): number => draws.from(-(2 ** 31), 2 ** 31 - 1);

/** Sums of several ranks' shares wrap around, as 32-bit integers do. */
export const sumShares: KernelCases = {
  kinds: ['several ranks', 'sum beyond 32 bits', 'beyond one grid'],
  draw(draws) {
    const [count, ranks] = [draws.from(0, 90), draws.from(1, 4)];
    const shares = draws.list(ranks * count, () => anyInteger(draws));
    const sums = draws.list(count, (i) =>
      shares.reduce((sum, share, index) => (index % count === i ? sum + share : sum), 0),
    );
    const kinds = [
      ...(ranks > 1 && count > 0 ? ['several ranks'] : []),
      ...(sums.some((sum) => sum !== (sum | 0)) ? ['sum beyond 32 bits'] : []),
      ...(count > 40 ? ['beyond one grid'] : []),
    ];
    const launch = {
      kernel: 'sum_shares',
      buffers: [i32Bytes(shares), poison((count + 2) * 4)],
      values: [at(0), at(1), scalar(count), scalar(ranks)],
    };
    return succeeds(launch, kinds, ([, out = poison(0)]) => {
      for (const [i, sum] of sums.entries()) i32Of(out)[i] = Number(BigInt.asIntN(32, BigInt(sum)));
    });
  },
};

/** The rank that has the expert of an id: a mix of its bits, modulo the ranks. */
function ownerOf(id: number, ranks: number): number {
  const times = (value: bigint, factor: bigint): bigint => BigInt.asUintN(32, value * factor);
  let value = BigInt.asUintN(32, BigInt(id));
  value = times(value ^ (value >> 16n), 0x7feb352dn);
  value = times(value ^ (value >> 15n), 0x846ca68bn);
  return Number((value ^ (value >> 16n)) % BigInt(ranks));
}

/** Rows of one rank's experts, or of all; those of others become 0. */
export const expert: KernelCases = {
  kinds: ['one of several ranks', 'all ranks', 'beyond one grid'],
  draw(draws) {
    const [n, ranks] = [draws.from(0, 90), draws.from(1, 5)];
    const rank = draws.from(-1, ranks - 1);
    const rows = draws.list(n, () => anyInteger(draws));
    const routed = draws.list(n, () => (draws.once(2) ? draws.from(0, 20) : anyInteger(draws)));
    const kinds = [
      ...(rank >= 0 && ranks > 1 && n > 1 ? ['one of several ranks'] : []),
      ...(rank < 0 && n > 0 ? ['all ranks'] : []),
      ...(n > 40 ? ['beyond one grid'] : []),
    ];
    const launch = {
      kernel: 'expert',
      buffers: [i32Bytes(rows), i32Bytes(routed), poison((n + 2) * 4)],
      values: [at(0), at(1), at(2), scalar(n), scalar(rank), scalar(ranks)],
    };
    return succeeds(launch, kinds, ([, , out = poison(0)]) => {
      for (const [i, row] of rows.entries()) {
        const owner = ownerOf(routed[i] ?? 0, ranks);
        i32Of(out)[i] = rank < 0 || owner === rank ? row ^ Math.imul(0x9e3779b9, owner + 1) : 0;
      }
    });
  },
};
