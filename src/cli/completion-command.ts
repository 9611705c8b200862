import { Argument, type Command } from 'commander';

/** `lockstep completion SHELL`. */
export function defineCompletion(command: Command): void {
  command
    .addArgument(new Argument('<shell>', 'the shell that reads it').choices(['bash', 'zsh', 'fish']))
    .action(async (shell) => {
      const { allCommands } = await import('./commands.js');
      (await import('./completion.js')).completion(shell, await allCommands());
    });
}
