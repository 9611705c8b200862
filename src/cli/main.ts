#!/usr/bin/env node
// Signals and broken pipes are handled before anything else is loaded, which takes a tenth of a second.
import { EXIT } from './exit.js';
import { interrupts } from './interrupts.js';

// A reader that closes the pipe (head, less) ends the command without error. A full disk is a failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.done);
  process.stderr.write(`lockstep: standard output cannot be written: ${error.message}\n`);
  process.exit(EXIT.failed);
});
// Progress and messages that cannot be written are no reason to stop.
process.stderr.on('error', () => {});

import('./program.js').then(({ runProgram }) => runProgram()).finally(() => interrupts.leave());
