// Commands that check and measure.
import { type Command, Option } from 'commander';
import { DEFAULT_ROUNDS, POLICY_DEFAULTS, TYPED_DEVICES } from '../names.js';
import { count, device, ranks } from './option-values.js';
import { addEngineOptions, addHtmlOptions } from './options.js';

/** `lockstep check`: explores policy and plan, and prints the shortest counterexample of each property that is violated. */
export function defineCheck(command: Command): void {
  addEngineOptions(command)
    .option('--policy <name|file>', 'a policy, one of --list, or a JSON file', POLICY_DEFAULTS.name)
    .option('--ranks <n>', 'most ranks; every number of whole replicas up to them is explored', ranks, 2)
    .option(
      '--replica-size <n>',
      'ranks that hold one batch, and differ in what each can do; divides --ranks',
      ranks,
      1,
    )
    .option(
      '--ubatches <n>',
      "without --plan: micro-batches a step may be cut into (default: the policy's, and at least 2)",
      count,
    )
    .option('--no-piecewise', 'without --plan: no piecewise graphs')
    .option('--plan <file>', 'a plan of run --plan-out, with its policy, instead of the standard domain')
    .option(
      '--max-num-seqs <n>',
      "with --plan or --engine: most requests of a rank (default: one more than the plan's largest key, or the engine's)",
      count,
    )
    .option(
      '--max-num-batched-tokens <n>',
      "with --plan or --engine: most tokens of a rank (default: as many as make a difference, or the engine's)",
      count,
    )
    .option('--workers <n>', 'threads that explore at once (default: as many as there are cores)', count)
    .option('--fixed', 'with a historical policy: the rule after its fix, over the same domain')
    .option('--list', 'list the policies, and what the historical ones must violate')
    .option('--json', 'one JSON document instead of text')
    .action(async (flags, command: Command) => {
      const { check, list } = await import('./check.js');
      if (flags.list === true) await list(flags);
      else await check(flags, command);
    });
  addHtmlOptions(command);
}

/** `lockstep conformance [dir]`: engine vectors against this version. */
export function defineConformance(command: Command): void {
  command
    .argument('[dir]', 'folder of .json vectors, in folders of their own too; the built-in ones are taken without it')
    .option('--json', 'one JSON document instead of text')
    .action(async (folder, flags) => (await import('./conformance.js')).conformance(folder, flags));
}

/** `lockstep bench`: what the planner's work costs, each row beside its limit. */
export function defineBench(command: Command): void {
  command
    .option('--filter <name>', 'only rows with this in their name')
    .addOption(
      new Option('--device <name>', `measure what this device's work costs instead: ${TYPED_DEVICES}`).argParser(
        device,
      ),
    )
    .option('--mpi', 'measure what crosses the processes of this MPI job instead')
    .option('--rounds <n>', 'rounds, each of which measures ours, limit and numpy', count, DEFAULT_ROUNDS)
    .option('--json', 'print one JSON document')
    .action(async (flags) => (await import('./bench.js')).bench(flags));
  addHtmlOptions(command);
}

/** `lockstep doctor`: devices, libraries and transports that are here, and why the others are not. */
export function defineDoctor(command: Command): void {
  command
    .option('--json', 'one JSON document instead of text')
    .action(async (flags) => (await import('./doctor.js')).doctor(flags));
}
