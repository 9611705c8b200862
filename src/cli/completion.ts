import type { Command } from 'commander';
import { type CompletedCommand, completedCommands } from './completed-words.js';
import { bashScript } from './completion-bash.js';
import { fishScript } from './completion-fish.js';
import { zshScript } from './completion-zsh.js';

type Script = (commands: readonly CompletedCommand[]) => string;

const SCRIPTS: Readonly<Record<'bash' | 'zsh' | 'fish', Script>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

/** Prints the script with which a shell completes these commands. */
export function completion(shell: keyof typeof SCRIPTS, commands: readonly Command[]): void {
  process.stdout.write(SCRIPTS[shell](completedCommands(commands)));
}
