import type { TraceLine } from '../../check/index.js';
import { COLOURS } from './colours.js';
import { NARROW, type PlotContext, type PlotTable, type SvgElement, svgElement } from './context.js';
import { wrapped } from './words.js';

/** One cell of a sequence: what a rank does, or all do together, which have `rank` null. */
export interface SequenceCell {
  readonly rank: number | null;
  readonly text: string;
}

/** What ranks do at the same time, in one phase of a step. */
export interface SequenceRow {
  readonly phase: string;
  readonly cells: readonly SequenceCell[];
}

/** A counterexample, phase by phase, one lane a rank. */
export interface SequenceData {
  readonly property: string;
  readonly ranks: number;
  readonly rows: readonly SequenceRow[];
}

/** What of a violation this diagram shows. */
export interface SequenceSource {
  readonly property: string;
  readonly ranks: number;
  readonly trace: readonly TraceLine[];
}

/** Lines of one phase by different ranks stand beside each other; a rank's next line, or one of all ranks, begins a new row. */
export function sequenceData({ property, ranks, trace }: SequenceSource): SequenceData {
  const rows: { phase: string; cells: SequenceCell[] }[] = [];
  for (const { phase, rank, text } of trace) {
    const last = rows.at(-1);
    const beside =
      last !== undefined &&
      last.phase === phase &&
      rank !== null &&
      last.cells.every((cell) => cell.rank !== null && cell.rank < rank);
    if (beside) last.cells.push({ rank, text });
    else rows.push({ phase, cells: [{ rank, text }] });
  }
  return { property, ranks, rows };
}

/** The lines of the counterexample. */
export function sequenceTable({ rows }: SequenceData): PlotTable {
  let line = 0;
  return {
    columns: ['line', 'phase', 'who', 'does'],
    rows: rows.flatMap(({ phase, cells }) =>
      cells.map(({ rank, text }) => [++line, phase, rank === null ? 'all' : `rank ${rank}`, text]),
    ),
  };
}

const LETTER = 6.6;
const BOLD_LETTER = 7.6;
const LINE = 16;
const PAD = 8;
const HEAD = 30;

/** The diagram: lanes down the page, a box for what each rank does. To those who hear it, it is a table: a row a phase, a column a rank. */
export function sequencePlot({ property, ranks, rows }: SequenceData, context: PlotContext): SvgElement {
  const narrow = context.width < NARROW;
  const left = narrow ? 58 : 72;
  const lane = Math.max(narrow ? 138 : 150, (context.width - left - 4) / ranks);
  const width = left + lane * ranks + 4;
  const make = (name: string, attributes: Record<string, string | number> = {}): SvgElement =>
    svgElement(context, name, attributes);
  const columns = ranks + 1;
  const svg = make('svg', {
    role: 'table',
    'aria-label': `Counterexample to ${property}: what each rank does, phase by phase`,
    'aria-colcount': columns,
  });
  const lines = make('g', { 'aria-hidden': 'true', stroke: COLOURS.other, 'stroke-dasharray': '2 4' });
  const middle = (rank: number): number => left + lane * (rank + 0.5);
  const head = make('g', { role: 'row' });
  head.append(cell('columnheader', 1, textAt(['phase'], 4, 20, 'start', true)));
  for (let rank = 0; rank < ranks; rank++) {
    head.append(cell('columnheader', rank + 2, textAt([`rank ${rank}`], middle(rank), 20, 'middle', true)));
  }
  svg.append(lines, head);
  let top = HEAD;
  for (const { phase, cells } of rows) {
    const placed = cells.map(({ rank, text }) => {
      const room = rank === null ? lane * ranks : lane;
      return {
        rank,
        room,
        lines: wrapped(text, Math.floor((room - 2 * PAD - 12) / (phase === 'end' ? BOLD_LETTER : LETTER))),
      };
    });
    const height = Math.max(...placed.map((box) => box.lines.length)) * LINE + 2 * PAD;
    const row = make('g', { role: 'row' });
    row.append(cell('rowheader', 1, textAt([phase], 4, top + PAD + 12, 'start', true)));
    for (const box of placed) {
      const x = box.rank === null ? left + 4 : left + lane * box.rank + 6;
      const edge = phase === 'end' ? COLOURS.bad : box.rank === null ? COLOURS.ours : COLOURS.other;
      const rect = make('rect', {
        x,
        y: top,
        width: box.room - (box.rank === null ? 8 : 12),
        height,
        rx: 4,
        fill: COLOURS.paper,
        stroke: edge,
        'stroke-width': box.rank === null ? 2 : 1.25,
      });
      const text = textAt(box.lines, x + PAD, top + PAD + 12, 'start', phase === 'end');
      const made = cell('cell', box.rank === null ? 2 : box.rank + 2, rect, text);
      if (box.rank === null && ranks > 1) made.setAttribute('aria-colspan', `${ranks}`);
      row.append(made);
    }
    svg.append(row);
    top += height + 12;
  }
  for (let rank = 0; rank < ranks; rank++) {
    lines.append(make('line', { x1: middle(rank), x2: middle(rank), y1: HEAD - 4, y2: top - 12 }));
  }
  for (const [name, value] of Object.entries({
    width,
    height: top,
    viewBox: `0 0 ${width} ${top}`,
    fill: 'currentColor',
    'font-size': 12,
    'font-family': 'system-ui, sans-serif',
  })) {
    svg.setAttribute(name, `${value}`);
  }
  return svg;

  function cell(role: string, column: number, ...children: SvgElement[]): SvgElement {
    const made = make('g', { role, 'aria-colindex': column });
    made.append(...children);
    return made;
  }

  function textAt(texts: readonly string[], x: number, y: number, anchor: string, bold: boolean): SvgElement {
    const made = make('text', { x, y, 'text-anchor': anchor, ...(bold ? { 'font-weight': 'bold' } : {}) });
    for (const [index, line] of texts.entries()) {
      const span = make('tspan', { x, y: y + index * LINE });
      span.append(index + 1 < texts.length ? `${line} ` : line);
      made.append(span);
    }
    return made;
  }
}
