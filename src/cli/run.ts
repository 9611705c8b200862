import type { Command } from 'commander';
import type { Limits } from '../config.js';
import { type PlanFile, readPlanFile, writePlanFile } from '../formats/index.js';
import { completeRunOptions, type RunOptions, type RunSummary, runWorkload } from '../run/index.js';
import type { RequestTable } from '../workload/index.js';
import { assumedLines, TELLING } from './assumed.js';
import { EXIT } from './exit.js';
import { interrupts, unlessInterrupted } from './interrupts.js';
import { checkOutputs } from './outputs.js';
import { type PlannerFlags, policyOf } from './planner-options.js';
import { StepProgress } from './progress.js';
import { runReport } from './run-report.js';
import { checkServed, type WorkloadFlags, workloadLine, workloadOf, workloadOptionsOf } from './workload-options.js';

interface RunFlags extends PlannerFlags, WorkloadFlags {
  readonly tensorParallelSize: number;
  readonly device: NonNullable<RunOptions['device']>;
  readonly transport?: NonNullable<RunOptions['transport']>;
  readonly verify: NonNullable<RunOptions['verify']>;
  readonly planOut?: string;
  readonly timeout: number;
  readonly deviceMemory?: number;
  readonly checkShapes?: boolean;
  readonly stepLog?: string;
  readonly captureLog?: string;
  readonly json?: boolean;
}

/** Runs a workload as the flags say, and prints its summary. */
export async function run(flags: RunFlags, command: Command): Promise<void> {
  // A run whose ranks had to be terminated is reported like one whose ranks had not begun.
  await unlessInterrupted(async () => {
    const { summary, requests, limits } = await runFlags(flags, interrupts.signal);
    process.stdout.write(
      flags.json === true
        ? `${JSON.stringify({ schemaVersion: 1, ...summary })}\n`
        : runReport(summary, [workloadLine(flags), ...assumedLines(command, TELLING.workload)]),
    );
    checkServed(summary, requests, limits);
    if (summary.mismatches > 0 || summary.diverged > 0) process.exitCode = EXIT.failed;
  });
}

async function runFlags(
  flags: RunFlags,
  signal: AbortSignal,
): Promise<{ summary: RunSummary; requests: RequestTable; limits: Limits }> {
  const { trace, policy: policyPath, plan: planPath, planOut, stepLog, captureLog } = flags;
  checkOutputs(
    { '--trace': trace, '--plan': planPath, '--policy': policyPath },
    { '--plan-out': planOut, '--step-log': stepLog, '--capture-log': captureLog },
  );
  const planFile = flags.plan === undefined ? undefined : await readPlanFile(flags.plan);
  const options = await runOptions(flags, planFile);
  // Every fault of the options is reported before a long trace is read.
  const { policy, plan, limits } = completeRunOptions(options);
  const requests = await workloadOf(flags, signal);
  if (flags.planOut !== undefined) await writePlanFile(flags.planOut, policy, plan);
  const progress = new StepProgress(requests.length);
  try {
    const summary = await runWorkload(requests, options, { signal, onProgress: (now) => progress.show(now) });
    return { summary, requests, limits };
  } finally {
    progress.stop();
  }
}

async function runOptions(flags: RunFlags, planFile: PlanFile | undefined): Promise<RunOptions> {
  return {
    ...workloadOptionsOf(flags, planFile?.plan),
    tensorParallelSize: flags.tensorParallelSize,
    policy: await policyOf(flags, planFile?.policy),
    ...(planFile === undefined ? { ladder: flags.ladder } : { plan: planFile.plan }),
    device: flags.device,
    verify: flags.verify,
    timeoutMs: flags.timeout,
    checkShapes: flags.checkShapes === true,
    ...(flags.transport === undefined ? {} : { transport: flags.transport }),
    ...(flags.stepLog === undefined ? {} : { stepLog: flags.stepLog }),
    ...(flags.captureLog === undefined ? {} : { captureLog: flags.captureLog }),
    ...(flags.deviceMemory === undefined ? {} : { deviceMemory: flags.deviceMemory }),
  };
}
