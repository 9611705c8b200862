import { describe, expect, it } from 'vitest';
import {
  capturePoolData,
  capturePoolPlot,
  capturePoolTable,
  costStaircaseData,
  costStaircasePlot,
  costStaircaseTable,
  graphLossData,
  graphLossPlot,
  graphLossTable,
  sequenceData,
  sequencePlot,
  sequenceTable,
  stepSizesData,
  stepSizesPlot,
  stepSizesTable,
} from '../../../dist/report/index.js';
import { placedLabels } from '../../../dist/report/plots/labels.js';
import { contextOf, found } from './drawing.js';

const titles = (svg: unknown): (string | null)[] => found(svg, 'title').map(({ textContent }) => textContent);

describe('step sizes', () => {
  const ladders = [
    { name: 'ours', sizes: [2, 4] },
    { name: 'vllm', sizes: [1, 2, 4, 8] },
  ];
  const counts: [number, number][] = [
    [5, 1],
    [1, 30],
    [3, 9],
    [4, 0],
  ];

  it('has a row for each size that occurs, with the size that each ladder runs it on', () => {
    const table = stepSizesTable(stepSizesData(counts, ladders, 'decodes'));
    expect(table.columns).toEqual(['tokens', 'steps', 'share', 'runs on (ours)', 'runs on (vllm)']);
    expect(table.rows).toEqual([
      ['1', '30', '75.0 %', '2', '1'],
      ['3', '9', '22.5 %', '4', '4'],
      ['5', '1', '2.5 %', 'eager', '8'],
    ]);
  });

  it('draws a bar for each, and a tick for each size of each ladder', () => {
    const svg = stepSizesPlot(stepSizesData(counts, ladders, 'decodes'), contextOf());
    expect(found(svg, 'rect')).toHaveLength(3);
    const told = titles(svg);
    expect(told).toContain('3 tokens: 9 steps');
    expect(told.filter((title) => title === 'vllm: 8 tokens')).toHaveLength(1);
    // Once over the bars, once below them.
    expect(told.filter((title) => title === 'ours: 4 tokens')).toHaveLength(2);
  });

  it('puts many sizes together without losing a step, and says so', () => {
    const many = Array.from({ length: 8192 }, (_, index): [number, number] => [index + 1, 1 + (index % 7)]);
    const data = stepSizesData(many, ladders, 'steps');
    expect(data.bars.length).toBeLessThan(256);
    expect(data.bars.reduce((sum, { steps }) => sum + steps, 0)).toBe(data.steps);
    expect(
      data.bars.every(({ from, to }, index) => from <= to && (index === 0 || from > data.bars[index - 1].to)),
    ).toBe(true);
    expect(data.bars.at(-1)?.to).toBeGreaterThanOrEqual(8192);
    expect(stepSizesTable(data).note).toMatch(/put together/);
  });

  it('draws nothing counted as nothing', () => {
    expect(found(stepSizesPlot(stepSizesData([], [], 'decodes'), contextOf()), 'rect')).toHaveLength(0);
  });
});

describe('graphs against loss', () => {
  const score = { graphs: 4, paddingRatio: 0.25, timeRatio: 0.125, eagerSteps: 0 };
  const plan = {
    ...score,
    objective: 'robust',
    costKnown: true,
    curve: Array.from({ length: 40 }, (_, index) => ({
      graphs: index + 1,
      paddingRatio: 1 / (index + 1),
      timeRatio: 0.5 / (index + 1),
    })),
    engines: [{ engine: 'vllm', graphs: 9, paddingRatio: 0, timeRatio: 0, eagerSteps: 3 }],
    seen: { ...score, objective: 'seen', graphs: 6 },
    robust: { ...score, objective: 'robust' },
    asRan: null,
  };

  it('has our plans, the engines and the curve as far as it is drawn', () => {
    const table = graphLossTable(graphLossData(plan));
    expect(table.columns).toEqual(['graphs of', 'graphs', 'padding', 'time lost', 'eager steps']);
    expect(table.rows.slice(0, 4)).toEqual([
      ['this plan', '4', '25.0 %', '12.5 %', '0'],
      ['best for these steps', '6', '25.0 %', '12.5 %', '0'],
      ['vllm', '9', '0 %', '0 %', '3'],
      ['best of so many', '1', '100 %', '50.0 %', ''],
    ]);
    expect(table.rows).toHaveLength(3 + 12);
    expect(table.note).toMatch(/40 graphs/);
  });

  it('shows time in a panel of its own where it is known, and in none where it is not', () => {
    const both = graphLossPlot(graphLossData(plan), contextOf());
    expect(titles(both)).toContain('this plan: 4 graphs, 12.5 %');
    const one = graphLossPlot(graphLossData({ ...plan, costKnown: false }), contextOf());
    expect(titles(one)).toContain('this plan: 4 graphs, 25.0 %');
    expect(titles(one)).not.toContain('this plan: 4 graphs, 12.5 %');
    expect(titles(both)).toHaveLength(2 * titles(one).length);
    expect(found(one, 'text').map(({ textContent }) => textContent)).toContain('vllm');
  });
});

