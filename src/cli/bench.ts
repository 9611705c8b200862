import { type BenchResult, type BenchSummary, runBench } from '../bench/index.js';
import type { DeviceName } from '../device/index.js';
import { startMpi } from '../ranks/index.js';
import { grouped } from '../text.js';
import { checkHtml, type HtmlFlags, writeHtml } from './html.js';
import { interrupts } from './interrupts.js';
import { checkOutputs, checkWritable, inputsOf } from './outputs.js';
import { type ShowFlags, show } from './show.js';
import { showsBars, sparkline } from './sparkline.js';

interface BenchFlags extends ShowFlags, HtmlFlags {
  readonly filter?: string;
  readonly device?: DeviceName;
  readonly mpi?: boolean;
  readonly rounds: number;
}

/** Measures the rows that the flags say, and prints them. */
export async function bench(flags: BenchFlags): Promise<void> {
  checkHtml(flags);
  // Of a job the first rank alone writes.
  const writes = flags.mpi !== true || startMpi().rank === 0;
  checkOutputs(inputsOf(flags), { '--html': flags.html });
  if (writes) await checkWritable([flags.html], interrupts.signal);
  const summary = await runBench({
    filter: flags.filter,
    device: flags.device,
    mpi: flags.mpi,
    rounds: flags.rounds,
    signal: interrupts.signal,
    onRow: (name, index, rows) => process.stderr.write(`${index + 1}/${rows} ${name}\n`),
  });
  if (!writes) return;
  const json = { schemaVersion: 1, ...summary };
  const text = table(summary, false);
  await writeHtml(flags, ({ benchPage }) => benchPage(summary, { text, json }));
  await show(flags, {
    document: () => json,
    rows: () =>
      summary.cases.map(({ name, ns, limitNs, ratio, peerNs, peerRatio }) => ({
        name,
        ns,
        limitNs,
        ratio,
        peerNs,
        peerRatio,
      })),
    text: () => (showsBars() ? `${table(summary, true)}\n` : `${text}\n`),
  });
}

/** Rounds that are drawn. */
const MOST_ROUNDS = 40;
const HEAD = ['row', 'ns', 'limit ns', 'ratio', 'numpy ns', 'numpy / ours'];

/** The rows as text; with `bars` the times of each row's rounds too, from 0 up. */
function table({ cases, rounds, peer, interrupted, device }: BenchSummary, bars: boolean): string {
  const spread = (result: BenchResult): string[] => (bars ? [sparkline(result.roundsNs.slice(0, MOST_ROUNDS))] : []);
  const head = bars ? [...HEAD, rounds > MOST_ROUNDS ? `first ${MOST_ROUNDS} rounds` : 'rounds'] : HEAD;
  const rows = [head, ...cases.map((result) => [...columns(result), ...spread(result)])];
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const lines = rows.map((row) =>
    row.map((text, column) => (column === 0 ? text.padEnd(widths[0]) : text.padStart(widths[column]))).join('  '),
  );
  const beside =
    device === undefined
      ? `numpy ${peer === null ? 'is not installed' : `of ${peer}`}`
      : `${device.choice}; a graph of 64 launches holds ${device.graphBytes} bytes; a step takes ${whole(device.stepCpuNs)} ns of CPU time`;
  const ending = `medians of ${rounds} rounds; ${beside}`;
  return [...lines, '', interrupted ? `${ending}; interrupted` : ending].join('\n');
}

function columns({ name, ns, limitNs, ratio, peerNs, peerRatio }: BenchResult): string[] {
  const share = (value: number): string => (value < 0.1 ? value.toFixed(4) : value.toFixed(2));
  return [
    name,
    whole(ns),
    whole(limitNs),
    share(ratio),
    peerNs === null ? '-' : whole(peerNs),
    peerRatio === null ? '-' : peerRatio.toFixed(1),
  ];
}

function whole(value: number): string {
  return value < 100 ? value.toFixed(1) : grouped(value);
}
