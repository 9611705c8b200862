import type { PlanBudget } from '../capture/index.js';
import { LockstepError, shown } from '../errors.js';
import { CAPTURE_COSTS, type CaptureCost, captureCost, fitCaptureCost, readCaptureLog } from '../workload/index.js';
import { integer } from './options.js';

/** The options of which a plan keeps to one. */
export interface BudgetFlags {
  readonly graphs?: number;
  readonly maxTimeLoss?: number;
  readonly maxPadding?: number;
  readonly graphMemory?: number;
}

/** Loss of time that a plan keeps to when nothing is said; graphs for steps with a prefill are of many more sizes. */
const DEFAULT_TIME_LOSS = 0.001;
const DEFAULT_MIXED_TIME_LOSS = 0.05;

/** Whether somebody asked for a budget. */
export function hasBudget({ graphs, maxTimeLoss, maxPadding, graphMemory }: BudgetFlags): boolean {
  return [graphs, maxTimeLoss, maxPadding, graphMemory].some((most) => most !== undefined);
}

/** The one number a plan keeps to. Errors: ERR_CONFIG_INVALID where several are given. */
export function budgetOf({ graphs, maxTimeLoss, maxPadding, graphMemory }: BudgetFlags, mixed: boolean): PlanBudget {
  const given = [
    ['--graphs', 'graphs', graphs],
    ['--max-time-loss', 'time-loss', maxTimeLoss],
    ['--max-padding', 'padding', maxPadding],
    ['--graph-memory', 'graph-memory', graphMemory],
  ] as const;
  const [one, ...others] = given.filter(([, , most]) => most !== undefined);
  if (others.length > 0) {
    const names = [one, ...others].map(([option]) => option);
    throw new LockstepError(
      'ERR_CONFIG_INVALID',
      `${names.join(' and ')} are given, and a plan keeps to one of them; leave the others out`,
      { options: names },
    );
  }
  if (one === undefined) return { kind: 'time-loss', most: mixed ? DEFAULT_MIXED_TIME_LOSS : DEFAULT_TIME_LOSS };
  return { kind: one[1], most: one[2] as number };
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
};

/** Bytes of `512MiB`, `1.5GB`, `1000`. */
export function bytes(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(text.trim()) ?? [];
  if (number !== undefined && Object.hasOwn(UNITS, unit)) return Number(number) * UNITS[unit];
  throw new LockstepError(
    'ERR_USAGE',
    `${shown(text)} is no amount of memory; give bytes, or one with a unit such as 512MiB or 1.5GB`,
    { value: text },
  );
}

/** Sizes of `8,64,256`. */
export function sizeList(text: string): number[] {
  return text.split(',').map((size) => integer(size.trim()));
}

/** A published capture cost by name, else one fitted to a capture log. Errors: ERR_CONFIG_INVALID, ERR_INPUT_INVALID. */
export async function captureCostOf(nameOrFile: string, signal: AbortSignal): Promise<CaptureCost> {
  if (Object.hasOwn(CAPTURE_COSTS, nameOrFile)) return captureCost(nameOrFile as keyof typeof CAPTURE_COSTS);
  if (!/[./]/.test(nameOrFile)) {
    throw new LockstepError(
      'ERR_CONFIG_INVALID',
      `${shown(nameOrFile)} is no capture cost that is known; there are ${Object.keys(CAPTURE_COSTS).join(', ')}, or give the path of a capture log`,
      { name: nameOrFile },
    );
  }
  return fitCaptureCost(await readCaptureLog(nameOrFile, { signal }), nameOrFile).cost;
}