describe('labels of crowded points', () => {
  const panel = { width: 300, height: 200 };
  const names = ['this plan', 'best for these steps', 'vllm', 'sglang', 'trtllm', 'megatron', 'atom'];
  const boxes = (points: readonly { at: readonly [number, number]; name: string }[], curve: [number, number][] = []) =>
    placedLabels(points, curve, panel).map(({ dx, dy, anchor, leads }, index) => {
      const { at, name } = points[index];
      const left = anchor === 'start' ? at[0] + dx : at[0] + dx - 7 * name.length;
      return { left, right: left + 7 * name.length, top: at[1] + dy - 7, bottom: at[1] + dy + 7, leads };
    });

  it('stand on no other label and no point, and lead back to their own where they are off it', () => {
    const points = names.map((name, index) => ({ name, at: [100 + 4 * index, 90 + 3 * (index % 3)] as const }));
    const placed = boxes(points);
    for (const [index, one] of placed.entries()) {
      for (const other of placed.slice(0, index))
        expect(
          one.left >= other.right || other.left >= one.right || one.top >= other.bottom || other.top >= one.bottom,
        ).toBe(true);
      for (const { at } of points)
        expect(at[0] + 6 <= one.left || at[0] - 6 >= one.right || at[1] + 6 <= one.top || at[1] - 6 >= one.bottom).toBe(
          true,
        );
      expect(one.top).toBeGreaterThanOrEqual(0);
      expect(one.bottom).toBeLessThanOrEqual(panel.height);
    }
    expect(placed.some(({ leads }) => leads)).toBe(true);
    expect(boxes([{ name: 'alone', at: [50, 50] }])[0]).toMatchObject({ left: 59, top: 43, leads: false });
  });

  it('keep off the curve', () => {
    const [onCurve] = boxes(
      [{ name: 'on it', at: [50, 50] }],
      [
        [0, 50],
        [300, 50],
      ],
    );
    expect(onCurve.top > 50 || onCurve.bottom < 50).toBe(true);
  });

  it('are joined to their points by lines in the plot', () => {
    const one = { paddingRatio: 0.25, timeRatio: 0.1, eagerSteps: 0 };
    const crowded = names.map((name, index) => ({ name, graphs: 9 + (index % 2), ours: index < 2, ...one }));
    const svg = graphLossPlot({ curve: [], points: crowded, timeKnown: false }, contextOf(360));
    const lonely = graphLossPlot({ curve: [], points: crowded.slice(0, 1), timeKnown: false }, contextOf(360));
    // Each point is a path itself.
    const strokes = (drawn: unknown): number => found(drawn, 'path[d^="M"]').length;
    expect(strokes(svg) - strokes(lonely)).toBeGreaterThan(names.length - 1);
  });
});

