import { Argument, type Command } from 'commander';

/** `lockstep completion SHELL`, which completes what `every` gives. */
export function defineCompletion(command: Command, every: () => Promise<readonly Command[]>): void {
  command
    .addArgument(new Argument('<shell>', 'the shell that reads it').choices(['bash', 'zsh', 'fish']))
    .action(async (shell) => {
      (await import('./completion.js')).completion(shell, await every());
    });
}
