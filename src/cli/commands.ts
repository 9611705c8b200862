import { Argument, type Command, Option } from 'commander';
import {
  BATCH_SHAPE,
  DEFAULT_ROUNDS,
  DEFAULT_TIMEOUT_MS,
  DEVICE_WORDS,
  OBJECTIVE_NAMES,
  POLICY_DEFAULTS,
  WORKLOAD_DEFAULTS,
} from '../names.js';
import { bytes, decimal, device, integer, jsonOf, ranks, seed64, sizeList, tokenIds } from './option-values.js';
import {
  addCostOptions,
  addEngineOptions,
  addHtmlOptions,
  addLimitOptions,
  addPlannerOptions,
  addPolicyOptions,
  addWorkloadOptions,
} from './options.js';
import { addOutputOption } from './show.js';

/** A command: its name, what it does, and what gives it its options and its action. */
interface Definition {
  readonly name: string;
  readonly description: string;
  readonly define: (command: Command) => void;
}

/** Every command, in the order of help. */
const COMMANDS: readonly Definition[] = [
  {
    name: 'run',
    description: 'Plan, agree, build and execute every step of a workload on N ranks, and verify the KV cache.',
    define: defineRun,
  },
  {
    name: 'serve',
    description: "Serve a model over HTTP, as OpenAI's interface has it, on N ranks.",
    define: defineServe,
  },
  {
    name: 'generate',
    description: 'Go on with a text by a model, as it comes.',
    define: defineGenerate,
  },
  {
    name: 'plan',
    description:
      "Find the sizes to capture for a trace, a step log or an engine log, and compare them with the engines' defaults.",
    define: definePlan,
  },
  {
    name: 'audit',
    description:
      'Audit a launch line, a configuration or a list: decodes without a graph, graphs without a use, and what they cost.',
    define: defineAudit,
  },
  {
    name: 'simulate',
    description: 'Decide every step of a workload as `run` would, without running any: which graph, or why eager.',
    define: defineSimulate,
  },
  {
    name: 'replay',
    description:
      'Derive the decisions of recordings again and say which rank left step first; or decide the steps of a log again.',
    define: defineReplay,
  },
  {
    name: 'explain',
    description: 'Explain the step that batches lead to: votes, decision, reason, every tensor.',
    define: defineExplain,
  },
  {
    name: 'check',
    description: 'Model-check a policy and a plan: can ranks hang, diverge, or miss a graph?',
    define: defineCheck,
  },
  {
    name: 'conformance',
    description: 'Compare the answers of this version with vectors of five engines.',
    define: defineConformance,
  },
  {
    name: 'bench',
    description: 'Measure the planner, each row beside a copy or fill of the same bytes and beside numpy.',
    define: defineBench,
  },
  {
    name: 'doctor',
    description: 'List the devices, libraries and transports that are available, and why the others are not.',
    define: defineDoctor,
  },
  {
    name: 'completion',
    description: 'Print a script with which a shell completes commands, options and their values.',
    define: defineCompletion,
  },
];

/** What the rows of `--output` are, of commands whose results have some. */
const ROWS: Readonly<Record<string, string>> = {
  run: 'the reasons of its steps',
  plan: "the plan's graphs and each engine's",
  simulate: 'the reasons of its steps',
  check: 'with --list, the policies',
  conformance: 'the families of vectors',
  bench: 'what was measured',
};

/**
 * Adds every command to the program, with its options if it is the one that `asked` names, or if that is no command: help names all of
 * them. What a command does is a file of its own, imported once it is asked for: help and the version load none of it.
 */
export function addCommands(program: Command, asked?: string): void {
  const known = COMMANDS.some(({ name }) => name === asked);
  for (const { name, description, define } of COMMANDS) {
    const command = program.command(name).description(description);
    if (known && name !== asked) continue;
    define(command);
    if (ROWS[name] !== undefined) addOutputOption(command, ROWS[name]);
    if (command.options.length > 0) {
      command.option('--config <file>', 'options in JSON, which flags override');
    }
  }
}

