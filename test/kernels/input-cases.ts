import { slotsOf } from '../oracles/slot-oracle.js';
import { at, fails, i32Bytes, i32Of, i64Bytes, i64Of, type KernelCases, poison, scalar, succeeds } from './case.js';

/** Requests of a step whose windows are partly padding, some of them filled from a last step's outputs. */
export const deviceInputs: KernelCases = {
  kinds: [
    ...['failure', 'padding', 'short window', 'drafts', 'host request', 'context parallelism', 'padded request'],
    'cut window',
  ],
  draw(draws) {
    const requests = draws.from(1, 12);
    const maxDrafts = draws.from(0, 3);
    const blockSize = draws.from(1, 4);
    const tableWidth = draws.from(8, 10);
    const lastRows = requests + draws.from(0, 2);
    const cpSize = draws.pick([1, 1, 2, 3]);
    const geometry = {
      blockSize,
      contextParallelSize: cpSize,
      contextParallelRank: draws.from(0, cpSize - 1),
      interleaveSize: draws.from(1, 2),
    };
    const paddedSeqLen = draws.from(0, 1);
    const stride = draws.once(2) ? 1 + maxDrafts : 0;
    const rows = draws.distinct(requests, lastRows);
    const real = draws.list(requests, () => (draws.once(5) ? 0 : draws.from(1, 1 + maxDrafts)));
    // Tokens of the first window that a part before computes.
    const firstPlace = draws.once(3) ? draws.from(0, 1 + maxDrafts - (real[0] ?? 0)) : 0;
    const source = draws.list(requests, (request) => (draws.once(4) ? -1 : (rows[request] ?? 0)));
    const accepted = draws.list(lastRows, () => draws.from(0, maxDrafts));
    // Positions that the table has blocks for, whole turns of the context-parallel ranks.
    const { interleaveSize } = geometry;
    const room = Math.floor((blockSize * tableWidth) / interleaveSize) * interleaveSize * cpSize;
    const base = draws.list(requests, () => draws.from(0, room - 1 - 2 * maxDrafts));
    const sampled = draws.list(lastRows * (1 + maxDrafts), (index) => 10_000 + index);
    const drafts = draws.list(lastRows * maxDrafts, (index) => 20_000 + index);
    const windows = real.map((length) => Math.max(length, length === 0 ? 0 : stride));
    const queryStartLoc = [0];
    for (const length of windows) queryStartLoc.push((queryStartLoc.at(-1) ?? 0) + length);
    const owned = windows.flatMap((length, request) =>
      draws.list(length, (index) => (index < (real[request] ?? 0) ? request : -1)),
    );
    const tokenToRequest = [...owned, ...draws.list(draws.from(0, 4), () => -1)];
    const tokens = tokenToRequest.length;
    const blockTable = draws.list(requests * tableWidth, () => draws.from(1, 30));
    const kinds = [
      ...(tokens > owned.length ? ['padding'] : []),
      ...(owned.includes(-1) ? ['short window'] : []),
      ...(real.some((length, request) => length > 1 && (source[request] ?? 0) >= 0) ? ['drafts'] : []),
      ...(real.some((length, request) => length > 0 && source[request] === -1) ? ['host request'] : []),
      ...(cpSize > 1 ? ['context parallelism'] : []),
      ...(real.includes(0) ? ['padded request'] : []),
      ...(firstPlace > 0 && (real[0] ?? 0) > 0 && (source[0] ?? -1) >= 0 ? ['cut window'] : []),
    ];
    const launchOf = (lists: { accepted: number[]; source: number[]; blockTable: number[] }) => ({
      kernel: 'device_inputs',
      buffers: [
        i32Bytes(lists.source),
        i32Bytes(base),
        i32Bytes(lists.accepted),
        i32Bytes(sampled),
        i32Bytes(drafts),
        i32Bytes(queryStartLoc),
        i32Bytes(tokenToRequest),
        i32Bytes(lists.blockTable),
        i32Bytes(draws.list(tokens, () => 7)),
        i64Bytes(draws.list(tokens, () => 7n)),
        i64Bytes(draws.list(tokens, () => 7n)),
        poison(requests * 4),
      ],
      values: [
        ...draws.list(12, (index) => at(index)),
        ...[requests, tokens, maxDrafts, tableWidth, blockSize, paddedSeqLen].map(scalar),
        ...[cpSize, geometry.contextParallelRank, geometry.interleaveSize, firstPlace].map(scalar),
      ],
    });
    const filled = draws
      .list(requests, (request) => request)
      .filter((request) => (real[request] ?? 0) > 0 && (source[request] ?? -1) >= 0);
    if (filled.length > 0 && draws.once(5)) {
      const request = draws.pick(filled);
      const row = source[request] ?? 0;
      if (draws.once(2)) {
        const wrong = launchOf({ accepted, source: source.with(request, lastRows), blockTable });
        return fails(wrong, kinds, `source[${request}] is ${lastRows}, the last step has ${lastRows} rows`);
      }
      const wrong = launchOf({ accepted: accepted.with(row, maxDrafts + 1), source, blockTable });
      return fails(wrong, kinds, `accepted[${row}] is ${maxDrafts + 1}, of at most ${maxDrafts} drafts`);
    }
    return succeeds(launchOf({ accepted, source, blockTable }), kinds, (buffers) => {
      const [ids, positions, slots, seqLens] = buffers.slice(8) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
      for (const [token, request] of tokenToRequest.entries()) {
        if (request >= 0) continue;
        i32Of(ids)[token] = 0;
        i64Of(positions)[token] = 0n;
        i64Of(slots)[token] = -1n;
      }
      for (let request = 0; request < requests; request++) {
        const length = real[request] ?? 0;
        const row = source[request] ?? -1;
        if (length === 0) i32Of(seqLens)[request] = paddedSeqLen;
        if (length === 0 || row < 0) continue;
        const kept = accepted[row] ?? 0;
        const place = request === 0 ? firstPlace : 0;
        const start = (base[request] ?? 0) + kept + place;
        i32Of(seqLens)[request] = start + length;
        const blocks = blockTable.slice(request * tableWidth, (request + 1) * tableWidth);
        const all = slotsOf(blocks, start + length, geometry);
        for (let index = 0; index < length; index++) {
          const token = (queryStartLoc[request] ?? 0) + index;
          const id =
            place + index === 0 ? sampled[row * (1 + maxDrafts) + kept] : drafts[row * maxDrafts + place + index - 1];
          i32Of(ids)[token] = id ?? 0;
          i64Of(positions)[token] = BigInt(start + index);
          i64Of(slots)[token] = all[start + index] ?? 0n;
        }
      }
    });
  },
};
