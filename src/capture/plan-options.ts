import { checkHas, checkList, Faults } from '../checks.js';
import type { Limits } from '../config.js';
import type { EngineProfile } from '../engines/index.js';
import type { Policy } from '../policy/index.js';
import type { CaptureCost } from '../workload/index.js';
import { budgetName, type PlanBudget } from './budget.js';
import { largestDecode, type PlanCosts } from './plan-costs.js';
import { OBJECTIVES, type Objective } from './robust.js';

/** The options of a plan. `checkPlanOptions` checks its numbers; the rest is complete. */
export interface MakePlanOptions {
  /** The limits that the service runs with. */
  readonly limits: Limits;
  /** How the ranks decide their steps. */
  readonly policy: Policy;
  /** Costs of steps up to the largest decode, and with `mixed` to the largest step; `planCosts` makes them. */
  readonly costs: PlanCosts;
  /** What capturing costs. */
  readonly memory: CaptureCost;
  /** What bounds the plan. */
  readonly budget: PlanBudget;
  /** What a plan is best for: `robust`, what was seen and what may come; `seen`, what was seen alone. Default 'robust'. */
  readonly objective?: Objective | undefined;
  /** A robust plan has at most so many graphs. Default: no bound. */
  readonly mostGraphs?: number | undefined;
  /** If no plan keeps to the budget, the budget is added to the least possible value: for a default that the user did not choose. Default false. */
  readonly beyondLeast?: boolean | undefined;
  /** Largest size of a decode graph, in tokens: larger decodes run eager. Default: that of the largest decode. */
  readonly maxSize?: number | undefined;
  /** Every size is a multiple of it. Default 1. */
  readonly sizeMultiple: number;
  /** Sizes that must be captured. */
  readonly include: readonly number[];
  /** Plan graphs for steps with a prefill too. */
  readonly mixed: boolean;
  /** What is known of the engines that are compared with, such as their GPU. Default nothing. */
  readonly engineProfile?: Omit<EngineProfile, 'engine'> | undefined;
  /** An engine as somebody runs it: its row is of what it captures so. Default none. */
  readonly engine?: EngineProfile | undefined;
  /** All graphs of the engine are piecewise: where no step is known to only decode, a ladder of tokens is planned. Default false. */
  readonly pieces?: boolean | undefined;
  /** The ladder is of tokens: piecewise graphs hold any step. Default false. */
  readonly tokens?: boolean | undefined;
  /** Limits of the engines that are compared with, where they are others. */
  readonly engineLimits?: Limits | undefined;
  /** Data-parallel ranks of the steps. Default 1. */
  readonly ranks?: number | undefined;
  /** Share of the time that the plan for the unseen part is made from. */
  readonly split: number;
  /** Ends the planning between two phases, with ERR_ABORTED. */
  readonly signal?: AbortSignal | undefined;
  /** Called before each phase. */
  readonly onPhase?: ((phase: PlanPhase) => void) | undefined;
}

/** The phases of planning, in order; between any two the event loop runs. */
export const PLAN_PHASES = ['decode graphs', 'mixed graphs', 'engines', 'unseen part', 'audit'] as const;
/** The phase of planning: one of `PLAN_PHASES`. */
export type PlanPhase = (typeof PLAN_PHASES)[number];

/** Throws ERR_CONFIG_INVALID with every fault of the numbers of a plan. */
export function checkPlanOptions(
  options: Pick<
    MakePlanOptions,
    'budget' | 'sizeMultiple' | 'include' | 'split' | 'limits' | 'objective' | 'mostGraphs' | 'maxSize'
  >,
): void {
  checkHas('the options of a plan', options, ['budget', 'sizeMultiple', 'include', 'split', 'limits']);
  checkList('include', options.include);
  checkHas('budget', options.budget, ['kind', 'most']);
  const { budget, sizeMultiple, include, split, maxSize, objective = 'robust', mostGraphs } = options;
  const faults = new Faults();
  const { queryLen } = options.limits;
  if (maxSize !== undefined) faults.integer('maxSize', maxSize, queryLen, 1 << 22);
  faults.throwIfAny('This plan');
  const maximum = largestDecode(limitedTo(options.limits, maxSize));
  if (budget.kind === 'graphs') faults.integer(budgetName('graphs'), budget.most, 1, 1 << 12);
  if (budget.kind === 'time-loss') faults.number(budgetName('time-loss'), budget.most, 0, 1e6);
  if (budget.kind === 'padding') faults.number(budgetName('padding'), budget.most, 0, 1e6);
  if (budget.kind === 'graph-memory') {
    faults.number(budgetName('graph-memory'), budget.most, 1, Number.MAX_SAFE_INTEGER);
  }
  faults.check(split > 0 && split < 1, `split is ${split}; it must be between 0 and 1`, 'split');
  faults.choice('objective', objective, OBJECTIVES);
  if (mostGraphs !== undefined) faults.integer('mostGraphs', mostGraphs, 1, 1 << 16);
  faults.integer('sizeMultiple', sizeMultiple, 1, 1 << 16);
  for (const size of include) faults.integer('a size of include', size, 1, maximum);
  faults.check(
    !(sizeMultiple >= 1) || maximum % sizeMultiple === 0,
    `sizeMultiple is ${sizeMultiple}, and the largest decode of ${maximum} tokens, always captured, is not a multiple of it; change maxNumSeqs`,
    'sizeMultiple',
    'maxNumSeqs',
  );
  faults.throwIfAny('This plan');
}

/** Limits under which no decode is larger than so many tokens. */
export function limitedTo(limits: Limits, maxSize: number | undefined): Limits {
  if (maxSize === undefined || maxSize >= largestDecode(limits)) return limits;
  return { ...limits, maxNumSeqs: Math.floor(maxSize / limits.queryLen) };
}
