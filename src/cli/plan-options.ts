import type { PlanBudget } from '../capture/index.js';
import { LockstepError, shown } from '../errors.js';
import { CAPTURE_COSTS, type CaptureCost, captureCost, fitCaptureCost, readCaptureLog } from '../workload/index.js';
import { warnOfLog } from './stdin.js';

/** The options that set a budget; a plan takes one of them. */
export interface BudgetFlags {
  readonly graphs?: number;
  readonly maxTimeLoss?: number;
  readonly maxPadding?: number;
  readonly graphMemory?: number;
}

/** The budget that is given, if one is. Errors: ERR_CONFIG_INVALID where several are. */
export function budgetOf({ graphs, maxTimeLoss, maxPadding, graphMemory }: BudgetFlags): PlanBudget | undefined {
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
  return one === undefined ? undefined : { kind: one[1], most: one[2] as number };
}

/** A published capture cost by name, else one fitted to a capture log. Errors: ERR_CONFIG_INVALID, ERR_INPUT_INVALID. */
export async function captureCostOf(nameOrFile: string, signal: AbortSignal): Promise<CaptureCost> {
  if (Object.hasOwn(CAPTURE_COSTS, nameOrFile)) return captureCost(nameOrFile as keyof typeof CAPTURE_COSTS);
  if (!/[./]/.test(nameOrFile)) {
    throw new LockstepError(
      'ERR_CONFIG_INVALID',
      `${shown(nameOrFile)} is not a known capture cost; there are ${Object.keys(CAPTURE_COSTS).join(', ')}, or give the path of a capture log`,
      { name: nameOrFile },
    );
  }
  return fitCaptureCost(
    await readCaptureLog(nameOrFile, { signal, onIncomplete: (why) => warnOfLog(nameOrFile, why) }),
    nameOrFile,
  ).cost;
}
