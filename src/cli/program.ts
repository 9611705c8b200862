import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { addCommands } from './commands.js';
import { EXIT, exitCodeOf } from './exit.js';

/** Runs the command that the arguments name, and sets the exit code. Never throws. */
export async function runProgram(): Promise<void> {
  try {
    const args = process.argv.slice(2);
    const command = await program(args);
    // Whoever names no configuration need not load what reads one.
    const withFile = args.some((arg) => /^--config(=|$)/.test(arg));
    await command.parseAsync(withFile ? await (await import('./config-file.js')).withConfig(command, args) : args, {
      from: 'user',
    });
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.usage;
      return;
    }
    const { describe } = await import('./describe.js');
    process.stderr.write(`${describe(error)}\n`);
    process.exitCode = exitCodeOf(error);
  }
}

async function program(args: readonly string[]): Promise<Command> {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const command = new Command('lockstep')
    .description(
      'Plans and runs the steps of LLM serving engines, so that no rank takes a step the others did not agree to.',
    )
    .version(version)
    .exitOverride()
    .showHelpAfterError('(lockstep --help lists commands and options)')
    .configureHelp({ subcommandTerm: (each) => `${each.name()} ${each.usage()}` })
    .configureOutput({ outputError: (text, write) => write(`lockstep: ${text.replace(/^error: /, '')}`) });
  await addCommands(command, args);
  return command;
}