describe('cost staircase', () => {
  const costs = { 1: 10, 2: 11, 3: 12, 4: 14, 5: 15 };

  it('has a stair for each size, from one past the smaller one', () => {
    const data = costStaircaseData(costs, [2, 4], { unit: 'ms', name: 'measured' });
    expect(costStaircaseTable(data).rows).toEqual([
      ['1 to 2', '2', '11', '10', '10.0 %'],
      ['3 to 4', '4', '14', '12', '16.7 %'],
      ['from 5', 'eager', '', '', ''],
    ]);
    const svg = costStaircasePlot(data, contextOf());
    expect(svg.outerHTML).toContain('on the graph of 4.');
    expect(found(svg, 'text').map(({ textContent }) => textContent)).toContain('eager');
  });

  it('marks no eager part where the ladder holds every size', () => {
    const data = costStaircaseData(costs, [1, 5], { unit: 'ms', name: 'measured' });
    expect(data.eagerFrom).toBeNull();
    expect(found(costStaircasePlot(data, contextOf()), 'rect')).toHaveLength(0);
  });

  it('thins many costs and keeps the first and the last', () => {
    const many = Object.fromEntries(Array.from({ length: 9000 }, (_, index) => [index + 1, 5 + index]));
    const { exact } = costStaircaseData(many, [1, 9000], { unit: 'tokens', name: 'tokens' });
    expect(exact.length).toBeLessThan(600);
    expect([exact[0], exact.at(-1)]).toEqual([
      { tokens: 1, cost: 5 },
      { tokens: 9000, cost: 9004 },
    ]);
  });
});

describe('memory of graphs', () => {
  const key = { mode: 'full', tokens: 8, prefillRequests: 0, decodeRequests: 8, parts: 1 };
  const captured = [
    { key, reservedBytes: 4096, allocatedBytes: 1024, seconds: 0.0125 },
    { key: { ...key, tokens: 4, parts: 2 }, reservedBytes: 0, allocatedBytes: 512, seconds: 0.001 },
  ];

  it('adds up in capture order', () => {
    expect(capturePoolTable(capturePoolData(captured)).rows).toEqual([
      [1, '8', '4 KiB', '1 KiB', '4 KiB', '1 KiB', '12.5'],
      [2, '4 in 2 parts', '0 B', '512 B', '4 KiB', '1.5 KiB', '1.0'],
    ]);
  });

  it('draws a bar of each kind for each graph', () => {
    const svg = capturePoolPlot(capturePoolData(captured), contextOf());
    expect(found(svg, 'rect')).toHaveLength(4);
    expect(titles(svg)).toContain('graph 2, 4 in 2 parts tokens: 512 B');
  });
});

describe('sequence of a counterexample', () => {
  const trace = [
    { phase: 'vote', rank: 0, text: 'votes: 1 decode' },
    { phase: 'vote', rank: 1, text: 'votes: nothing' },
    { phase: 'resolve', rank: null, text: 'eager on all ranks' },
    { phase: 'prepare', rank: 0, text: 'prepares' },
    { phase: 'run', rank: 0, text: 'runs' },
    { phase: 'prepare', rank: 1, text: 'prepares' },
    { phase: 'end', rank: null, text: 'violates P1: a long sentence that needs more lines than one in a narrow box' },
  ] as const;
  const data = sequenceData({ property: 'P1', ranks: 2, trace });

  it('puts beside each other what ranks do in one phase, and keeps the order', () => {
    expect(data.rows.map(({ phase, cells }) => [phase, cells.map(({ rank }) => rank)])).toEqual([
      ['vote', [0, 1]],
      ['resolve', [null]],
      ['prepare', [0]],
      ['run', [0]],
      ['prepare', [1]],
      ['end', [null]],
    ]);
    expect(sequenceTable(data).rows).toHaveLength(trace.length);
    expect(sequenceTable(data).rows[2]).toEqual([3, 'resolve', 'all', 'eager on all ranks']);
  });

  it('is a table to those who hear it', () => {
    const svg = sequencePlot(data, contextOf(360));
    expect(found(svg, '[role=columnheader]').map(({ textContent }) => textContent)).toEqual([
      'phase',
      'rank 0',
      'rank 1',
    ]);
    expect(found(svg, '[role=row]')).toHaveLength(1 + data.rows.length);
    const end = found(svg, '[role=cell]').at(-1);
    expect(end?.textContent).toBe(trace[6].text);
    expect(end?.getAttribute('aria-colspan')).toBe('2');
    expect(found(svg, '[role=cell]').map((cell) => cell.getAttribute('aria-colindex'))).toContain('3');
  });

  it('is as wide as its lanes need', () => {
    const svg = sequencePlot({ ...data, ranks: 8 }, contextOf(360)) as unknown as Element;
    expect(Number(svg.getAttribute('width'))).toBeGreaterThan(8 * 130);
  });
});
