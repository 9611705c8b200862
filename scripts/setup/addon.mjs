import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, utimesSync } from 'node:fs';
import path from 'node:path';
import { runChild, SetupError } from './child.mjs';
import { listFiles, placeFile } from './files.mjs';
import { hashAll, hashRules } from './step.mjs';

const PRODUCT = `prebuilds/${process.platform}-${process.arch}/lockstep.node`;
/** What the compiler reads from the environment. */
const SETTINGS = ['CC', 'CXX', 'CFLAGS', 'CXXFLAGS', 'CPPFLAGS', 'LDFLAGS'];

/** @type {import('./step.mjs').Step} */
export const addon = {
  name: 'addon',
  does: `compile native/ to ${PRODUCT} with node-gyp`,
  inputs: ({ root }) => ({
    ...hashAll(root, listFiles(root, 'native', isOurs)),
    ...hashAll(
      root,
      listFiles(root, 'wasm', (file) => /\.(cc|h)$/.test(file)),
    ),
    ...hashAll(root, ['package-lock.json', 'scripts/setup/addon.mjs']),
    ...hashRules(Object.fromEntries(SETTINGS.map((name) => [`$${name}`, process.env[name] ?? '']))),
    'the version of Node': process.version,
    'the compiler': compilerVersion(),
  }),
  async build(context, changed) {
    const { root } = context;
    checkTools();
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

/** gyp writes makefiles for the targets of node-addon-api to native/node_modules. @param {string} file */
function isOurs(file) {
  return !/^native\/(build|node_modules)\//.test(file);
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
function headersOfNode() {
  const prefix = path.dirname(path.dirname(process.execPath));
  return existsSync(path.join(prefix, 'include/node/common.gypi')) ? [`--nodedir=${prefix}`] : [];
}

function compilerVersion() {
  const found = spawnSync(process.env.CXX ?? 'g++', ['--version'], { encoding: 'utf8', shell: false });
  return found.error ? 'none' : (found.stdout.split('\n')[0] ?? '');
}

function checkTools() {
  const python = process.env.npm_config_python ?? process.env.NODE_GYP_FORCE_PYTHON ?? process.env.PYTHON ?? 'python3';
  const missing = [process.env.CXX ?? 'g++', process.env.MAKE ?? 'make', python].filter((tool) => !isOnPath(tool));
  if (missing.length > 0) {
    throw new SetupError(
      `the addon needs ${missing.join(', ')}, not found: apt-get install -y g++ make python3 (or your system's packages for them)`,
    );
  }
}

/** @param {string} tool a program's name or path, arguments after it allowed */
function isOnPath(tool) {
  const [name = tool] = tool.split(' ');
  const places = name.includes('/') ? [''] : (process.env.PATH ?? '').split(path.delimiter);
  return places.some((place) => {
    try {
      accessSync(path.join(place, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
