import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

/**
 * Runs a module's text in a process of its own, which loads GPU drivers by `environment` alone, and gives what it prints as JSON. The
 * addon keeps what came of loading one for the process. `device` is the module of devices.
 */
export function inDriverProcess<T>(code: string, environment: Readonly<Record<string, string>> = {}): T {
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', `import * as device from './dist/device/index.js';\n${code}`],
    { cwd: root, env: { PATH: process.env.PATH, ...environment }, encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`The process ended with ${signal ?? status}: ${stderr}${stdout}`);
  return JSON.parse(stdout) as T;
}

/** Prints a value, or the code, message and details of what a call throws. */
export const PRINT = `
  const print = (call) => {
    try { console.log(JSON.stringify(call())); }
    catch ({ code, message, details }) { console.log(JSON.stringify({ code, message, details })); }
  };`;
