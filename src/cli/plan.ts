import { type Command, Option } from 'commander';
import {
  type CountedSteps,
  type CountOptions,
  checkPlanOptions,
  detectSource,
  engineSteps,
  loggedSteps,
  type MakePlanOptions,
  makePlan,
  PLAN_PHASES,
  type PlanDocument,
  planCosts,
  planKeys,
  type StepSource,
  scheduledSteps,
} from '../capture/index.js';
import { completeLimits, type Limits } from '../config.js';
import { LockstepError } from '../errors.js';
import { writePlanFile } from '../formats/index.js';
import { checkPlan } from '../keys/index.js';
import { completePolicy, type Policy } from '../policy/index.js';
import { schedulerLimits } from '../workload/index.js';
import { addCostOptions, type CostFlags, costSourceOf } from './cost-options.js';
import { interrupts, unlessInterrupted } from './interrupts.js';
import {
  addLimitOptions,
  addPolicyOptions,
  decimal,
  integer,
  type LimitFlags,
  limitsOf,
  type PolicyFlags,
  policyOf,
} from './options.js';
import { type BudgetFlags, budgetOf, bytes, captureCostOf, hasBudget, sizeList } from './plan-options.js';
import { planReport } from './plan-report.js';
import { Progress, StepRate } from './progress.js';
import { addWorkloadOptions, type WorkloadFlags, workloadOf } from './workload-options.js';

interface PlanFlags extends LimitFlags, PolicyFlags, WorkloadFlags, BudgetFlags, CostFlags {
  readonly steps?: string;
  readonly log?: string;
  readonly captureCost: string;
  readonly split: number;
  readonly sizeMultiple: number;
  readonly include: readonly number[];
  readonly mixed?: boolean;
  readonly out?: string;
  readonly json?: boolean;
}

/** `lockstep plan`: which sizes to capture for a trace or a log, beside what the engines capture by default. */
export function addPlan(program: Command): void {
  const command = program
    .command('plan')
    .description(
      "Find the sizes to capture for a trace, a step log or an engine log, and compare them with the engines' defaults.",
    )
    .argument('[file]', 'a trace, a step log or an engine log, told apart by its content');
  addCostOptions(addPolicyOptions(addLimitOptions(addWorkloadOptions(command))))
    .option('--steps <file>', 'a step log of `run` or `simulate`')
    .option('--log <file>', "an engine's log: vLLM's with --cudagraph-metrics, or SGLang's")
    .addOption(new Option('--graphs <n>', 'capture at most so many').argParser(integer))
    .addOption(
      new Option(
        '--max-time-loss <ratio>',
        'as few graphs as lose at most so much time (default: 0.001; 0.05 with --mixed)',
      ).argParser(decimal),
    )
    .addOption(new Option('--max-padding <ratio>', 'as few graphs as pad at most so much').argParser(decimal))
    .addOption(new Option('--graph-memory <bytes>', 'the best graphs in so much memory: 512MiB').argParser(bytes))
    .option(
      '--capture-cost <name|file>',
      'what a graph takes: published figures, or a capture log',
      'trtllm-deepseek-r1',
    )
    .addOption(
      new Option('--split <share>', 'share of the time that is seen, for the unseen part')
        .argParser(decimal)
        .default(0.5),
    )
    .addOption(new Option('--size-multiple <n>', 'every size is a multiple of it').argParser(integer).default(1))
    .addOption(
      new Option('--include <sizes>', 'sizes that must be captured: 8,64').argParser(sizeList).default([], 'none'),
    )
    .option('--mixed', 'graphs for steps with a prefill too')
    .option('--out <file>', 'write the plan, for run --plan and simulate --plan')
    .option('--json', 'print one JSON document')
    .action((file: string | undefined, flags: PlanFlags) => unlessInterrupted(() => plan(file, flags)));
}

