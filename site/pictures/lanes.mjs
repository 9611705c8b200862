// A trace of `lockstep check` as lanes, one a rank: what each votes, what all derive, what each prepares and runs.
import { box, LINE, picture, textLines, wrap } from './svg.mjs';

/** @typedef {{ readonly phase: string, readonly rank: number | null, readonly text: string }} Line */

const WIDTH = 640;
const GAP = 10;
/** Width of an average letter where text is bold. */
const BOLD = 8.2;

/**
 * Lines of a trace as `traceText` prints them.
 * @param {string} text
 * @returns {Line[]}
 */
export function readTrace(text) {
  return [...text.matchAll(/^ +\d+ {2}(\w+) +(?:rank (\d+)|all) +(.*)$/gm)].map(([, phase, rank, said]) => ({
    phase,
    rank: rank === undefined ? null : Number(rank),
    text: said,
  }));
}

/**
 * @param {readonly Line[]} trace
 * @param {string} title
 */
export function lanes(trace, title) {
  const ranks = 1 + Math.max(0, ...trace.map(({ rank }) => rank ?? 0));
  const width = (WIDTH - GAP * (ranks - 1)) / ranks;
  const parts = [];
  for (let rank = 0; rank < ranks; rank++) {
    parts.push(textLines(rank * (width + GAP) + 10, 18, [`rank ${rank}`], { class: 'strong' }));
  }
  let y = 30;
  for (const row of rowsOf(trace)) {
    const cells = row.map((line) => ({
      ...line,
      lines: wrap(short(line.text), (line.rank === null ? WIDTH : width) - 24, line.phase === 'end' ? BOLD : undefined),
    }));
    const height = Math.max(...cells.map(({ lines }) => lines.length)) * LINE + 14;
    for (const { rank, lines, phase, text } of cells) {
      const x = rank === null ? 0 : rank * (width + GAP);
      parts.push(box(x + 1, y, (rank === null ? WIDTH : width) - 2, height, colourOf(phase, text)));
      parts.push(textLines(x + 12, y + 20, lines, phase === 'end' ? { class: 'strong' } : {}));
    }
    y += height + GAP;
  }
  const text = trace.map(({ rank, text }) => `${rank === null ? 'all' : `rank ${rank}`}: ${short(text)}`).join('. ');
  return picture({ width: WIDTH, height: y, title, text }, parts);
}

/**
 * Lines that stand side by side: those that follow each other in different lanes, and pairs of `prepare` and of `run`.
 * @param {readonly Line[]} trace
 */
function rowsOf(trace) {
  /** @type {Line[][]} */
  const rows = [];
  for (const phase of groups(trace)) {
    for (const line of phase) {
      const row = rows.findLast((row) => row[0].phase === line.phase);
      const free =
        row !== undefined && line.rank !== null && row.every(({ rank }) => rank !== null && rank !== line.rank);
      if (free) row.push(line);
      else rows.push([line]);
    }
  }
  return rows;
}

/** What ranks prepare and run is told rank by rank; here all prepare, then all run. */
function groups(/** @type {readonly Line[]} */ trace) {
  const at = trace.findIndex(({ phase }) => phase === 'prepare');
  if (at < 0) return [trace];
  const rest = trace.slice(at);
  return [
    trace.slice(0, at),
    rest.filter(({ phase }) => phase === 'prepare'),
    rest.filter(({ phase }) => phase !== 'prepare'),
  ];
}

/** The sentence without what a decision says at length: the reason's name stays. */
const short = (/** @type {string} */ text) => text.replace(/ \(([a-z-]+): .*\)$/, ' ($1)');

/** @returns {keyof typeof import('./svg.mjs').COLOURS} */
function colourOf(/** @type {string} */ phase, /** @type {string} */ text) {
  if (phase === 'end' || /throws|waits for ever/.test(text)) return 'red';
  if (phase === 'vote' || phase === 'capture') return 'sky';
  if (phase === 'resolve') return 'purple';
  if (phase === 'prepare') return 'blue';
  return /runs key/.test(text) ? 'green' : 'orange';
}
