import cliProgress from 'cli-progress';
import { type Command, Option } from 'commander';
import { LockstepError } from '../errors.js';
import {
  completeRunOptions,
  type RunOptions,
  type RunProgress,
  type RunSummary,
  runWorkload,
} from '../runtime/index.js';
import { type PlanFile, readPlanFile, writePlanFile } from '../runtime/plan-file.js';
import { DEFAULT_RUN_OPTIONS } from '../runtime/run-options.js';
import { generateWorkload, type RequestTable, readRequests } from '../workload/index.js';
import { describe, EXIT } from './exit.js';
import { interrupts } from './interrupts.js';
import { addPlannerOptions, decimal, integer, limitsOf, type PlannerFlags, policyOf } from './options.js';
import { runReport } from './run-report.js';

/** Requests of a generated workload when nothing else is said. */
const GENERATED_REQUESTS = 200;

interface RunFlags extends PlannerFlags {
  readonly trace?: string;
  readonly requests?: number;
  readonly ranks: number;
  readonly speed: number;
  readonly acceptRate: number;
  readonly stepTime: readonly [number, number, number];
  readonly device: NonNullable<RunOptions['device']>;
  readonly transport?: NonNullable<RunOptions['transport']>;
  readonly verify: NonNullable<RunOptions['verify']>;
  readonly seed: number;
  readonly planOut?: string;
  readonly timeout: number;
  readonly deviceMemory?: number;
  readonly checkShapes?: boolean;
  readonly json?: boolean;
}

