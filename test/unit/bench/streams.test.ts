import { afterAll, describe, expect, test } from 'vitest';
import { ReplaceRun, STREAMS } from '../../../dist/bench/churn-cases.js';
import { type EventStream, eventStream, replaceStream } from '../../../dist/bench/event-stream.js';
import { NumpyPeer, type PeerRow } from '../../../dist/bench/numpy-peer.js';
import { StreamRun } from '../../../dist/bench/stream-run.js';
import { loadModules } from '../../../dist/memory/index.js';

const modules = await loadModules();
const peer = NumpyPeer.open();
afterAll(async () => await peer?.[Symbol.asyncDispose]());

const STEPS = 24;

/** Rows in order of their requests: the two sides order them each in its way. */
const sorted = (rows: readonly PeerRow[]): PeerRow[] => [...rows].sort(([a], [b]) => a - b);

/** Blocks of a row of the table: null blocks follow the last. */
function blocksOf(table: Int32Array, width: number, row: number): number[] {
  const blocks = table.subarray(row * width, (row + 1) * width);
  const end = blocks.indexOf(0);
  return [...blocks.subarray(0, end < 0 ? width : end)];
}

/** What each row of the planner's tensors holds after a step. */
function ourRows(run: StreamRun, requests: Iterable<number>): PeerRow[] {
  const { order, rows, tensors, blockTable, tableWidth } = run.planner.local;
  const requestOf = new Map([...requests].map((request) => [run.row(request), request]));
  return Array.from({ length: rows }, (_, row): PeerRow => {
    const [begin, end] = tensors.queryStartLoc.subarray(row, row + 2);
    const slots = Array.from(tensors.slotMapping.subarray(begin, end), Number);
    return [requestOf.get(order[row]) ?? -1, slots, blocksOf(blockTable, tableWidth, row)];
  });
}

/** The stream of a row with some requests and steps of it, so that its states can be looked at whole. */
function small(stream: EventStream): EventStream {
  const { window, steps } = stream;
  const prefillTokens = Math.max(...steps.map(({ chunks }) => chunks.reduce((sum, { queryLen }) => sum + queryLen, 0)));
  const turnover = steps.some(({ finished }) => finished.length > 0) ? 0.1 : 0;
  const budget = Math.min(prefillTokens, 96);
  return eventStream({
    requests: 40,
    steps: STEPS,
    turnover,
    prefillTokens: budget,
    prompts: [1, budget > 0 ? 60 : 200],
    drafts: window - 1,
  });
}

describe.skipIf(peer === null)('the numpy peer', () => {
  test.each(Object.keys(STREAMS))('gives the slots and blocks of our steps for the same events: %s', async (name) => {
    const stream = small(STREAMS[name]());
    const run = new StreamRun(modules, stream);
    run.restart();
    const live = new Set(stream.initial.map(({ request }) => request));
    const states = (await peer?.states(name, { kind: 'stream', stream }, STEPS)) ?? [];
    expect(states).toHaveLength(STEPS);
    for (const [index, { joined, finished }] of stream.steps.entries()) {
      run.step();
      for (const { request } of joined) live.add(request);
      for (const request of finished) live.delete(request);
      expect(sorted(ourRows(run, live)), `step ${index}`).toEqual(sorted(states[index]));
    }
    // Started again, the stream is what it was.
    run.restart();
    run.step();
    const [{ joined, finished }] = stream.steps;
    const there = [...stream.initial, ...joined].map(({ request }) => request);
    const first = there.filter((request) => !finished.includes(request));
    expect(sorted(ourRows(run, first))).toEqual(sorted(states[0]));
  });

  test('holds the blocks of our table after each replaced request', async () => {
    const stream = replaceStream(20, 30);
    const run = new ReplaceRun(modules, stream);
    const states = (await peer?.states('replace', { kind: 'replace', stream }, 70)) ?? [];
    const { memory } = run.batch;
    for (let step = 0; step < 70; step++) {
      run.step();
      const table = memory.groupWords(step % 2 === 0 ? 'blockTable0' : 'blockTable1');
      const order = memory.words('order');
      const width = memory.regions.sizes.groups[0].tableWidth;
      const requestOf = new Map(run.rows.map((row, place) => [row as number, run.there[place].request]));
      const ours = run.rows.map(
        (_, row): PeerRow => [requestOf.get(order[row]) ?? -1, [], blocksOf(table, width, row)],
      );
      expect(sorted(ours), `step ${step}`).toEqual(sorted(states[step]));
    }
  });
});

describe('an event stream', () => {
  test('is the same whenever it is made, and has events of every kind its row is named for', () => {
    const churn = STREAMS['churn-256']();
    expect(small(churn)).toEqual(small(churn));
    const all = <T>(stream: EventStream, of: (step: EventStream['steps'][number]) => ArrayLike<T>): number =>
      stream.steps.reduce((sum, step) => sum + of(step).length, 0);
    const { steps } = churn;
    expect(all(churn, ({ finished }) => finished) / steps.length).toBeCloseTo(0.02 * 256, 1);
    expect(all(churn, ({ joined }) => joined)).toBe(all(churn, ({ finished }) => finished));
    expect(all(churn, ({ entering }) => entering) / steps.length).toBeGreaterThan(12);
    const prefill = STREAMS['churn-prefill-256']();
    expect(prefill.steps.filter(({ chunks }) => chunks.length > 0).length).toBeGreaterThan(0.9 * prefill.steps.length);
    expect(all(prefill, ({ began }) => began)).toBeGreaterThan(500);
    const drafts = STREAMS['spec-256']();
    expect([...new Set(drafts.steps.flatMap(({ accepted }) => [...accepted]))].sort()).toEqual([0, 1, 2, 3]);
    expect(all(STREAMS['step-append-256'](), ({ finished }) => finished)).toBe(0);
  });
});
