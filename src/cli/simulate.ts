import type { Command } from 'commander';
import { StepTimeline } from '../counts/index.js';
import { LogWriter, readPlanFile, type SimulatedSpan, spanLines } from '../formats/index.js';
import type { CapturePlan } from '../keys/index.js';
import { GrowingFile } from '../output/index.js';
import { completeSimulateOptions, type SimulateSummary, simulate } from '../simulation/index.js';
import { countOf, percentOf } from '../text.js';
import { type CostModel, readCosts, tokenCosts, traceFacts } from '../workload/index.js';
import { assumedLines, TELLING } from './assumed.js';
import { type CostFlags, costSourceOf } from './cost-options.js';
import {
  engineLines,
  enginePolicy,
  engineReport,
  engineSetting,
  ladderGiven,
  profileFor,
  saidBy,
  withEngineLimits,
  withEngineRanks,
} from './engine-options.js';
import { checkHtml, type HtmlFlags, writeHtml } from './html.js';
import { interrupts, unlessInterrupted } from './interrupts.js';
import { checkOutputs, checkWritable, inputsOf } from './outputs.js';
import type { PlannerFlags } from './planner-options.js';
import { StepProgress } from './progress.js';
import { type ShowFlags, show } from './show.js';
import { overTimeLines, showsBars } from './sparkline.js';
import { reasonRows, reportLine, stepHeadline, stepLines } from './step-report.js';
import {
  checkServed,
  traceLines,
  type WorkloadFlags,
  workloadLine,
  workloadName,
  workloadOf,
  workloadOptionsOf,
} from './workload-options.js';

interface SimulateFlags extends PlannerFlags, WorkloadFlags, CostFlags, HtmlFlags, ShowFlags {
  readonly stepsOut?: string;
}

/** Simulates a workload as the flags say, and prints its summary. */
export async function simulateCommand(flags: SimulateFlags, command: Command): Promise<void> {
  await unlessInterrupted(() => run(flags, command));
}

async function run(flags: SimulateFlags, command: Command): Promise<void> {
  checkHtml(flags);
  const { signal } = interrupts;
  const { plan: planPath, stepsOut, html } = flags;
  const planFile = planPath === undefined ? undefined : await readPlanFile(planPath, { signal });
  const setting = await engineSetting(flags, command, signal);
  checkOutputs(inputsOf(flags, setting), { '--steps-out': stepsOut, '--html': html });
  const policyGiven = await enginePolicy(flags, setting, planFile?.policy, signal);
  const engine = profileFor(policyGiven, setting, flags);
  const ladder = ladderGiven(flags, setting, command);
  const options = {
    ...workloadOptionsOf(withEngineRanks(withEngineLimits(flags, setting, command), setting, command), planFile),
    policy: policyGiven,
    ...(planFile === undefined ? { ladder, engine } : { plan: planFile.plan }),
  };
  // Every fault of the options is reported before a long trace is read.
  const { plan, limits, ranks } = completeSimulateOptions(options);
  await checkWritable([stepsOut, html], signal);
  const costs = await costsOf(flags, plan, signal);
  const requests = await workloadOf(flags, signal);
  const facts = traceFacts(requests);
  const told = flags.trace === undefined ? [] : traceLines(facts);
  using file = stepsOut === undefined ? undefined : await GrowingFile.open(stepsOut, signal);
  const log = file === undefined ? undefined : new LogWriter(file);
  const bars = showsBars() && flags.json !== true && flags.output === undefined;
  const timeline = html === undefined && !bars ? undefined : new StepTimeline(ranks);
  const progress = new StepProgress(requests.length);
  try {
    const summary = await simulate(requests, options, {
      signal,
      cost: (tokens) => costs.costs[tokens],
      onProgress: (now) => progress.show(now),
      ...(log === undefined && timeline === undefined
        ? {}
        : {
            onSpan: (span) => {
              timeline?.add(span);
              return log === undefined ? undefined : logged(log, span, signal);
            },
          }),
    });
    log?.end();
    await log?.flush(signal);
    progress.stop();
    const costFacts = { costModel: costs.name, costKnown: costs.unit === 'ms' };
    const json = { schemaVersion: 1, ...summary, ...engineReport(setting), ...costFacts, trace: facts };
    const text = simulateReport(summary, costs, [
      workloadLine(flags),
      ...told,
      ...engineLines(setting),
      ...summary.ladderNotes.map((note) => reportLine('ladder', note)),
      ...assumedLines(command, TELLING.workload, saidBy(setting)),
    ]);
    if (timeline !== undefined) {
      const served = { of: workloadName(flags), plan, timeline: timeline.document(), text, json };
      await writeHtml(flags, ({ simulatePage }) => simulatePage(summary, served));
    }
    const drawn = bars && timeline !== undefined ? overTimeLines(timeline.document()) : [];
    await show(flags, {
      document: () => json,
      rows: () => reasonRows(summary),
      text: () => `${text}${drawn.map((line) => `${line}\n`).join('')}`,
    });
    checkServed(summary, requests, limits);
  } finally {
    progress.stop();
  }
}

/** Writes the lines of a span. */
async function logged(log: LogWriter, span: SimulatedSpan, signal: AbortSignal): Promise<void> {
  for (const line of spanLines(span)) if (log.write(line)) await log.flush(signal);
}

/** What a step costs, up to the largest graph. */
function costsOf(flags: CostFlags, { keys }: CapturePlan, signal: AbortSignal): Promise<CostModel> {
  const largest = keys.reduce((most, { tokens }) => Math.max(most, tokens), 1);
  const source = costSourceOf(flags);
  return source === null ? Promise.resolve(tokenCosts(largest)) : readCosts(source, largest, signal);
}

/** `setting`: lines that say what was simulated. */
function simulateReport(summary: SimulateSummary, { name, unit }: CostModel, setting: readonly string[]): string {
  const { paddingRatio, timeRatio, graphs, policy, seed, stepsPerSecond } = summary;
  const lines = [
    `${stepHeadline('Simulated', summary)}, ${countOf(Math.round(stepsPerSecond), 'step')} a second`,
    reportLine('policy', `${policy}, seed ${seed}`),
    ...(unit === 'tokens' ? [] : [reportLine('cost', name)]),
    ...setting,
    ...stepLines(
      summary,
      `${countOf(graphs, 'graph')}, ${percentOf(paddingRatio)} padding of all ranks' tokens${unit === 'tokens' ? '' : `, ${percentOf(timeRatio)} more time`}`,
    ),
  ];
  return `${lines.join('\n')}\n`;
}
