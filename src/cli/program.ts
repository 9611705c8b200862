import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { addCommands } from './commands.js';
import { describe, EXIT, exitCodeOf } from './exit.js';

/** Runs the command that the arguments name, and sets the exit code. Never throws. */
export async function runProgram(): Promise<void> {
  try {
    const command = program();
    const args = process.argv.slice(2);
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
    process.stderr.write(`${describe(error)}\n`);
    process.exitCode = exitCodeOf(error);
  }
}

function program(): Command {
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
    .configureOutput({ outputError: (text, write) => write(`lockstep: ${text.replace(/^error: /, '')}`) });
  addCommands(command, process.argv[2]);
  return command;
}
