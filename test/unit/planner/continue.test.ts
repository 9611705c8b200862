import { describe, expect, it } from 'vitest';
import type { ForwardBatch, Row } from '../../../dist/batch/index.js';
import { createPlanner, devicePort, type StepPlanner } from '../../../dist/planner/index.js';
import { refusedWith } from '../../support/expectations.js';

const limits = { maxNumSeqs: 8, maxNumBatchedTokens: 32, maxModelLen: 64, blockSize: 4, numBlocks: 200, queryLen: 3 };

const step = (planner: StepPlanner): ForwardBatch => planner.build(planner.resolve(planner.vote()));

/** A planner whose first step has `count` decodes of `queryLen` tokens from position 3 on, each with a block of its own and one more. */
async function running(count: number, queryLen = 1): Promise<{ planner: StepPlanner; rows: Row[] }> {
  const planner = await createPlanner({ limits });
  const rows = Array.from({ length: count }, (_, index) =>
    planner.requests.add({ blockIds: [10 + 2 * index, 11 + 2 * index], numComputedTokens: 3 }),
  );
  planner.requests.scheduleEach(rows, new Int32Array(count).fill(queryLen));
  step(planner);
  return { planner, rows };
}

const decode = { phase: 'decode', queryLen: 1 } as const;
const orderOf = (local: ForwardBatch): number[] => [...local.order.subarray(0, local.rows)];
const blocksOf = (local: ForwardBatch, row: number): number[] => [
  ...local.blockTable.subarray(row * local.tableWidth, row * local.tableWidth + 4),
];

describe('rows of decodes that go on', () => {
  it('stay while others leave, and newcomers take those freed last', async () => {
    const { planner, rows } = await running(5);
    const { requests } = planner;
    requests.remove(rows[1]);
    requests.remove(rows[3]);
    expect(requests.continueDecodes()).toBe(3);
    const [first, second] = [50, 60].map((block) => requests.add({ blockIds: [block], numComputedTokens: 2 }));
    requests.schedule(first, decode);
    requests.schedule(second, decode);
    const local = step(planner);
    expect(orderOf(local)).toEqual([rows[0], second, rows[2], first, rows[4]]);
    expect([1, 3].map((row) => blocksOf(local, row)[0])).toEqual([60, 50]);
  });

  it('are filled with the last ones at the vote, and nobody else moves', async () => {
    const { planner, rows } = await running(6);
    const { requests } = planner;
    for (const gone of [rows[0], rows[5], rows[2]]) requests.remove(gone);
    requests.continueDecodes();
    // The row freed last is filled first; the row freed between was the last one.
    expect(orderOf(step(planner))).toEqual([rows[3], rows[1], rows[4]]);
    requests.continueDecodes();
    requests.remove(rows[3]);
    expect(orderOf(step(planner))).toEqual([rows[4], rows[1]]);
  });

  it('take their places back after a check or a refused vote without them', async () => {
    const { planner, rows } = await running(2);
    const { requests } = planner;
    requests.checkSharedBlocks();
    requests.continueDecodes();
    expect(orderOf(step(planner))).toEqual(rows);
    const checked = await createPlanner({ limits, checked: true });
    const there = [10, 20].map((block) => checked.requests.add({ blockIds: [block], numComputedTokens: 1 }));
    checked.requests.scheduleEach(there, [1, 1]);
    step(checked);
    const other = checked.requests.add({ blockIds: [10] });
    checked.requests.schedule(other, { phase: 'prefill', queryLen: 4 });
    refusedWith('ERR_BLOCK_CONFLICT', () => checked.vote());
    checked.requests.remove(other);
    checked.requests.continueDecodes();
    const local = step(checked);
    expect(orderOf(local)).toEqual(there);
    expect([0, 1].map((row) => blocksOf(local, row)[0])).toEqual([10, 20]);
  });

  it('costs the block table a row for each newcomer, and a column for each block', async () => {
    const { planner, rows } = await running(6);
    const { requests } = planner;
    step(planner);
    requests.scheduleEach(rows, new Int32Array(6).fill(1));
    step(planner);
    requests.remove(rows[2]);
    requests.continueDecodes(Int32Array.of(rows[4], rows[0]), null, Int32Array.of(70, 71));
    requests.schedule(requests.add({ blockIds: [80], numComputedTokens: 1 }), decode);
    const { tableEdits } = step(planner);
    const edits = new Int32Array(
      devicePort(planner).arena.buffer,
      devicePort(planner).regions.groups[0].region('tableEdits').offset,
      4 * tableEdits,
    );
    const edited = Array.from({ length: tableEdits }, (_, index) => [...edits.subarray(4 * index, 4 * index + 3)]);
    expect(edited).toEqual([
      [2, 0, 2],
      [4, 2, 3],
      [0, 2, 3],
    ]);
  });
});