export function addRun(program: Command): void {
  const command = program
    .command('run')
    .description('plan, agree, build and execute every step of a workload on N ranks, and verify the KV cache')
    .option(
      '--trace <file>',
      'requests to serve: Azure CSV, BurstGPT CSV, Mooncake JSONL or our own (default: a generated workload)',
    )
    .addOption(
      new Option(
        '--requests <n>',
        `stop after this many requests (default: all of a trace, ${GENERATED_REQUESTS} generated)`,
      ).argParser(integer),
    )
    .addOption(
      new Option('--ranks <n>', 'data-parallel ranks, each a worker thread')
        .argParser(integer)
        .default(DEFAULT_RUN_OPTIONS.ranks),
    )
    .addOption(
      new Option('--speed <x>', 'divide arrival times by this').argParser(decimal).default(DEFAULT_RUN_OPTIONS.speed),
    );
  addPlannerOptions(command)
    .addOption(
      new Option('--accept-rate <p>', 'chance that a draft is accepted when all before it were')
        .argParser(decimal)
        .default(DEFAULT_RUN_OPTIONS.acceptRate),
    )
    .addOption(
      new Option('--step-time <a,b,c>', 'simulated step time a + b*tokens + c*kvTokens, in ms')
        .argParser(stepTime)
        .default(DEFAULT_RUN_OPTIONS.stepTime, DEFAULT_RUN_OPTIONS.stepTime.join()),
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
    .addOption(
      new Option('--seed <n>', 'seed of the workload, of accepted drafts and of samples').argParser(integer).default(0),
    )
    .option('--plan-out <file>', 'write the capture plan')
    .addOption(
      new Option('--timeout <ms>', 'longest wait for a peer or the device')
        .argParser(integer)
        .default(DEFAULT_RUN_OPTIONS.timeoutMs),
    )
    .addOption(new Option('--device-memory <bytes>', 'bytes each rank may use on its device').argParser(integer))
    .option('--check-shapes', 'check every tensor of every step against its decision')
    .option('--json', 'print one JSON document')
    .action(run);
}

async function run(flags: RunFlags): Promise<void> {
  try {
    const summary = await runFlags(flags, interrupts.signal);
    process.stdout.write(
      flags.json === true ? `${JSON.stringify({ schemaVersion: 1, ...summary })}\n` : runReport(summary),
    );
    if (summary.mismatches > 0 || summary.diverged > 0) process.exitCode = EXIT.failed;
  } catch (error) {
    // Interrupted before the ranks began, there is nothing to sum up; ranks that had to be terminated are told.
    if (interrupts.exitCode === null || !(error instanceof LockstepError && error.code === 'ERR_ABORTED')) throw error;
    process.stderr.write(`${describe(error)}\n`);
  }
}

async function runFlags(flags: RunFlags, signal: AbortSignal): Promise<RunSummary> {
  const planFile = flags.plan === undefined ? undefined : await readPlanFile(flags.plan);
  const options = await runOptions(flags, planFile);
  // Every fault of the options is said before a long trace is read.
  const { policy, plan } = completeRunOptions(options);
  const requests = await workload(flags, signal);
  if (flags.planOut !== undefined) await writePlanFile(flags.planOut, policy, plan);
  const progress = new Progress(requests.length);
  try {
    return await runWorkload(requests, options, { signal, onProgress: (now) => progress.show(now) });
  } finally {
    progress.stop();
  }
}

async function runOptions(flags: RunFlags, planFile: PlanFile | undefined): Promise<RunOptions> {
  return {
    ranks: flags.ranks,
    limits: limitsOf(flags),
    policy: await policyOf(flags, planFile?.policy),
    ...(planFile === undefined ? { ladder: flags.ladder } : { plan: planFile.plan }),
    ...(flags.twins === undefined ? {} : { twins: flags.twins }),
    acceptRate: flags.acceptRate,
    seed: flags.seed,
    speed: flags.speed,
    stepTime: flags.stepTime,
    device: flags.device,
    verify: flags.verify,
    timeoutMs: flags.timeout,
    checkShapes: flags.checkShapes === true,
    ...(flags.transport === undefined ? {} : { transport: flags.transport }),
    ...(flags.deviceMemory === undefined ? {} : { deviceMemory: flags.deviceMemory }),
  };
}

async function workload(flags: RunFlags, signal: AbortSignal): Promise<RequestTable> {
  if (flags.requests !== undefined && flags.requests < 1) {
    throw new LockstepError('ERR_CONFIG_INVALID', `--requests is ${flags.requests}; it must be at least 1`, {
      requests: flags.requests,
    });
  }
  if (flags.trace === undefined)
    return generateWorkload({ requests: flags.requests ?? GENERATED_REQUESTS, seed: flags.seed });
  return readRequests(flags.trace, { signal, ...(flags.requests === undefined ? {} : { limit: flags.requests }) });
}

function stepTime(text: string): [number, number, number] {
  const parts = text.split(',').map(decimal);
  return parts as [number, number, number];
}

/** The live line on stderr: a bar on a terminal, a line every two seconds elsewhere. */
class Progress {
  readonly #bar: cliProgress.SingleBar;
  readonly #start = performance.now();

  constructor(requests: number) {
    this.#bar = new cliProgress.SingleBar({
      format: '{bar} {value}/{total} requests | {rate} steps/s | graphs {graphs} | padding {padding}',
      stream: process.stderr,
      barsize: 24,
      hideCursor: true,
      clearOnComplete: true,
      // Signals are ours: the bar's own handling would end the process before the ranks have stopped.
      gracefulExit: false,
      noTTYOutput: true,
      notTTYSchedule: 2000,
    });
    this.#bar.start(requests, 0, { rate: '-', graphs: '-', padding: '-' });
  }

  show(now: RunProgress): void {
    const seconds = (performance.now() - this.#start) / 1000;
    const padding = now.graphTokens === 0 ? '-' : percent((now.graphPaddedTokens - now.graphTokens) / now.graphTokens);
    this.#bar.update(now.finished + now.rejected, {
      rate: Math.round(now.steps / seconds).toLocaleString('en'),
      graphs: now.steps === 0 ? '-' : percent(now.graphSteps / now.steps),
      padding,
    });
  }

  stop(): void {
    this.#bar.stop();
  }
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
