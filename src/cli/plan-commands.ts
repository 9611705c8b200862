// Commands that decide steps and plan graphs, and run none.
import { type Command, Option } from 'commander';
import { BATCH_SHAPE, OBJECTIVE_NAMES, PLAN_DEFAULTS, TYPED_DEVICES } from '../names.js';
import { bytes, count, decimal, device, jsonOf, sizeList } from './option-values.js';
import {
  addCostOptions,
  addEngineOptions,
  addHtmlOptions,
  addLimitOptions,
  addPlannerOptions,
  addPolicyOptions,
  addWorkloadOptions,
} from './options.js';

/** `lockstep plan`: which sizes to capture for a trace or a log, beside what the engines capture by default. */
export function definePlan(command: Command): void {
  command.argument('[file]', 'a trace, a step log or an engine log, detected by its content; - for standard input');
  addCostOptions(addPolicyOptions(addEngineOptions(addLimitOptions(addWorkloadOptions(command)))))
    .option('--steps <file>', 'a step log of `run` or `simulate`')
    .option(
      '--log <file>',
      "an engine's log: vLLM's with --cudagraph-metrics or its statistics, SGLang's, TensorRT-LLM's, ATOM's",
    )
    .addOption(
      new Option(
        '--decode-log-interval <n>',
        "decodes that a line of SGLang's log stands for (default: 1; with --mixed 40, as it logs every prefill)",
      ).argParser(count),
    )
    .addOption(
      new Option('--objective <name>', 'plan for what was seen and what may come, or for what was seen alone')
        .choices(OBJECTIVE_NAMES)
        .default(OBJECTIVE_NAMES[0]),
    )
    .addOption(new Option('--graphs <n>', 'capture at most so many').argParser(count))
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
      PLAN_DEFAULTS.captureCost,
    )
    .addOption(
      new Option('--split <share>', 'share of the time that is seen, for the unseen part')
        .argParser(decimal)
        .default(PLAN_DEFAULTS.split),
    )
    .addOption(
      new Option('--max-size <n>', 'largest decode graph in tokens; larger decodes run eager').argParser(count),
    )
    .addOption(
      new Option('--size-multiple <n>', 'every size is a multiple of it')
        .argParser(count)
        .default(PLAN_DEFAULTS.sizeMultiple),
    )
    .addOption(
      new Option('--include <sizes>', 'sizes that must be captured: 8,64').argParser(sizeList).default([], 'none'),
    )
    .option('--mixed', 'graphs for steps with a prefill too')
    .option('--out <file>', 'write the plan, for run --plan and simulate --plan')
    .option(
      '--measure <model>',
      "instead of a plan: measure a model's steps at each size, and print a table for --cost, or write it to --out",
    )
    .addOption(
      new Option('--device <name>', `with --measure, where kernels run: ${TYPED_DEVICES}`)
        .argParser(device)
        .default('auto'),
    )
    .option('--json', 'print one JSON document')
    .action(async (file, flags) => (await import('./plan.js')).plan(file, flags, command));
  addHtmlOptions(command);
}

/** `lockstep audit`: one's own graphs against the limits and, if given, traffic. */
export function defineAudit(command: Command): void {
  command.argument('[file]', 'traffic: a trace, a step log or an engine log; none without it');
  addCostOptions(addPlannerOptions(addWorkloadOptions(command)))
    .option('--steps <file>', 'a step log of `run` or `simulate`')
    .option('--log <file>', "an engine's log")
    .option(
      '--capture-cost <name|file>',
      'what a graph takes: published figures, or a capture log',
      PLAN_DEFAULTS.captureCost,
    )
    .addOption(new Option('--split <share>').argParser(decimal).default(PLAN_DEFAULTS.split).hideHelp())
    .option('--json', 'print one JSON document')
    .action(async (file, flags) => (await import('./audit.js')).audit(file, flags, command));
  addHtmlOptions(command);
}

/** `lockstep simulate`: the votes and decisions of a run, without ranks or a device. */
export function defineSimulate(command: Command): void {
  addCostOptions(addPlannerOptions(addWorkloadOptions(command)))
    .option('--steps-out <file>', 'write every step as a line of JSON: the votes of all ranks and the decision')
    .option('--json', 'print one JSON document')
    .action(async (flags) => (await import('./simulate.js')).simulateCommand(flags, command));
  addHtmlOptions(command);
}

/** `lockstep replay`: what recorded ranks did, or what a log's steps would have been. */
export function defineReplay(command: Command): void {
  command.argument(
    '<path...>',
    'recordings of run --record or their folder, or one step log; - for a log on standard input',
  );
  addCostOptions(addPlannerOptions(command))
    .option('--json', 'print one JSON document')
    .addHelpText(
      'after',
      "\nWith --engine, which may be a policy's name too, a log's steps are held against that engine's rules and Lockstep's.",
    )
    .action(async (paths, flags) => (await import('./replay.js')).replay(paths, flags, command));
}

/** `lockstep explain`: batches on standard input, one a line, to what every rank would do with them. */
export function defineExplain(command: Command): void {
  command.option('--json', 'one JSON document a line instead of text');
  addPlannerOptions(command)
    .option(
      '--kv-groups <json>',
      'KV cache groups, like [{"blockSize":16},{"blockSize":64,"window":1024}]; blockIds then hold a list each',
      jsonOf,
    )
    .addHelpText(
      'after',
      `\nReads one JSON document a line from standard input:\n  ${BATCH_SHAPE}\nA rank without requests is idle; blocks that are left out are made up.`,
    )
    .action(async (flags) => (await import('./explain.js')).explain(flags, command));
}