describe('continueDecodes', () => {
  it('advances by accepted drafts and appends blocks, of those that it is told of', async () => {
    const { planner, rows } = await running(3, 3);
    const { requests } = planner;
    // Of the first, whose drafts come in two entries, both are accepted; of the second none is.
    requests.continueDecodes(Int32Array.of(rows[0], rows[2], rows[0]), Int32Array.of(1, 1, 1), Int32Array.of(90, 0, 0));
    const local = step(planner);
    expect(rows.map((row) => requests.numComputedTokens(row))).toEqual([6, 4, 5]);
    expect([...local.tensors.positions.subarray(0, 9)].map(Number)).toEqual([6, 7, 8, 4, 5, 6, 5, 6, 7]);
    expect([...local.tensors.slotMapping.subarray(0, 3)].map(Number)).toEqual([11 * 4 + 2, 11 * 4 + 3, 90 * 4]);
  });

  it.each([
    ['more drafts than there were', 'ERR_INPUT_INVALID', [0], [3], [0], { acceptedDrafts: 3, drafts: 2 }],
    ['fewer than none', 'ERR_INPUT_INVALID', [0], [-1], [0], { acceptedDrafts: -1 }],
    ['as many in two entries', 'ERR_INPUT_INVALID', [0, 0], [2, 1], [0, 0], { acceptedDrafts: 3 }],
    ['a request that did not run', 'ERR_STEP_ORDER', [0, 3], [0, 0], [0, 0], { row: 3 }],
    ['a row of nobody', 'ERR_ROW_UNKNOWN', [7], [0], [0], { row: 7 }],
    ['a block that there is not', 'ERR_BLOCK_INVALID', [0, 1], [0, 0], [90, 200], { row: 1, block: 200 }],
    ['a block that is lacking', 'ERR_POSITION_BEYOND_BLOCKS', [0, 1], [2, 2], [90, 0], { row: 1, covered: 8 }],
    ['drafts of fewer rows', 'ERR_INPUT_INVALID', [0, 1], [0], [0, 0], { rows: 2, acceptedDrafts: 1 }],
  ] as const)('refuses %s, and changes nothing: %s', async (_name, code, places, accepted, newBlocks, details) => {
    const { planner, rows } = await running(3, 3);
    const { requests } = planner;
    const all = [...rows, requests.add({ blockIds: [99] }), 0, 0, 0, 7 as Row];
    const given = places.map((place) => all[place] as Row);
    expect(refusedWith(code, () => requests.continueDecodes(given, accepted, newBlocks)).details).toMatchObject(
      details,
    );
    expect(refusedWith('ERR_BATCH_LIMIT', () => requests.continueDecodes()).details).toMatchObject({ queryLen: 3 });
    requests.continueDecodes(rows, [0, 0, 0]);
    const local = step(planner);
    expect(rows.map((_, row) => blocksOf(local, row))).toEqual(
      rows.map((_, row) => [10 + 2 * row, 11 + 2 * row, 0, 0]),
    );
    expect(rows.map((row) => requests.numComputedTokens(row))).toEqual([4, 4, 4]);
  });

  it('counts nobody who holds the null block', async () => {
    const planner = await createPlanner({ limits, checked: true });
    const { requests } = planner;
    const rows = [10, 20].map((block) => requests.add({ blockIds: [block, block + 1], numComputedTokens: 3 }));
    requests.scheduleEach(rows, [1, 1]);
    step(planner);
    requests.continueDecodes(rows, null, [0, 0]);
    const { arena, regions } = devicePort(planner);
    const holders = new Int32Array(arena.buffer, regions.groups[0].region('blockHolders').offset, 11);
    expect([holders[0], holders[10]]).toEqual([0, 1]);
  });

  it('refuses drafts or blocks of no rows', async () => {
    const { planner } = await running(2);
    refusedWith('ERR_INPUT_INVALID', () => planner.requests.continueDecodes(null, [1]));
    refusedWith('ERR_INPUT_INVALID', () => planner.requests.continueDecodes([0 as Row], null, [[1], [2]]));
    expect(planner.requests.continueDecodes(null)).toBe(2);
  });

  it('goes on for longer than any request, while requests come and go', async () => {
    const planner = await createPlanner({ limits: { ...limits, maxNumSeqs: 3, numBlocks: 60 } });
    const { requests } = planner;
    const blockIds = Int32Array.from({ length: 16 }, (_, index) => 1 + index);
    const there: { row: Row; since: number }[] = [];
    const join = (number: number): void => {
      const row = requests.add({ blockIds });
      requests.schedule(row, decode);
      there.push({ row, since: number });
    };
    for (let number = 0; number < 3; number++) {
      requests.continueDecodes();
      join(number);
      step(planner);
    }
    for (let number = 3; number < 70_000; number++) {
      const leaves = number % 20 === 0 ? there.shift() : undefined;
      if (leaves !== undefined) requests.remove(leaves.row);
      requests.continueDecodes();
      if (leaves !== undefined) join(number);
      const { tensors, order } = step(planner);
      if (number < 65_500 && number % 1000 > 0) continue;
      for (let row = 0; row < 3; row++) {
        const since = there.find((request) => request.row === order[row])?.since ?? 0;
        const position = number - since;
        if (Number(tensors.positions[row]) !== position || Number(tensors.slotMapping[row]) !== 4 + position) {
          throw new Error(`step ${number}: ${tensors.positions[row]}, ${tensors.slotMapping[row]}, not ${position}`);
        }
      }
    }
  });
});

