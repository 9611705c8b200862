#!/usr/bin/env node
// Reads of the addons' versioned symbols what they ask of the system they are loaded on, and holds it against FLOORS:
// `node scripts/check-abi.mjs [FILE ...]`, without a file the addons of all processors that the package serves. Needs readelf.
import { execFileSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { productOf } from './setup/addon.mjs';
import { allTargets } from './setup/cross-addon.mjs';

/** The newest version of each library's symbols that RHEL 9 and Amazon Linux 2023 both have: glibc 2.34, and libstdc++ of GCC 11. */
export const FLOORS = { GLIBC: '2.34', GLIBCXX: '3.4.29', CXXABI: '1.3.13' };

/**
 * The versions that a library needs, the newest of each name, and the symbols that need more than the floor.
 * @param {string} symbols what `readelf -W --dyn-syms` prints
 * @returns {{ newest: Record<string, string>, above: string[] }}
 */
export function versionsOf(symbols) {
  /** @type {Record<string, string>} */
  const newest = {};
  /** @type {string[]} */
  const above = [];
  for (const [, symbol = '', name = '', version = ''] of symbols.matchAll(/ UND (\S+)@@?([A-Z]+)_([\d.]+)/g)) {
    if (isNewer(version, newest[name] ?? '0')) newest[name] = version;
    const floor = FLOORS[/** @type {keyof typeof FLOORS} */ (name)];
    if (floor !== undefined && isNewer(version, floor)) above.push(`${symbol}@${name}_${version}`);
  }
  return { newest, above };
}

/** @param {string} a @param {string} b versions, like 2.34 */
function isNewer(a, b) {
  return a.localeCompare(b, 'en', { numeric: true }) > 0;
}

/** @param {string} root @param {string} file relative to root @returns {string} why it may not be published; empty if it may */
function check(root, file) {
  if (!existsSync(path.join(root, file))) return `${file} is missing: npm run setup && npm run build:cross`;
  const text = execFileSync('readelf', ['-W', '--dyn-syms', path.join(root, file)], { encoding: 'utf8' });
  const { newest, above } = versionsOf(text);
  const needs = Object.keys(FLOORS).map((name) => `${name}_${newest[name] ?? 'none'}`);
  console.log(`note: ${file}: ${needs.join(', ')}, ${statSync(path.join(root, file)).size} bytes`);
  if (newest.GLIBC === undefined) return `${file} names no symbol of glibc: is it an addon?`;
  return above.length === 0 ? '' : `${file} needs newer libraries than it may: ${above.join(', ')}`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
  const files = process.argv.length > 2 ? process.argv.slice(2) : allTargets().map(productOf);
  const faults = files.map((file) => check(root, file)).filter((fault) => fault !== '');
  for (const fault of faults) console.log(`FAILED: ${fault}`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}
