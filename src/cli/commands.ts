import { Argument, type Command } from 'commander';
import { defineBench, defineCheck, defineConformance, defineDoctor } from './check-commands.js';
import { defineAudit, defineExplain, definePlan, defineReplay, defineSimulate } from './plan-commands.js';
import { defineGenerate, defineRun, defineServe } from './run-commands.js';
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
 * Adds every command to the program, with its options if it is the one that `asked` names, or if that is no command: help names all of
 * them. What a command does is a file of its own, imported once it is asked for: help and the version load none of it.
 */
export function addCommands(program: Command, asked?: string): void {
  const known = COMMANDS.some(({ name }) => name === asked);
  for (const { name, description, define } of COMMANDS) {
    const command = program.command(name).description(description);
    if (known && name !== asked) continue;
    define(command);
    command.showHelpAfterError(`(lockstep ${name} --help lists its options)`);
    if (ROWS[name] !== undefined) addOutputOption(command, ROWS[name]);
    if (command.options.length > 0) {
      command.option('--config <file>', 'options in JSON, which flags override');
    }
  }
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
