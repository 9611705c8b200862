import type { TimelineDocument } from '../../counts/index.js';

/** A range of decisions, the last one not included. */
export interface StepRange {
  readonly from: number;
  readonly to: number;
}

/** Consecutive bins of a timeline that are drawn as one. */
export interface DrawnBin extends StepRange {
  /** First and last bin of the timeline, the last not included. */
  readonly first: number;
  readonly last: number;
}

/** Bins to draw for a range: as many as fit, each of equally many bins of the timeline. The range grows to whole bins. */
export function drawnBins({ decisions, perBin }: TimelineDocument, most: number, range?: StepRange): DrawnBin[] {
  const bins = Math.ceil(decisions / perBin);
  if (bins === 0) return [];
  const first = Math.max(0, Math.min(bins - 1, Math.floor((range?.from ?? 0) / perBin)));
  const last = Math.max(first + 1, Math.min(bins, Math.ceil((range?.to ?? decisions) / perBin)));
  const every = Math.max(1, Math.ceil((last - first) / most));
  const drawn: DrawnBin[] = [];
  for (let bin = first; bin < last; bin += every) {
    const end = Math.min(bin + every, last);
    drawn.push({ first: bin, last: end, from: bin * perBin, to: Math.min(end * perBin, decisions) });
  }
  return drawn;
}

/** Sum of a series over a drawn bin. */
export function sumOf(series: readonly number[], { first, last }: DrawnBin): number {
  let sum = 0;
  for (let bin = first; bin < last; bin++) sum += series[bin];
  return sum;
}

/** How a drawing says that its bars are of several steps each; empty where each is of one. */
export function binNote(bins: readonly DrawnBin[]): string {
  const wide = bins[0] === undefined ? 1 : bins[0].to - bins[0].from;
  return wide === 1 ? '' : `Steps are put together: each column is ${wide.toLocaleString('en')} of them.`;
}
