import { spawn } from 'node:child_process';
import { accessSync, closeSync, constants, mkdirSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** A set-up that cannot go on, for a reason the reader can act on: its message is printed without a stack. */
export class SetupError extends Error {
  /** @override */
  name = 'SetupError';
}

/**
 * Runs a program to its end. What it prints goes to .setup/log/<name>.log, and to the error's message when it fails; a file,
 * because a child that outlives a killed set-up must not die of a broken pipe halfway through its work.
 * @param {import('./step.mjs').Context} context
 * @param {string} name
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} [options]
 * @returns {Promise<void>}
 */
export async function runChild(context, name, command, args, { cwd = context.root, env = process.env } = {}) {
  const log = path.join(context.root, '.setup/log', `${name}.log`);
  mkdirSync(path.dirname(log), { recursive: true });
  const output = openSync(log, 'w');
  try {
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', output, output] });
    const uncover = child.pid === undefined ? undefined : context.claim.cover(child.pid, name);
    const ending = await new Promise((resolve) => {
      child.once('error', (error) => resolve(`could not be started (${error.message})`));
      child.once('exit', (code, signal) =>
        resolve(code === 0 ? '' : signal ? `was ended by ${signal}` : `ended with exit code ${code}`),
      );
    });
    uncover?.();
    if (ending !== '') {
      throw new SetupError(`${[command, ...args].join(' ')} ${ending}\n${readFileSync(log, 'utf8').trimEnd()}`);
    }
  } finally {
    closeSync(output);
  }
}

/** @param {string} program a name or a path */
export function isOnPath(program) {
  const places = program.includes('/') ? [''] : (process.env.PATH ?? '').split(path.delimiter);
  return places.some((place) => {
    try {
      accessSync(path.join(place, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
