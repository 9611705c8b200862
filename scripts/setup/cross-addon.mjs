import { cpSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { addonSources, builders, compiler, headersOfNode, productOf, settings, versionOf } from './addon.mjs';
import { isOnPath, runChild } from './child.mjs';
import { placeFile } from './files.mjs';
import { hashAll, hashRules } from './step.mjs';

/** The processors that the package serves, by their names in Node; `tools` begin the names of GCC's cross compilers. */
const TARGETS = {
  x64: { tools: 'x86_64-linux-gnu', debian: 'g++-x86-64-linux-gnu' },
  arm64: { tools: 'aarch64-linux-gnu', debian: 'g++-aarch64-linux-gnu' },
};

/** @typedef {keyof typeof TARGETS} Arch */

/** Those that set-up does not build here, being of other machines. @returns {Arch[]} */
export function otherTargets() {
  return /** @type {Arch[]} */ (Object.keys(TARGETS).filter((arch) => arch !== process.arch));
}

/** Those that the package serves. @returns {Arch[]} */
export function allTargets() {
  return /** @type {Arch[]} */ (Object.keys(TARGETS));
}

/**
 * The addon for another processor, by node-gyp in a copy of the sources: the objects of this machine's own build stay where they are.
 * @param {Arch} arch
 * @returns {import('./step.mjs').Step}
 */
export function crossAddon(arch) {
  const { tools, debian } = TARGETS[arch];
  const product = productOf(arch);
  /** @type {[string, ...string[]]} `ccache g++` is `ccache aarch64-linux-gnu-g++` */
  const cxx = compiler()[0] === 'ccache' ? ['ccache', `${tools}-g++`] : [`${tools}-g++`];
  return {
    name: `addon-${arch}`,
    does: `compile native/ and wasm/ to ${product} with ${cxx.join(' ')}`,
    inputs: ({ root }) => ({
      ...hashAll(root, addonSources(root)),
      ...hashAll(root, ['package-lock.json', 'scripts/setup/addon.mjs', 'scripts/setup/cross-addon.mjs']),
      ...hashRules(settings()),
      'the version of Node': process.version,
      'the compiler': versionOf(cxx),
    }),
    missing: () => [...cxx, ...builders()].filter((tool) => !isOnPath(tool)),
    remedy: `apt-get install -y ${debian} make python3 (or your system's packages for them)`,
    async build(context) {
      const { root } = context;
      const copy = `.setup/cross-${arch}`;
      rmSync(path.join(root, copy), { recursive: true, force: true });
      for (const file of addonSources(root)) {
        mkdirSync(path.dirname(path.join(root, copy, file)), { recursive: true });
        cpSync(path.join(root, file), path.join(root, copy, file));
      }
      const gyp = path.join(root, 'node_modules/node-gyp/bin/node-gyp.js');
      const args = [gyp, 'rebuild', '--directory', `${copy}/native`, '--jobs', 'max', `--arch=${arch}`];
      const env = { ...process.env, CXX: cxx.join(' '), CC: `${tools}-gcc`, AR: `${tools}-ar`, LINK: `${tools}-g++` };
      await runChild(context, `addon-${arch}`, process.execPath, [...args, ...headersOfNode()], { env });
      placeFile(root, product, readFileSync(path.join(root, copy, 'native/build/Release/lockstep.node')), 0o755);
      rmSync(path.join(root, copy), { recursive: true, force: true });
      return [product];
    },
  };
}