describe('advanceEach and scheduleEach', () => {
  it('do what the calls of each do, in their order', async () => {
    const { planner, rows } = await running(3, 2);
    const { requests } = planner;
    requests.advanceEach(rows, Int32Array.of(1, 2, 1));
    requests.scheduleEach([rows[2], rows[0], rows[1]], [3, 1, 2]);
    const local = step(planner);
    expect(orderOf(local)).toEqual([rows[2], rows[0], rows[1]]);
    expect([...local.tensors.positions.subarray(0, 6)].map(Number)).toEqual([4, 5, 6, 4, 5, 6]);
  });

  it('refuse all or nothing', async () => {
    const { planner, rows } = await running(3, 1);
    const { requests } = planner;
    refusedWith('ERR_POSITION_BEYOND_BLOCKS', () => requests.advanceEach([rows[0], rows[1], rows[0]], [3, 1, 3]));
    refusedWith('ERR_ROW_UNKNOWN', () => requests.advanceEach([rows[0], 7 as Row], [1, 1]));
    refusedWith('ERR_INPUT_INVALID', () => requests.advanceEach(rows, [1]));
    expect(rows.map((row) => requests.numComputedTokens(row))).toEqual([3, 3, 3]);
    refusedWith('ERR_STEP_ORDER', () => requests.scheduleEach([rows[0], rows[1], rows[0]], [1, 1, 1]));
    refusedWith('ERR_BATCH_LIMIT', () => requests.scheduleEach(rows, [1, 4, 1]));
    refusedWith('ERR_POSITION_BEYOND_BLOCKS', () => {
      requests.advanceEach(rows, [0, 0, 5]);
      requests.scheduleEach(rows, [1, 1, 1]);
    });
    expect(planner.scheduledTokens).toBe(0);
    requests.scheduleEach(rows.slice(0, 2), [1, 1]);
    expect(orderOf(step(planner))).toEqual(rows.slice(0, 2));
  });
});