/** `lockstep run`: a workload, planned, agreed, built and executed on ranks, and verified. */
function defineRun(command: Command): void {
  addPlannerOptions(addWorkloadOptions(command))
    .addOption(
      new Option('--tensor-parallel-size <n>', 'processes of a rank, each a worker thread with the same batch')
        .argParser(integer)
        .default(WORKLOAD_DEFAULTS.tensorParallelSize),
    )
    .addOption(
      new Option('--device <name>', `where kernels run: ${DEVICE_WORDS.replaceAll("'", '')}`)
        .argParser(device)
        .default('auto'),
    )
    .addOption(
      new Option('--transport <name>', 'how votes cross ranks (default: solo for one rank, else threads)').choices([
        'solo',
        'threads',
        'mpi',
      ]),
    )
    .option('--rank-out <dir>', 'with mpi: each process writes what it did, or why it failed, as rank-N.json')
    .addOption(
      new Option('--verify <how>', 'read back every scheduled request after each step, or a seeded eighth')
        .choices(['full', 'sampled'])
        .default('full'),
    )
    .option('--plan-out <file>', 'write the capture plan')
    .addOption(
      new Option('--timeout <ms>', 'longest wait for a peer or the device')
        .argParser(integer)
        .default(DEFAULT_TIMEOUT_MS),
    )
    .addOption(new Option('--device-memory <bytes>', 'bytes each rank may use on its device').argParser(integer))
    .option('--check-shapes', 'check every tensor of every step against its decision')
    .option('--step-log <file>', 'write every step: votes and decision, one JSON object a line')
    .option('--capture-log <file>', 'write what capturing each graph took: memory and seconds, one JSON object a line')
    .option('--record <dir>', 'keep the last steps of each rank in a file of this folder, rank-N.rec, for replay')
    .option(
      '--model <dir>',
      "compute a model's tokens, and compare them with one eager rank's: a folder in Hugging Face's layout, random:dense or random:moe",
    )
    .option('--async', 'with --model: plan each step while the one before runs; its tokens stay on the device')
    .addOption(
      new Option('--prompt-scale <x>', 'multiply the lengths of prompts by this, at most 1')
        .argParser(decimal)
        .default(1),
    )
    .option('--json', 'print one JSON document')
    .action(async (flags) => (await import('./run.js')).run(flags, command));
  addHtmlOptions(command);
}

/** `lockstep serve MODEL`: a live service over ranks, and its HTTP server. */
function defineServe(command: Command): void {
  command.argument(
    '<model>',
    "a model's folder, random:dense or random:moe, or a module that makes a forward (.js, .mjs)",
  );
  addPlannerOptions(command)
    .addOption(new Option('--ranks <n>', 'data-parallel ranks').argParser(integer).default(1))
    .addOption(
      new Option('--tensor-parallel-size <n>', 'worker threads of a rank, which compute its batch together')
        .argParser(integer)
        .default(1),
    )
    .option('--host <address>', 'where to listen; 0.0.0.0 for every network', '127.0.0.1')
    .addOption(new Option('--port <n>', 'where to listen; 0 for a port that is free').argParser(integer).default(8000))
    .addOption(
      new Option('--api-key <key>', 'what clients must send; better given as LOCKSTEP_API_KEY').env('LOCKSTEP_API_KEY'),
    )
    .addOption(
      new Option('--device <name>', `where kernels run: ${DEVICE_WORDS.replaceAll("'", '')}`)
        .argParser(device)
        .default('auto'),
    )
    .addOption(new Option('--device-memory <bytes>', 'bytes each process may use on its device').argParser(integer))
    .addOption(
      new Option('--timeout <ms>', 'longest wait for a peer or the device')
        .argParser(integer)
        .default(DEFAULT_TIMEOUT_MS),
    )
    .addOption(new Option('--max-queue <n>', 'requests that may wait').argParser(integer).default(1024))
    .addOption(
      new Option('--restarts <n>', 'how many times lost ranks are started again').argParser(integer).default(3),
    )
    .addOption(new Option('--grace <s>', 'after SIGTERM: seconds for what was accepted').argParser(decimal).default(30))
    .option('--async', 'plan each step while the one before runs')
    .option('--json', 'print one line of JSON once it listens')
    .action(async (model, flags) => (await import('./serve.js')).serve(model, flags, command));
}

/** `lockstep generate`: what a model says after a prompt. */
function defineGenerate(command: Command): void {
  command
    .argument('<model>', "a model's folder, or random:dense or random:moe, which take --prompt-ids")
    .argument('[prompt]', 'the text to go on with');
  addPlannerOptions(command)
    .addOption(
      new Option('--max-tokens <n>', 'tokens after which it ends (default: what the limits leave)').argParser(integer),
    )
    .addOption(new Option('--temperature <t>', '0: always the most likely token').argParser(decimal).default(0))
    .addOption(
      new Option('--top-k <n>', 'tokens kept, the most likely first; 0 keeps all').argParser(integer).default(0),
    )
    .addOption(new Option('--top-p <p>', 'share of the probability kept').argParser(decimal).default(1))
    .addOption(new Option('--seed <n>', 'equal seeds give equal texts').argParser(seed64).default(0n, '0'))
    .addOption(
      new Option('--stop <text>', 'ends where this text comes, which is left out; may be given again')
        .argParser((text: string, before: readonly string[]) => [...before, text])
        .default([], 'none'),
    )
    .option('--ignore-eos', "go on after the model's end of a text")
    .addOption(
      new Option('--prompt-ids <ids>', 'tokens to go on with in place of a text: 1,403,407').argParser(tokenIds),
    )
    .addOption(new Option('--ranks <n>', 'data-parallel ranks').argParser(integer).default(1))
    .addOption(
      new Option('--tensor-parallel-size <n>', 'worker threads of a rank, which compute its batch together')
        .argParser(integer)
        .default(1),
    )
    .addOption(
      new Option('--device <name>', `where kernels run: ${DEVICE_WORDS.replaceAll("'", '')}`)
        .argParser(device)
        .default('auto'),
    )
    .addOption(
      new Option('--timeout <ms>', 'longest wait for a peer or the device')
        .argParser(integer)
        .default(DEFAULT_TIMEOUT_MS),
    )
    .option('--async', 'plan each step while the one before runs')
    .option('--json', 'print one JSON document when all is there')
    .action(async (model, prompt, flags) => (await import('./generate.js')).generate(model, prompt, flags, command));
}