async function plan(file: string | undefined, flags: PlanFlags): Promise<void> {
  const { signal } = interrupts;
  const mixed = flags.mixed === true;
  const limits = completeLimits(limitsOf(flags));
  const policy = completePolicy(await policyOf(flags));
  const { split, sizeMultiple, include } = flags;
  const numbers = { limits, budget: budgetOf(flags, mixed), split, sizeMultiple, include };
  checkPlanOptions(numbers);
  if (mixed) checkMixed(policy, flags.ranks);
  // Every fault of the options is said before a long trace is read.
  const step = stepOptions(flags, limits, policy, signal);
  const source = sourceOf(file, flags);
  const costs = await planCosts(limits, mixed, costSourceOf(flags), signal);
  const memory = await captureCostOf(flags.captureCost, signal);
  const steps = await readSteps(source, flags, step);
  const document = await shownPlan(steps, {
    ...numbers,
    beyondLeast: !hasBudget(flags),
    policy,
    costs,
    memory,
    mixed,
  });
  await interrupts.look('before the plan was written');
  if (flags.out !== undefined) await write(flags.out, document, limits, policy);
  process.stdout.write(flags.json === true ? `${JSON.stringify(document)}\n` : planReport(document));
}

/** Throws ERR_CONFIG_INVALID where the policy runs no graph for a step with a prefill. */
function checkMixed({ name, mixedGraphs }: Policy, ranks: number): void {
  if (mixedGraphs === 'agreed' || (mixedGraphs === 'one-rank' && ranks === 1)) return;
  const never = mixedGraphs === 'never' ? 'never' : `on ${ranks} ranks never`;
  throw new LockstepError(
    'ERR_CONFIG_INVALID',
    `--mixed plans graphs for steps with a prefill, which policy ${name} ${never} runs; leave --mixed out, or give another --policy`,
    { policy: name, mixedGraphs, ranks },
  );
}

function stepOptions(flags: PlanFlags, limits: Limits, policy: Policy, signal: AbortSignal): CountOptions {
  const { ranks, acceptRate, seed, speed, stepTime, split } = flags;
  const { maxNumSeqs, maxNumBatchedTokens, blockSize, numBlocks, maxModelLen, queryLen } = limits;
  const sizes = { maxNumSeqs, maxNumBatchedTokens, blockSize, numBlocks, maxModelLen, queryLen };
  return {
    scheduler: schedulerLimits({ ranks, ...sizes, acceptRate, seed, speed, stepTime }),
    policy,
    split,
    signal,
  };
}

/** The file that is given and what it is said to be; nothing for a generated workload. Errors: ERR_CONFIG_INVALID for several. */
function sourceOf(file: string | undefined, { trace, steps, log }: PlanFlags): { file?: string; kind?: StepSource } {
  const given = [
    { option: 'a file', file },
    { option: '--trace', file: trace, kind: 'trace' },
    { option: '--steps', file: steps, kind: 'step-log' },
    { option: '--log', file: log, kind: 'engine-log' },
  ].filter((source) => source.file !== undefined);
  if (given.length > 1) {
    const names = given.map(({ option }) => option);
    throw new LockstepError('ERR_CONFIG_INVALID', `${names.join(' and ')} are given; a plan is made for one of them`, {
      options: names,
    });
  }
  return (given[0] ?? {}) as { file?: string; kind?: StepSource };
}

async function readSteps(
  { file, kind }: { file?: string; kind?: StepSource },
  flags: PlanFlags,
  options: CountOptions,
): Promise<CountedSteps> {
  const { signal } = interrupts;
  const found = kind ?? (file === undefined ? 'trace' : await detectSource(file, signal));
  if (file !== undefined && found === 'step-log') return loggedSteps(file, options);
  if (file !== undefined && found === 'engine-log') return engineSteps(file, options);
  const requests = await workloadOf(file === undefined ? flags : { ...flags, trace: file }, signal);
  const progress = new Progress('requests | {rate} steps/s', requests.length);
  const rate = new StepRate();
  try {
    return await scheduledSteps(requests, {
      ...options,
      onProgress: ({ finished, steps }) => progress.show(finished, { rate: rate.at(steps) }),
    });
  } finally {
    progress.stop();
  }
}

/** Makes the plan, telling which phase of it is worked at. */
async function shownPlan(steps: CountedSteps, options: MakePlanOptions): Promise<PlanDocument> {
  const progress = new Progress('planned | {phase}', PLAN_PHASES.length);
  try {
    return await makePlan(steps, {
      ...options,
      signal: interrupts.signal,
      onPhase: (phase) => progress.show(PLAN_PHASES.indexOf(phase), { phase }),
    });
  } finally {
    progress.stop();
  }
}

async function write(path: string, document: PlanDocument, limits: Limits, policy: Policy): Promise<void> {
  const keys = planKeys(document, limits, policy);
  checkPlan(keys, limits, policy);
  await writePlanFile(path, policy, keys);
}
