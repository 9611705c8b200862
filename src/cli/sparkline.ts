import type { TimelineDocument } from '../counts/index.js';
import { grouped } from '../text.js';
import { reportLine } from './step-report.js';

const LEVELS = '▁▂▃▄▅▆▇█';
/** Characters of the longest sparkline. */
const WIDEST = 40;

/** What decides whether text may be drawn in: a stream, its environment and platform. */
export interface Surface {
  readonly isTTY?: boolean;
  readonly env?: NodeJS.ProcessEnv;
  readonly platform?: NodeJS.Platform;
}

/**
 * Whether standard output shows bars of eighths: a terminal that is not dumb and whose locale is UTF-8. Never a pipe or a file, whatever colours
 * are asked for: what reads those does not expect lines that a terminal alone has.
 */
export function showsBars({
  isTTY = process.stdout.isTTY,
  env = process.env,
  platform = process.platform,
}: Surface = {}): boolean {
  if (isTTY !== true || env.TERM === 'dumb') return false;
  // Windows Terminal sets no locale, and says so otherwise; the older console has no such font.
  if (platform === 'win32') return env.WT_SESSION !== undefined;
  return /utf-?8/i.test(env.LC_ALL || env.LC_CTYPE || env.LANG || '');
}

/** Values as bars from 0 to the largest, a character each; what is 0 is blank, and what is above it has a bar at least. */
export function sparkline(values: readonly number[]): string {
  const most = Math.max(...values, 0);
  return values
    .map((value) => (value > 0 ? LEVELS[Math.min(LEVELS.length - 1, Math.floor((LEVELS.length * value) / most))] : ' '))
    .join('');
}

/** Values joined to so few that a line holds them: each is the sum of as many, but for the last. */
export function joined(values: readonly number[], most: number = WIDEST): number[] {
  const each = Math.max(1, Math.ceil(values.length / most));
  const sums: number[] = [];
  for (const [index, value] of values.entries())
    sums[Math.floor(index / each)] = (sums[Math.floor(index / each)] ?? 0) + value;
  return sums;
}

/** Steps by their size in tokens, as a line of a report. None without steps. */
export function sizeLines(steps: Readonly<Record<string, number>>): string[] {
  const largest = Math.max(0, ...Object.keys(steps).map(Number));
  if (largest < 1) return [];
  const bars = sparkline(joined(Array.from({ length: largest }, (_, index) => steps[index + 1] ?? 0)));
  return [reportLine('steps', `${bars}  decodes of 1 to ${grouped(largest)} tokens`)];
}

/** The tokens of all ranks and the eager steps of a run, from its first decision to its last, as lines of a report. */
export function overTimeLines({ decisions, byRank, kinds }: TimelineDocument): string[] {
  if (decisions === 0) return [];
  const sum = (series: readonly (readonly number[])[]): number[] =>
    joined((series[0] ?? []).map((_, bin) => series.reduce((all, each) => all + each[bin], 0)));
  const eager = Object.entries(kinds).flatMap(([kind, counts]) => (kind.startsWith('eager') ? [counts] : []));
  return [
    reportLine('over time', `${sparkline(sum(byRank.map(({ tokens }) => tokens)))}  tokens`),
    ...(eager.length === 0 ? [] : [reportLine('', `${sparkline(sum(eager))}  eager steps`)]),
  ];
}
