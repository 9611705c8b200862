import { Command } from 'commander';

/** Gives a command its options and its action; `every` makes all commands, for one that shows them. */
type Define = (command: Command, every: () => Promise<readonly Command[]>) => void;

/** A command as help lists it, and where it is defined. */
interface Definition {
  readonly name: string;
  /** What may follow its name. */
  readonly usage: string;
  readonly description: string;
  readonly define: () => Promise<Define>;
}

const OPTIONS = '[options]';

/** Every command, in the order of help. */
const COMMANDS: readonly Definition[] = [
  {
    name: 'run',
    usage: OPTIONS,
    description: 'Plan, agree, build and execute every step of a workload on N ranks, and verify the KV cache.',
    define: async () => (await import('./run-commands.js')).defineRun,
  },
  {
    name: 'serve',
    usage: `${OPTIONS} <model>`,
    description: "Serve a model over HTTP, as OpenAI's interface has it, on N ranks.",
    define: async () => (await import('./run-commands.js')).defineServe,
  },
  {
    name: 'generate',
    usage: `${OPTIONS} <model> [prompt]`,
    description: 'Go on with a text by a model, as it comes.',
    define: async () => (await import('./run-commands.js')).defineGenerate,
  },
  {
    name: 'plan',
    usage: `${OPTIONS} [file]`,
    description:
      "Find the sizes to capture for a trace, a step log or an engine log, and compare them with the engines' defaults.",
    define: async () => (await import('./plan-commands.js')).definePlan,
  },
  {
    name: 'audit',
    usage: `${OPTIONS} [file]`,
    description:
      'Audit a launch line, a configuration or a list: decodes without a graph, graphs without a use, and what they cost.',
    define: async () => (await import('./plan-commands.js')).defineAudit,
  },
  {
    name: 'simulate',
    usage: OPTIONS,
    description: 'Decide every step of a workload as `run` would, without running any: which graph, or why eager.',
    define: async () => (await import('./plan-commands.js')).defineSimulate,
  },
  {
    name: 'replay',
    usage: `${OPTIONS} <path...>`,
    description:
      'Derive the decisions of recordings again and say which rank left step first; or decide the steps of a log again.',
    define: async () => (await import('./plan-commands.js')).defineReplay,
  },
  {
    name: 'explain',
    usage: OPTIONS,
    description: 'Explain the step that batches lead to: votes, decision, reason, every tensor.',
    define: async () => (await import('./plan-commands.js')).defineExplain,
  },
  {
    name: 'check',
    usage: OPTIONS,
    description: 'Model-check a policy and a plan: can ranks hang, diverge, or miss a graph?',
    define: async () => (await import('./check-commands.js')).defineCheck,
  },
  {
    name: 'conformance',
    usage: `${OPTIONS} [dir]`,
    description: 'Compare the answers of this version with vectors of five engines.',
    define: async () => (await import('./check-commands.js')).defineConformance,
  },
  {
    name: 'bench',
    usage: OPTIONS,
    description: 'Measure the planner, each row beside a copy or fill of the same bytes and beside numpy.',
    define: async () => (await import('./check-commands.js')).defineBench,
  },
  {
    name: 'doctor',
    usage: OPTIONS,
    description: 'List the devices, libraries and transports that are available, and why the others are not.',
    define: async () => (await import('./check-commands.js')).defineDoctor,
  },
  {
    name: 'completion',
    usage: '<shell>',
    description: 'Print a script with which a shell completes commands, options and their values.',
    define: async () => (await import('./completion-command.js')).defineCompletion,
  },
];

/** What the rows of `--output` are, of commands whose results have some. */
const ROWS: Readonly<Record<string, string>> = {
  run: 'the reasons of its steps',
  plan: "the plan's graphs and each engine's",
  audit: 'what is wrong with the graphs',
  simulate: 'the reasons of its steps',
  replay: 'of recordings the ranks, of a log the reasons of its steps',
  explain: 'the ranks of each batch',
  check: 'with --list, the policies',
  conformance: 'the families of vectors',
  bench: 'what was measured',
  doctor: 'what was found and what not',
};

/**
 * Adds every command to the program: the one that `args` name with its options, of the others what help lists. What defines a command and
 * what it does are files of their own, imported once it is asked for: help and the version load none of them.
 */
export async function addCommands(program: Command, args: readonly string[]): Promise<void> {
  const asked = args.find((arg) => COMMANDS.some(({ name }) => name === arg));
  for (const definition of COMMANDS) {
    const command = program.command(definition.name).description(definition.description).usage(definition.usage);
    if (definition.name === asked) await defineWhole(command, definition);
  }
}

/** Every command with its options. */
export async function allCommands(): Promise<readonly Command[]> {
  const program = new Command();
  for (const definition of COMMANDS) {
    await defineWhole(program.command(definition.name).description(definition.description), definition);
  }
  return program.commands;
}

async function defineWhole(command: Command, { name, define }: Definition): Promise<void> {
  (await define())(command, allCommands);
  command.showHelpAfterError(`(lockstep ${name} --help lists its options)`);
  const rows = ROWS[name];
  if (rows !== undefined) (await import('./options.js')).addOutputOption(command, rows);
  if (command.options.length > 0) command.option('--config <file>', 'options in JSON, which flags override');
}
