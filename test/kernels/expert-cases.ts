import { at, i32Bytes, i32Of, type KernelCases, poison, scalar, succeeds } from './case.js';
import type { Draws } from './draws.js';

const anyInts = (draws: Draws, count: number): number[] => draws.list(count, () => draws.from(-(2 ** 31), 2 ** 31 - 1));

/** Which rank a row goes to, from the words of `mixed` in expert.h, in exact arithmetic. */
function ownerOf(id: number, ranks: number): number {
  const word = (value: bigint): bigint => BigInt.asUintN(32, value);
  let value = word(BigInt(id));
  for (const [shift, factor] of [
    [16n, 0x7feb352dn],
    [15n, 0x846ca68bn],
  ] as const) {
    value = word((value ^ (value >> shift)) * factor);
  }
  return Number((value ^ (value >> 16n)) % BigInt(ranks));
}

export const expert: KernelCases = {
  kinds: ['of one rank', 'of all ranks', 'rows of others', 'beyond one grid'],
  draw(draws) {
    const [n, ranks] = [draws.from(0, 90), draws.from(1, 5)];
    const rank = draws.once(3) ? -1 : draws.from(0, ranks - 1);
    const rows = anyInts(draws, n);
    const routed = draws.once(2) ? rows : anyInts(draws, n);
    const owners = routed.map((id) => ownerOf(id, ranks));
    const kinds = [
      rank < 0 ? 'of all ranks' : 'of one rank',
      ...(rank >= 0 && owners.some((owner) => owner !== rank) ? ['rows of others'] : []),
      ...(n > 40 ? ['beyond one grid'] : []),
    ];
    const launch = {
      kernel: 'expert',
      buffers: [i32Bytes(rows), i32Bytes(routed), poison(n * 4)],
      values: [at(0), at(1), at(2), scalar(n), scalar(rank), scalar(ranks)],
    };
    return succeeds(launch, kinds, ([, , out = poison(0)]) => {
      const values = rows.map((row, index) => {
        const owner = owners[index] ?? 0;
        return rank >= 0 && owner !== rank ? 0 : row ^ Number(BigInt.asIntN(32, 0x9e3779b9n * BigInt(owner + 1)));
      });
      i32Of(out).set(values);
    });
  },
};

export const sumShares: KernelCases = {
  kinds: ['one rank', 'several ranks', 'beyond 32 bits', 'beyond one grid'],
  draw(draws) {
    const [count, ranks] = [draws.from(0, 90), draws.from(1, 5)];
    const shares = anyInts(draws, count * ranks);
    const sums = Array.from({ length: count }, (_, index) =>
      Array.from({ length: ranks }, (_, rank) => shares[rank * count + index] ?? 0).reduce(
        (sum, share) => sum + share,
        0,
      ),
    );
    const kinds = [
      ranks > 1 ? 'several ranks' : 'one rank',
      ...(sums.some((sum) => sum !== (sum | 0)) ? ['beyond 32 bits'] : []),
      ...(count > 40 ? ['beyond one grid'] : []),
    ];
    const launch = {
      kernel: 'sum_shares',
      buffers: [i32Bytes(shares), poison(count * 4)],
      values: [at(0), at(1), scalar(count), scalar(ranks)],
    };
    return succeeds(launch, kinds, ([, out = poison(0)]) =>
      i32Of(out).set(sums.map((sum) => Number(BigInt.asIntN(32, BigInt(sum))))),
    );
  },
};
