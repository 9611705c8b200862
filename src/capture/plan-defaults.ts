import { checkArguments } from '../checks.js';
import type { Limits } from '../config.js';
import { readEngineLog } from '../engines/index.js';
import type { CaptureCost, TraceSource } from '../workload/index.js';
import type { PlanBudget } from './budget.js';
import { defaultGraphs } from './compare-engines.js';
import type { LogRun } from './log-run.js';
import { costsOfLog, type PlanCosts } from './plan-costs.js';
import type { MakePlanOptions } from './plan-options.js';
import type { CountedSteps } from './read-steps.js';

/** Default budgets, as a loss of time; steps with a prefill have many more sizes, and so a larger one. */
const DEFAULT_TIME_LOSS = 0.001;
const DEFAULT_MIXED_TIME_LOSS = 0.05;

/**
 * The budget of a plan, and what comes with it: one that is given is kept to; without one a plan loses 0.1 % of time, 5 % with `mixed`, on top of
 * the least that any loses, and a robust one has no more graphs than vLLM captures by default.
 */
export function planDefaults(
  budget: PlanBudget | undefined,
  limits: Limits,
  mixed: boolean,
): Pick<MakePlanOptions, 'budget' | 'mostGraphs' | 'beyondLeast'> {
  checkArguments('planDefaults', { limits: [limits, 'object', 'maxNumSeqs', 'maxNumBatchedTokens', 'queryLen'] });
  if (budget !== undefined) return { budget, mostGraphs: undefined, beyondLeast: false };
  return {
    budget: { kind: 'time-loss', most: mixed ? DEFAULT_MIXED_TIME_LOSS : DEFAULT_TIME_LOSS },
    mostGraphs: defaultGraphs(limits, mixed),
    beyondLeast: true,
  };
}

/** The costs of a plan: those that were asked for; where none were, `asked` being tokens, the times that the steps' own log tells. */
export function costsOfSteps(steps: Pick<CountedSteps, 'log'>, asked: PlanCosts): PlanCosts {
  checkArguments('costsOfSteps', { steps: [steps, 'object'], asked: [asked, 'object', 'unit', 'tokens'] });
  if (asked.unit !== 'tokens') return asked;
  return costsOfLog(steps.log?.times ?? [], asked) ?? asked;
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

/** Whether a log is of an engine whose graphs are all piecewise. Errors: those of `readEngineLog`. */
export async function runsInPieces(source: TraceSource, signal?: AbortSignal): Promise<boolean> {
  const { engine, batches } = await readEngineLog(source, signal === undefined ? {} : { signal });
  return (
    engine === 'vllm' &&
    batches.some(({ mode }) => mode === 'piecewise') &&
    batches.every(({ mode }) => mode !== 'full')
  );
}
