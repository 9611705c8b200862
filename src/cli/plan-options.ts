import type { LogRun, PlanBudget } from '../capture/index.js';
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

/** Default budgets, as a loss of time; steps with a prefill have many more sizes, and so a larger one. */
const DEFAULT_TIME_LOSS = 0.001;
const DEFAULT_MIXED_TIME_LOSS = 0.05;

/** Whether the user set a budget. */
export function hasBudget({ graphs, maxTimeLoss, maxPadding, graphMemory }: BudgetFlags): boolean {
  return [graphs, maxTimeLoss, maxPadding, graphMemory].some((most) => most !== undefined);
}

/** The budget of a plan. Errors: ERR_CONFIG_INVALID where several are given. */
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

/** What an engine's log says that capturing took, spread evenly over its graphs; null where it does not say how many there are. */
export function captureCostOfLog(log: LogRun | null | undefined): CaptureCost | null {
  const capture = log?.capture ?? null;
  const graphs = log?.captured?.length ?? 0;
  if (capture === null || graphs === 0) return null;
  return {
    name: 'log',
    source: `the log: ${graphs} graphs, ${capture.bytes} bytes, ${capture.seconds} s`,
    poolBytesPerToken: 0,
    bytesPerGraph: capture.bytes / graphs,
    firstSeconds: 0,
    secondsPerGraph: capture.seconds / graphs,
  };
}
