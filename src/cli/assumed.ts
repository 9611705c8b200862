import type { Command } from 'commander';
import { reportLine } from './step-report.js';

/** Most characters of a line's value. */
const WIDTH = 84;

/** Options that bound what a rank schedules. */
const LIMITS = ['maxNumSeqs', 'maxNumBatchedTokens'];
/** The other options that decide the steps of a workload. */
const WORKLOAD = ['ranks', 'stepTime', ...LIMITS, 'maxModelLen', 'blockSize', 'numBlocks'];

/** Options whose defaults decide what is reported, by where the steps come from. */
export const TELLING: { readonly workload: readonly string[]; readonly log: readonly string[] } = {
  workload: WORKLOAD,
  log: LIMITS,
};

/**
 * The lines of a report that list those of the options `names` that were left to their defaults, each as its flag and value; `known` are
 * those that something else said.
 */
export function assumedLines(command: Command, names: readonly string[], known: readonly string[] = []): string[] {
  const flags = names
    .filter((name) => !known.includes(name) && command.getOptionValueSource(name) === 'default')
    .map((name) => {
      const option = command.options.find((one) => one.attributeName() === name);
      return `${option?.long} ${String(command.getOptionValue(name))}`;
    });
  const lines: string[] = [];
  for (const flag of flags) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + flag.length <= WIDTH) lines[lines.length - 1] = `${last} ${flag}`;
    else lines.push(flag);
  }
  return lines.map((line, index) => reportLine(index === 0 ? 'assumed' : '', line));
}
