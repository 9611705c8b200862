// Checks that are counted: each prints a line, and the last line of a script is `N passed, N failed`.
import { execFile } from 'node:child_process';

let passed = 0;
let failed = 0;

/**
 * Runs a check. Returns whether it passed.
 * @param {string} name
 * @param {() => unknown} body throws, or rejects, if what the name says is not so
 */
export async function check(name, body) {
  try {
    await body();
    passed += 1;
    console.log(`ok   ${name}`);
    return true;
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${name}\n${error instanceof Error ? error.message : error}`);
    return false;
  }
}

/** Says of a check that it cannot be made here. @param {string} name @param {string} reason */
export function notRun(name, reason) {
  console.log(`not run: ${name}: ${reason}`);
}

/** Prints the counts, and sets the exit code. */
export function report() {
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

/** @param {unknown} holds @param {string} complaint @returns {asserts holds} */
export function insist(holds, complaint) {
  if (!holds) throw new Error(complaint);
}

/** @typedef {{ status: number | string, stdout: string, stderr: string }} Ending */

/**
 * Runs a program to its end, 10 minutes at most.
 * @param {readonly string[]} words
 * @param {{ cwd: string, env: NodeJS.ProcessEnv, input?: string }} options
 * @returns {Promise<Ending>}
 */
export function run([command = '', ...args], { cwd, env, input = '' }) {
  return new Promise((resolve) => {
    const options = { cwd, env, timeout: 600_000, maxBuffer: 1 << 28 };
    const child = execFile(command, args, options, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : (error.code ?? error.signal ?? error.message), stdout, stderr });
    });
    // A program that ends without reading is not to end this one.
    child.stdin?.on('error', () => {}).end(input);
  });
}
