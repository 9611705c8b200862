#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { addConformance } from './conformance.js';
import { addDoctor } from './doctor.js';
import { describe, EXIT, exitCodeOf } from './exit.js';
import { addExplain } from './explain.js';
import { addRun } from './run.js';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const program = new Command('lockstep')
  .description(
    'Plans and runs the steps of LLM serving engines, so that no rank takes a step the others did not agree to.',
  )
  .version(version)
  .exitOverride()
  .showHelpAfterError('(lockstep --help lists commands and options)')
  .configureOutput({ outputError: (text, write) => write(`lockstep: ${text.replace(/^error: /, '')}`) });

for (const add of [addRun, addExplain, addConformance, addDoctor]) add(program);

main().catch((error: unknown) => {
  process.stderr.write(`${describe(error)}\n`);
  process.exitCode = exitCodeOf(error);
});

async function main(): Promise<void> {
  // A reader that goes away (head, less) ends the command; what was computed so far is of no use to anybody else.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT.done);
    throw error;
  });
  try {
    await program.parseAsync();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.usage;
  }
}
