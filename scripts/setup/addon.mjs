import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, utimesSync } from 'node:fs';
import path from 'node:path';
import { isOnPath, runChild, SetupError } from './child.mjs';
import { listFiles, placeFile } from './files.mjs';
import { hashAll, hashRules } from './step.mjs';

const PRODUCT = productOf(process.arch);
/** What the compiler reads from the environment. */
const SETTINGS = ['CC', 'CXX', 'CFLAGS', 'CXXFLAGS', 'CPPFLAGS', 'LDFLAGS'];

/**
 * Where the addon for a processor lies in the package.
 * @param {string} arch as `process.arch` has it
 */
export function productOf(arch) {
  return `prebuilds/${process.platform}-${arch}/lockstep.node`;
}

/** @type {import('./step.mjs').Step} */
export const addon = {
  name: 'addon',
  does: `compile native/ and wasm/ to ${PRODUCT} with node-gyp`,
  inputs: ({ root }) => ({
    ...hashAll(root, addonSources(root)),
    ...hashAll(root, ['package-lock.json', 'scripts/setup/addon.mjs']),
    ...hashRules(settings()),
    'the version of Node': process.version,
    'the compiler': versionOf(compiler()),
  }),
  missing: () => [compiler()[0], ...builders()].filter((tool) => !isOnPath(tool)),
  remedy: "apt-get install -y g++ make python3 (or your system's packages for them)",
  async build(context, changed) {
    const { root } = context;
    const gyp = path.join(root, 'node_modules/node-gyp/bin/node-gyp.js');
    const commands = canBuildUpon(root, changed) ? ['configure', 'build'] : ['rebuild'];
    const args = [gyp, ...commands, '--directory', 'native', '--jobs', 'max', ...headersOfNode()];
    await runChild(context, 'addon', process.execPath, args);
    const built = path.join(root, 'native/build/Release/lockstep.node');
    if (!existsSync(built))
      throw new SetupError(
        'node-gyp made no native/build/Release/lockstep.node: the target in native/binding.gyp is called lockstep',
      );
    placeFile(root, PRODUCT, readFileSync(built), 0o755);
    return [PRODUCT];
  },
};

/** What the addon is compiled from. @param {string} root @returns {string[]} */
export function addonSources(root) {
  return [...listFiles(root, 'native', isOurs), ...listFiles(root, 'wasm', (file) => /\.(cc|h)$/.test(file))];
}

/** What the compiler reads from the environment, by its name there. @returns {Record<string, string>} */
export function settings() {
  return Object.fromEntries(SETTINGS.map((name) => [`$${name}`, process.env[name] ?? '']));
}

/** What node-gyp runs beside the compiler. */
export function builders() {
  return [process.env.MAKE || 'make', python()];
}

/** gyp writes makefiles for the targets of node-addon-api to native/node_modules. Images of GPU kernels are not linked. @param {string} file */
function isOurs(file) {
  return !/^native\/(build|node_modules|kernels\/built)\//.test(file);
}

/**
 * Whether make may keep the objects of the last build: it was finished, and nothing but sources has changed since. Make goes by
 * times of change, which an archive or a copy may have set back, so the changed sources get new ones.
 * @param {string} root
 * @param {string[] | undefined} changed
 */
function canBuildUpon(root, changed) {
  const isSource = (/** @type {string} */ name) =>
    /^(native|wasm)\/.*\.(cc|h)$/.test(name) && existsSync(path.join(root, name));
  if (!changed?.every(isSource)) return false;
  const now = new Date();
  for (const file of changed) utimesSync(path.join(root, file), now, now);
  return true;
}

/** Node's own headers where they are installed with it: node-gyp would download them. */
export function headersOfNode() {
  const prefix = path.dirname(path.dirname(process.execPath));
  return existsSync(path.join(prefix, 'include/node/common.gypi')) ? [`--nodedir=${prefix}`] : [];
}

/** The C++ compiler, and what comes before its own arguments: CXX may be `ccache g++`. @returns {[string, ...string[]]} */
export function compiler() {
  const [command = 'g++', ...before] = (process.env.CXX ?? '').split(' ').filter((word) => word !== '');
  return [command, ...before];
}

function python() {
  return process.env.npm_config_python || process.env.NODE_GYP_FORCE_PYTHON || process.env.PYTHON || 'python3';
}

/**
 * Undefined where there is no such compiler: an addon that lies there needs none.
 * @param {[string, ...string[]]} command
 */
export function versionOf([command, ...before]) {
  const found = spawnSync(command, [...before, '--version'], { encoding: 'utf8', shell: false });
  return found.status === 0 ? found.stdout.split('\n')[0] : undefined;
}