/** `lockstep plan`: which sizes to capture for a trace or a log, beside what the engines capture by default. */
function definePlan(command: Command): void {
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
      ).argParser(integer),
    )
    .addOption(
      new Option('--objective <name>', 'plan for what was seen and what may come, or for what was seen alone')
        .choices(OBJECTIVE_NAMES)
        .default(OBJECTIVE_NAMES[0]),
    )
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
    .addOption(
      new Option('--max-size <n>', 'largest decode graph in tokens; larger decodes run eager').argParser(integer),
    )
    .addOption(new Option('--size-multiple <n>', 'every size is a multiple of it').argParser(integer).default(1))
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
      new Option('--device <name>', `with --measure, where kernels run: ${DEVICE_WORDS.replaceAll("'", '')}`)
        .argParser(device)
        .default('auto'),
    )
    .option('--json', 'print one JSON document')
    .action(async (file, flags) => (await import('./plan.js')).plan(file, flags, command));
  addHtmlOptions(command);
}

/** `lockstep audit`: one's own graphs against the limits and, if given, traffic. */
function defineAudit(command: Command): void {
  command.argument('[file]', 'traffic: a trace, a step log or an engine log; none without it');
  addCostOptions(addPlannerOptions(addWorkloadOptions(command)))
    .option('--steps <file>', 'a step log of `run` or `simulate`')
    .option('--log <file>', "an engine's log")
    .option(
      '--capture-cost <name|file>',
      'what a graph takes: published figures, or a capture log',
      'trtllm-deepseek-r1',
    )
    .addOption(new Option('--split <share>').argParser(decimal).default(0.5).hideHelp())
    .option('--json', 'print one JSON document')
    .action(async (file, flags) => (await import('./audit.js')).audit(file, flags, command));
  addHtmlOptions(command);
}

/** `lockstep simulate`: the votes and decisions of a run, without ranks or a device. */
function defineSimulate(command: Command): void {
  addCostOptions(addPlannerOptions(addWorkloadOptions(command)))
    .option('--steps-out <file>', 'write every step as a line of JSON: the votes of all ranks and the decision')
    .option('--json', 'print one JSON document')
    .action(async (flags) => (await import('./simulate.js')).simulateCommand(flags, command));
  addHtmlOptions(command);
}

/** `lockstep replay`: what recorded ranks did, or what a log's steps would have been. */
function defineReplay(command: Command): void {
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
function defineExplain(command: Command): void {
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

/** `lockstep check`: explores policy and plan, and prints the shortest counterexample of each property that is violated. */
function defineCheck(command: Command): void {
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
      integer,
    )
    .option('--no-piecewise', 'without --plan: no piecewise graphs')
    .option('--plan <file>', 'a plan of run --plan-out, with its policy, instead of the standard domain')
    .option(
      '--max-num-seqs <n>',
      "with --plan or --engine: most requests of a rank (default: one more than the plan's largest key, or the engine's)",
      integer,
    )
    .option(
      '--max-num-batched-tokens <n>',
      "with --plan or --engine: most tokens of a rank (default: as many as make a difference, or the engine's)",
      integer,
    )
    .option('--workers <n>', 'threads that explore at once (default: as many as there are cores)', integer)
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
function defineConformance(command: Command): void {
  command
    .argument('[dir]', 'folder of .json vectors, in folders of their own too; the built-in ones are taken without it')
    .option('--json', 'one JSON document instead of text')
    .action(async (folder, flags) => (await import('./conformance.js')).conformance(folder, flags));
}

/** `lockstep bench`: what the planner's work costs, each row beside its limit. */
function defineBench(command: Command): void {
  command
    .option('--filter <name>', 'only rows with this in their name')
    .addOption(
      new Option(
        '--device <name>',
        `measure what this device's work costs instead: ${DEVICE_WORDS.replaceAll("'", '')}`,
      ).argParser(device),
    )
    .option('--mpi', 'measure what crosses the processes of this MPI job instead')
    .option('--rounds <n>', 'rounds, each of which measures ours, limit and numpy', integer, DEFAULT_ROUNDS)
    .option('--json', 'print one JSON document')
    .action(async (flags) => (await import('./bench.js')).bench(flags));
  addHtmlOptions(command);
}

/** `lockstep doctor`: devices, libraries and transports that are here, and why the others are not. */
function defineDoctor(command: Command): void {
  command
    .option('--json', 'one JSON document instead of text')
    .action(async (flags) => (await import('./doctor.js')).doctor(flags));
}

/** `lockstep completion SHELL`. */
function defineCompletion(command: Command): void {
  command
    .addArgument(new Argument('<shell>', 'the shell that reads it').choices(['bash', 'zsh', 'fish']))
    .action(async (shell) => {
      const every = command.createCommand();
      addCommands(every);
      (await import('./completion.js')).completion(shell, every.commands);
    });
}
