import { type Command, Option } from 'commander';
import { type PlanFile, readPlanFile, writePlanFile } from '../formats/index.js';
import {
  completeRunOptions,
  DEFAULT_RUN_OPTIONS,
  type RunOptions,
  type RunSummary,
  runWorkload,
} from '../run/index.js';
import { EXIT } from './exit.js';
import { interrupts, unlessInterrupted } from './interrupts.js';
import { addPlannerOptions, integer, type PlannerFlags, policyOf } from './options.js';
import { StepProgress } from './progress.js';
import { runReport } from './run-report.js';
import { addWorkloadOptions, type WorkloadFlags, workloadOf, workloadOptionsOf } from './workload-options.js';

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

export function addRun(program: Command): void {
  const command = program
    .command('run')
    .description('Plan, agree, build and execute every step of a workload on N ranks, and verify the KV cache.');
  addPlannerOptions(addWorkloadOptions(command))
    .addOption(
      new Option('--tensor-parallel-size <n>', 'processes of a rank, each a worker thread with the same batch')
        .argParser(integer)
        .default(DEFAULT_RUN_OPTIONS.tensorParallelSize),
    )
    .addOption(
      new Option('--device <kind>', 'where kernels run').choices(['auto', 'host', 'cuda', 'hip']).default('auto'),
    )
    .addOption(
      new Option('--transport <name>', 'how votes cross ranks (default: solo for one rank, else threads)').choices([
        'solo',
        'threads',
      ]),
    )
    .addOption(
      new Option('--verify <how>', 'read back every scheduled request after each step, or a seeded eighth')
        .choices(['full', 'sampled'])
        .default('full'),
    )
    .option('--plan-out <file>', 'write the capture plan')
    .addOption(
      new Option('--timeout <ms>', 'longest wait for a peer or the device')
        .argParser(integer)
        .default(DEFAULT_RUN_OPTIONS.timeoutMs),
    )
    .addOption(new Option('--device-memory <bytes>', 'bytes each rank may use on its device').argParser(integer))
    .option('--check-shapes', 'check every tensor of every step against its decision')
    .option('--step-log <file>', 'write every step: votes and decision, one JSON object a line')
    .option('--capture-log <file>', 'write what capturing each graph took: memory and seconds, one JSON object a line')
    .option('--json', 'print one JSON document')
    .action(run);
}

async function run(flags: RunFlags): Promise<void> {
  // Ranks that had to be terminated are told like ranks that had not begun.
  await unlessInterrupted(async () => {
    const summary = await runFlags(flags, interrupts.signal);
    process.stdout.write(
      flags.json === true ? `${JSON.stringify({ schemaVersion: 1, ...summary })}\n` : runReport(summary),
    );
    if (summary.mismatches > 0 || summary.diverged > 0) process.exitCode = EXIT.failed;
  });
}

async function runFlags(flags: RunFlags, signal: AbortSignal): Promise<RunSummary> {
  const planFile = flags.plan === undefined ? undefined : await readPlanFile(flags.plan);
  const options = await runOptions(flags, planFile);
  // Every fault of the options is said before a long trace is read.
  const { policy, plan } = completeRunOptions(options);
  const requests = await workloadOf(flags, signal);
  if (flags.planOut !== undefined) await writePlanFile(flags.planOut, policy, plan);
  const progress = new StepProgress(requests.length);
  try {
    return await runWorkload(requests, options, { signal, onProgress: (now) => progress.show(now) });
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
