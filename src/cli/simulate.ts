import type { Command } from 'commander';
import { readPlanFile, StepLogFile, spanLines } from '../formats/index.js';
import type { CapturePlan } from '../keys/index.js';
import { completeSimulateOptions, type SimulateSummary, simulate } from '../run/index.js';
import { type CostModel, readCosts, tokenCosts } from '../workload/index.js';
import { addCostOptions, type CostFlags, costSourceOf } from './cost-options.js';
import { interrupts, unlessInterrupted } from './interrupts.js';
import { addPlannerOptions, type PlannerFlags, policyOf } from './options.js';
import { StepProgress } from './progress.js';
import { count, percent, reportLine, stepHeadline, stepLines } from './step-report.js';
import { addWorkloadOptions, type WorkloadFlags, workloadOf, workloadOptionsOf } from './workload-options.js';

interface SimulateFlags extends PlannerFlags, WorkloadFlags, CostFlags {
  readonly stepsOut?: string;
  readonly json?: boolean;
}

/** `lockstep simulate`: the votes and decisions of a run, without ranks or a device. */
export function addSimulate(program: Command): void {
  const command = program
    .command('simulate')
    .description('Decide every step of a workload as `run` would, without running any: which graph, or why eager.');
  addCostOptions(addPlannerOptions(addWorkloadOptions(command)))
    .option('--steps-out <file>', 'write every step as a line of JSON: the votes of all ranks and the decision')
    .option('--json', 'print one JSON document')
    .action((flags: SimulateFlags) => unlessInterrupted(() => run(flags)));
}

async function run(flags: SimulateFlags): Promise<void> {
  const { signal } = interrupts;
  const planFile = flags.plan === undefined ? undefined : await readPlanFile(flags.plan);
  const options = {
    ...workloadOptionsOf(flags, planFile?.plan),
    policy: await policyOf(flags, planFile?.policy),
    ...(planFile === undefined ? { ladder: flags.ladder } : { plan: planFile.plan }),
  };
  // Every fault of the options is said before a long trace is read.
  const { plan } = completeSimulateOptions(options);
  const costs = await costsOf(flags, plan, signal);
  const requests = await workloadOf(flags, signal);
  const log = flags.stepsOut === undefined ? undefined : await StepLogFile.open(flags.stepsOut);
  const progress = new StepProgress(requests.length);
  try {
    const summary = await simulate(requests, options, {
      signal,
      cost: (tokens) => costs.costs[tokens],
      onProgress: (now) => progress.show(now),
      ...(log === undefined
        ? {}
        : {
            onSpan: async (span) => {
              for (const line of spanLines(span)) await log.write(line);
            },
          }),
    });
    await log?.close();
    progress.stop();
    process.stdout.write(
      flags.json === true
        ? `${JSON.stringify({ schemaVersion: 1, ...summary, costModel: costs.name })}\n`
        : simulateReport(summary, costs),
    );
  } finally {
    progress.stop();
  }
}

/** What a step costs, up to the largest graph. */
function costsOf(flags: CostFlags, { keys }: CapturePlan, signal: AbortSignal): Promise<CostModel> {
  const largest = keys.reduce((most, { tokens }) => Math.max(most, tokens), 1);
  const source = costSourceOf(flags);
  return source === null ? Promise.resolve(tokenCosts(largest)) : readCosts(source, largest, signal);
}

function simulateReport(summary: SimulateSummary, { name, unit }: CostModel): string {
  const { paddingRatio, timeRatio, graphs, policy, seed, stepsPerSecond } = summary;
  const lines = [
    `${stepHeadline('Simulated', summary)}, ${count(Math.round(stepsPerSecond))} steps a second`,
    reportLine('policy', `${policy}, seed ${seed}`),
    ...(unit === 'tokens' ? [] : [reportLine('cost', name)]),
    ...stepLines(summary, `${count(graphs)} graphs, ${percent(paddingRatio)} padding, ${percent(timeRatio)} more cost`),
  ];
  return `${lines.join('\n')}\n`;
}
