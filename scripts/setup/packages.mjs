import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { isOnPath, runChild, SetupError } from './child.mjs';
import { isMissing } from './files.mjs';

/**
 * What package-lock.json and npm's own record of an installation say of one package.
 * @typedef {{ version?: string, integrity?: string, optional?: boolean, os?: string[], cpu?: string[], libc?: string[] }} Package
 */

/** How npm ends when it hears nothing of its registry. */
const UNREACHED =
  /\b(EAI_AGAIN|ENOTFOUND|ENOTCACHED|ECONNREFUSED|ECONNRESET|ENETUNREACH|EHOSTUNREACH|E(RR_SOCKET_)?TIMED?OUT)\b/;
/** npm prints nothing while it tries again, for about a minute. */
const SILENCE_MS = 20_000;

/**
 * Installs the packages of package-lock.json when node_modules does not hold exactly them. Returns whether it had to.
 * @param {import('./step.mjs').Context} context
 * @returns {Promise<boolean>}
 */
export async function installPackages(context) {
  const reason = reasonToInstall(context.root);
  if (reason === undefined) return false;
  context.say(`packages: install what package-lock.json lists with npm ci, because ${reason}`);
  const started = performance.now();
  // Whatever NODE_ENV or npm's settings omit, the compilers and the test runner are needed. No package needs its install script.
  const args = [
    'ci',
    '--include=dev',
    '--include=optional',
    '--ignore-scripts',
    // The lockfile holds no addresses: npm would ask the registry of every package, whatever its cache holds.
    '--prefer-offline',
    '--no-audit',
    '--no-fund',
    '--no-progress',
    '--loglevel=error',
  ];
  const [command = 'npm', ...before] = npmCommand();
  const told = setTimeout(
    () =>
      context.say('packages: npm is still at work; where it cannot reach its registry, it takes a minute to say so'),
    SILENCE_MS,
  );
  try {
    await runChild(context, 'packages', command, [...before, ...args], { env: npmEnvironment(process.env) });
  } catch (error) {
    if (!(error instanceof SetupError) || !UNREACHED.test(error.message)) throw error;
    throw new SetupError(
      `${error.message}\nnpm could not reach its registry, and its cache lacks packages: connect this machine, or copy node_modules ` +
        'here from a checkout with the same package-lock.json, then try again',
    );
  } finally {
    clearTimeout(told);
  }
  context.say(`packages: done in ${((performance.now() - started) / 1000).toFixed(1)} s`);
  return true;
}

/** The npm that runs this set-up, else the one on PATH. */
function npmCommand() {
  const npm = process.env.npm_execpath;
  return npm !== undefined && /npm-cli\.c?js$/.test(npm) ? [process.execPath, npm] : ['npm'];
}

/** The programs an installation needs and that are not here. @returns {string[]} */
export function missingForPackages() {
  return npmCommand().filter((part) => part === 'npm' && !isOnPath(part));
}

/**
 * The environment without what an outer `npm start` or `npm test` says of itself and of the options it was called with.
 * Settings that say where and how packages are fetched stay.
 * @param {NodeJS.ProcessEnv} env
 * @returns {NodeJS.ProcessEnv}
 */
export function npmEnvironment(env) {
  const own =
    /^npm_(lifecycle|package)_|^npm_command$|^npm_config_(omit|include|only|production|global|location|dry_run|workspace|workspaces|package_lock|package_lock_only)$/i;
  return Object.fromEntries(Object.entries(env).filter(([name]) => !own.test(name)));
}

/**
 * How node_modules differs from package-lock.json, going by the record npm leaves of every finished installation; undefined
 * when it does not.
 * @param {string} root
 * @returns {string | undefined}
 */
export function reasonToInstall(root) {
  const lock = readPackages(path.join(root, 'package-lock.json'));
  if (lock === undefined) return 'there is no package-lock.json';
  const installed = readPackages(path.join(root, 'node_modules/.package-lock.json'));
  if (installed === undefined) return 'node_modules is missing or was left unfinished';

  const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  for (const kind of ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies']) {
    if (!sameEntries(manifest[kind], lock[''][kind])) return `package.json and package-lock.json differ in ${kind}`;
  }
  for (const [name, wanted] of Object.entries(lock)) {
    if (name === '') continue;
    const found = installed[name];
    if (found === undefined ? mustBeInstalled(wanted) : !samePackage(wanted, found)) {
      return `${name} is ${found?.version ?? 'missing'} and should be ${wanted.version}`;
    }
    if (found !== undefined && !existsSync(path.join(root, name, 'package.json'))) return `${name} has been removed`;
  }
  const extra = Object.keys(installed).find((name) => lock[name] === undefined);
  return extra === undefined ? undefined : `${extra} is not in package-lock.json`;
}

/**
 * @param {string} file
 * @returns {Record<string, any> | undefined}
 */
function readPackages(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages;
  } catch (error) {
    if (isMissing(error) || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** @param {Record<string, string>} [a] @param {Record<string, string>} [b] */
function sameEntries(a = {}, b = {}) {
  return Object.keys(a).length === Object.keys(b).length && Object.keys(a).every((name) => a[name] === b[name]);
}

/** @param {Package} wanted @param {Package} found */
function samePackage(wanted, found) {
  if (wanted.version !== found.version) return false;
  return wanted.integrity === undefined || found.integrity === undefined || wanted.integrity === found.integrity;
}

/**
 * An optional package may be absent, except the build for this very machine.
 * @param {Package} wanted
 */
function mustBeInstalled({ optional, os, cpu, libc }) {
  if (!optional) return true;
  if (os === undefined || cpu === undefined) return false;
  return os.includes(process.platform) && cpu.includes(process.arch) && (libc === undefined || libc.includes(libcOf()));
}

/** @type {string | undefined} */
let libcName;

/** The C library that Node runs on: 'glibc' or 'musl'. */
export function libcOf() {
  if (libcName === undefined) {
    const report = /** @type {any} */ (process.report);
    report.excludeNetwork = true;
    libcName = report.getReport().header.glibcVersionRuntime === undefined ? 'musl' : 'glibc';
  }
  return libcName;
}
