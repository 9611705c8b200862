import { at, fails, i32Bytes, i32Of, type KernelCases, poison, scalar, succeeds } from './case.js';
import type { Draws } from './draws.js';

const anyBytes = (draws: Draws, count: number): Uint8Array =>
  Uint8Array.from(draws.list(count, () => draws.from(0, 255)));

export const copy: KernelCases = {
  kinds: ['overlap', 'words', 'bytes', 'beyond one grid'],
  draw(draws) {
    const bytes = draws.once(3) ? draws.from(300, 700) : draws.from(0, 40);
    const [from, to] = draws.pick([
      [0, 0],
      [8, 16],
      [draws.from(0, 9), draws.from(0, 9)],
    ] as const);
    const overlap = draws.once(3);
    const kinds = [
      ...(overlap && bytes > 0 && from !== to && Math.abs(from - to) < bytes ? ['overlap'] : []),
      ...(from % 8 === 0 && to % 8 === 0 ? ['words'] : ['bytes']),
      ...(bytes > 320 ? ['beyond one grid'] : []),
    ];
    const source = anyBytes(draws, Math.max(from, overlap ? to : 0) + bytes);
    const launch = {
      kernel: 'copy',
      buffers: overlap ? [source] : [source, poison(to + bytes + 9)],
      values: [at(0, from), at(overlap ? 0 : 1, to), scalar(bytes)],
    };
    return succeeds(launch, kinds, (buffers) => {
      buffers.at(-1)?.set(source.slice(from, from + bytes), to);
    });
  },
};

export const fill: KernelCases = {
  kinds: ['offset', 'beyond one grid'],
  draw(draws) {
    const [before, count, after] = [draws.from(0, 3), draws.from(0, 90), draws.from(0, 3)];
    const value = draws.from(-(2 ** 31), 2 ** 31 - 1);
    const launch = {
      kernel: 'fill',
      buffers: [poison((before + count + after) * 4)],
      values: [at(0, before * 4), scalar(value), scalar(count)],
    };
    const kinds = [...(before > 0 ? ['offset'] : []), ...(count > 40 ? ['beyond one grid'] : [])];
    return succeeds(launch, kinds, ([dst = poison(0)]) => i32Of(dst).fill(value, before, before + count));
  },
};

export const tableEdit: KernelCases = {
  kinds: ['failure', 'unaligned source', 'several edits', 'row not 0', 'more columns than lanes'],
  draw(draws) {
    const rows = draws.from(1, 5);
    const pitch = draws.once(3) ? draws.from(66, 90) : draws.from(1, 8);
    const offset = draws.pick([0, 4, 8, draws.from(1, 15)]);
    const edits = draws.list(draws.from(0, 5), () => {
      const begin = draws.once(3) ? 0 : draws.from(0, pitch);
      return [draws.from(0, rows - 1), begin, draws.once(3) ? pitch : draws.from(begin, pitch), 0];
    });
    const source = anyBytes(draws, offset + rows * pitch * 4);
    const kinds = [
      ...(offset % 4 > 0 ? ['unaligned source'] : []),
      ...(edits.length > 1 ? ['several edits'] : []),
      ...(edits.some(([row = 0, begin = 0, end = 0]) => row > 0 && end > begin) ? ['row not 0'] : []),
      ...(edits.some(([, begin = 0, end = 0]) => end - begin > 64) ? ['more columns than lanes'] : []),
    ];
    const launchOf = (list: readonly (readonly number[])[]) => ({
      kernel: 'table_edit',
      buffers: [poison(rows * pitch * 4), i32Bytes(list.flat()), source],
      values: [at(0), at(1), at(2, offset), scalar(list.length), scalar(pitch)],
    });
    if (edits.length > 0 && draws.once(5)) {
      const index = draws.from(0, edits.length - 1);
      const edit = draws.pick([
        [-1, 0, 1, 0],
        [rows, 0, 1, 0],
        [0, 1, 0, 0],
        [0, -1, 0, 0],
        [0, 0, pitch + 1, 0],
      ]);
      const [row, begin, end] = edit;
      const words = `edit ${index} is columns ${begin} to ${end} of row ${row}, which does not lie in both tables`;
      return fails(launchOf(edits.with(index, edit)), kinds, words);
    }
    return succeeds(launchOf(edits), kinds, ([table = poison(0)]) => {
      for (const [row = 0, begin = 0, end = 0] of edits) {
        const from = (row * pitch + begin) * 4;
        table.set(source.slice(offset + from, offset + (row * pitch + end) * 4), from);
      }
    });
  },
};

/** Rows of a view to a buffer with room for `pitch` of each rank, or back. */
function paddedCases(kernel: 'gather_rows' | 'scatter_rows'): KernelCases {
  const gather = kernel === 'gather_rows';
  return {
    kinds: ['failure', 'view too small', 'several ranks', 'padding', 'rows longer than lanes', 'row of words'],
    draw(draws) {
      const ranks = draws.from(1, 5);
      const pitch = draws.from(0, 5);
      const rowBytes = draws.once(3) ? 8 * draws.from(1, 40) : draws.from(1, 80);
      const counts = draws.list(ranks, () => draws.from(0, pitch));
      const total = counts.reduce((sum, count) => sum + count, 0);
      const short = total > 0 && draws.once(8);
      const viewBytes = short ? total * rowBytes - 1 : (total + draws.from(0, 2)) * rowBytes;
      const view = anyBytes(draws, viewBytes);
      const padded = anyBytes(draws, ranks * pitch * rowBytes);
      const kinds = [
        ...(short ? ['view too small'] : []),
        ...(ranks > 1 && total > 0 ? ['several ranks'] : []),
        ...(total < ranks * pitch ? ['padding'] : []),
        ...(rowBytes > 32 * 8 ? ['rows longer than lanes'] : []),
        ...(rowBytes % 8 === 0 ? ['row of words'] : []),
      ];
      const launchOf = (rowCounts: readonly number[]) => ({
        kernel,
        buffers: gather ? [view, i32Bytes(rowCounts), padded] : [padded, i32Bytes(rowCounts), view],
        values: [at(0), at(1), at(2), scalar(ranks), scalar(pitch), scalar(rowBytes)],
      });
      if (short) return fails(launchOf(counts), kinds, null);
      if (pitch > 0 && draws.once(6)) {
        const count = draws.pick([-1, pitch + 1]);
        // The ranks after it have no rows, so that the view is large enough for any count but this one.
        const wrong = counts.map((own, rank) => (rank === 0 ? count : Math.min(own, 0)));
        return fails(launchOf(wrong), kinds, `counts[0] is ${count}, there is room for ${pitch} rows of a rank`);
      }
      return succeeds(launchOf(counts), kinds, (buffers) => {
        const to = buffers[2] ?? poison(0);
        let before = 0;
        for (const [rank, count] of counts.entries()) {
          for (let row = 0; row < pitch; row++) {
            const inView = (before + row) * rowBytes;
            const inPadded = (rank * pitch + row) * rowBytes;
            if (row < count && gather) to.set(view.slice(inView, inView + rowBytes), inPadded);
            else if (row < count) to.set(padded.slice(inPadded, inPadded + rowBytes), inView);
            else if (gather) to.fill(0, inPadded, inPadded + rowBytes);
          }
          before += count;
        }
      });
    },
  };
}

export const gatherRows: KernelCases = paddedCases('gather_rows');
export const scatterRows: KernelCases = paddedCases('scatter_rows');
