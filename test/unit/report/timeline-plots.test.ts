import { describe, expect, it } from 'vitest';
import type { TimelineDocument } from '../../../dist/counts/index.js';
import {
  drawnBins,
  ranksOverTimeData,
  ranksOverTimePlot,
  ranksOverTimeTable,
  stepsOverTimeData,
  stepsOverTimeLegend,
  stepsOverTimePlot,
  stepsOverTimeTable,
} from '../../../dist/report/index.js';
import { contextOf, found } from './drawing.js';

/** Four bins of two decisions on two ranks, the last bin with one. */
const TIMELINE: TimelineDocument = {
  ranks: 2,
  decisions: 7,
  perBin: 2,
  kinds: {
    'no step: leave': [0, 0, 0, 1],
    'eager: vetoed': [1, 0, 0, 0],
    graph: [1, 2, 1, 0],
    'eager: no-key-for-phase': [0, 0, 1, 0],
    twin: [0, 0, 0, 0],
  },
  idle: [0, 1, 2, 0],
  byRank: [
    {
      tokens: [5, 6, 1, 0],
      graphTokens: [3, 6, 1, 0],
      toLargest: [1, 0, 0, 0],
      toGraph: [4, 2, 0, 0],
      largest: [0, 2, 1, 0],
    },
    {
      tokens: [9, 2, 1, 0],
      graphTokens: [4, 2, 1, 0],
      toLargest: [0, 4, 0, 0],
      toGraph: [4, 2, 0, 0],
      largest: [1, 0, 0, 0],
    },
  ],
  paddedBy: [
    [0, 1, 6],
    [4, 0, 6],
  ],
  decodes: [{ tokens: 4, steps: 3, graphSteps: 3 }],
};

describe('steps over time', () => {
  it('has the sums of the range, then its columns, in an order that a kind keeps', () => {
    expect(stepsOverTimeTable(stepsOverTimeData(TIMELINE))).toEqual({
      columns: [
        'decisions',
        'graph',
        'twin',
        'eager: vetoed',
        'eager: no-key-for-phase',
        'no step: leave',
        'with an idle rank',
      ],
      rows: [
        ['all', '4', '0', '1', '1', '1', '3'],
        ['0 to 1', '1', '0', '1', '0', '0', '0'],
        ['2 to 3', '2', '0', '0', '0', '0', '1'],
        ['4 to 5', '1', '0', '0', '1', '0', '2'],
        ['6', '0', '0', '0', '0', '1', '0'],
      ],
      note: 'Steps are put together: each column is 2 of them.',
    });
  });

  it('shows a part of the run in whole bins, with the colours of the whole', () => {
    const part = stepsOverTimeData(TIMELINE, { from: 3, to: 5 });
    expect(part.range).toEqual({ from: 2, to: 6 });
    expect(stepsOverTimeTable(part).rows[0]).toEqual(['all', '3', '0', '0', '1', '0', '3']);
    expect(stepsOverTimeLegend(part)).toEqual(stepsOverTimeLegend(stepsOverTimeData(TIMELINE)));
  });

  it('draws a rectangle for each kind that a column has', () => {
    const svg = stepsOverTimePlot(stepsOverTimeData(TIMELINE), contextOf());
    expect(found(svg, 'rect')).toHaveLength(6);
    expect(found(svg, 'title').map(({ textContent }) => textContent)).toContain('4 to 5: 1 eager: no-key-for-phase');
    expect(svg.outerHTML).toContain('graph 4 (57.1 %)');
  });
});

describe('ranks over time', () => {
  it('says who padded whom', () => {
    expect(ranksOverTimeTable(ranksOverTimeData(TIMELINE))).toMatchObject({
      columns: ['padded', 'real tokens', 'for rank 0', 'for rank 1', 'for the size of the graph', 'padding'],
      rows: [
        ['rank 0', '10', '0', '1', '6', '70.0 %'],
        ['rank 1', '7', '4', '0', '6', '143 %'],
        ['all ranks', '17', '4', '1', '12', '100 %'],
      ],
    });
  });

  it('puts ranks beyond the eighth together', () => {
    const ranks = 12;
    const byRank = Array.from({ length: ranks }, () => TIMELINE.byRank[0]);
    const paddedBy = Array.from({ length: ranks }, () => [...Array.from({ length: ranks }, () => 1), 5]);
    const { columns, rows } = ranksOverTimeTable(ranksOverTimeData({ ...TIMELINE, ranks, byRank, paddedBy }));
    expect(columns[9]).toBe('for ranks 7 to 11');
    expect(rows[0].slice(8)).toEqual(['1', '5', '5', '170 %']);
  });

  it('draws a strip for each rank, and who decided the size', () => {
    const svg = ranksOverTimePlot(ranksOverTimeData(TIMELINE), contextOf());
    const titles = found(svg, 'title').map(({ textContent }) => textContent);
    expect(titles).toContain('rank 1, 2 to 3: 4 tokens');
    // Six parts that are not empty on each rank, and a bar for each of three columns.
    expect(titles).toHaveLength(6 + 6);
    expect(found(svg, 'rect')).toHaveLength(titles.length + 3);
  });
});

it('draws no more columns than asked for, of equally many bins', () => {
  const long = { ...TIMELINE, decisions: 1_000_000, perBin: 512 };
  const bins = drawnBins(long, 160);
  expect(bins.length).toBeLessThanOrEqual(160);
  expect([bins[0].from, bins.at(-1)?.to]).toEqual([0, 1_000_000]);
  expect(bins.every((bin, index) => index === 0 || bin.from === bins[index - 1].to)).toBe(true);
});
