#!/usr/bin/env node
// Compiles wasm/*.cc to metadata.wasm and, for engines without SIMD, metadata-scalar.wasm: `npm run build:wasm [-- --out DIR]`, DIR being wasm/ unless given.
// The products are committed and compared byte for byte, so everything that reaches the bytes is fixed here: the compiler's
// version, its environment, the flags, relative paths and the order of the sources.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { metadataExports } from './exports.mjs';
import { hashBytes } from './setup/files.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const VERSION = '3.1.6';
const FLAGS = [
  '-O3',
  '-std=c++17',
  '-Wall',
  '-Wextra',
  '-mbulk-memory',
  '-fno-exceptions',
  '-fno-rtti',
  '-sSTANDALONE_WASM',
  '--no-entry',
  '-sIMPORTED_MEMORY',
  '-sMALLOC=none',
  '-sTOTAL_STACK=16384',
  '-sGLOBAL_BASE=131072',
  '-sINITIAL_MEMORY=262144',
  '-sALLOW_MEMORY_GROWTH',
  '-sMAXIMUM_MEMORY=4294967296',
];
/** The products, and what their flags have beside the common ones. */
const PRODUCTS = { 'metadata.wasm': ['-msimd128'], 'metadata-scalar.wasm': [] };
/** What emscripten exports from every reactor, asked for or not. */
const ALWAYS_EXPORTED = [
  '__errno_location',
  '__indirect_function_table',
  '_initialize',
  'stackAlloc',
  'stackRestore',
  'stackSave',
];
// Another wasm-opt or clang on PATH changes the bytes, and so does EMCC_CFLAGS: the compiler sees this environment only.
const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C', HOME: process.env.HOME ?? '/nonexistent' };

try {
  main();
} catch (error) {
  console.error(`build:wasm: ${error.message}`);
  process.exitCode = 1;
}

function main() {
  const { out } = parseArgs({ options: { out: { type: 'string' } } }).values;
  const folder = out === undefined ? path.join(root, 'wasm') : path.resolve(out);
  checkCompiler();
  const names = metadataExports(root).map(({ name }) => name);
  mkdirSync(folder, { recursive: true });
  for (const [name, flags] of Object.entries(PRODUCTS)) {
    const bytes = compile(name, flags, names);
    checkModule(bytes, names);
    const target = path.join(folder, name);
    writeFileSync(`${target}.part`, bytes);
    renameSync(`${target}.part`, target);
    console.log(`${path.relative(process.cwd(), target)}: ${bytes.length} bytes, sha256 ${hashBytes(bytes)}`);
  }
}

function checkCompiler() {
  const remedy = `install Debian 12's package (apt-get install -y emscripten), which is emcc ${VERSION}`;
  const found = spawnSync('emcc', ['--version'], { env, encoding: 'utf8' });
  if (found.error) throw new Error(`no emcc in ${env.PATH}: ${remedy}`);
  const version = /\b(\d+\.\d+\.\d+)\b/.exec(found.stdout)?.[1];
  if (version !== VERSION) {
    throw new Error(`emcc in ${env.PATH} is ${version ?? 'of unknown version'}, and its bytes would differ: ${remedy}`);
  }
}

function compile(name, flags, names) {
  const sources = readdirSync(path.join(root, 'wasm'))
    .filter((name) => name.endsWith('.cc'))
    .sort()
    .map((name) => `wasm/${name}`);
  if (sources.length === 0) throw new Error('wasm/ holds no .cc file');
  mkdirSync(path.join(root, '.setup'), { recursive: true });
  const work = mkdtempSync(path.join(root, '.setup/wasm-'));
  try {
    const product = `${path.relative(root, work)}/${name}`;
    const exported = `-sEXPORTED_FUNCTIONS=${names.map((name) => `_${name}`).join(',')}`;
    execFileSync('emcc', [...FLAGS, ...flags, exported, ...sources, '-o', product], {
      cwd: root,
      env,
      stdio: 'inherit',
    });
    return readFileSync(path.join(root, product));
  } catch (error) {
    throw new Error(`emcc failed (${error.status ?? error.message}); its output is above`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Refuses a module that would not run beside the other one on a given Memory, or whose exports nobody reviewed. */
function checkModule(bytes, names) {
  const module = new WebAssembly.Module(bytes);
  const imports = WebAssembly.Module.imports(module).map((entry) => `${entry.module}.${entry.name}`);
  if (imports.length !== 1 || imports[0] !== 'env.memory') {
    throw new Error(
      `the module imports ${imports.join(', ')}; it may import env.memory alone (no libc call that needs a host)`,
    );
  }
  const exported = WebAssembly.Module.exports(module).map((entry) => entry.name);
  const missing = [...names, '_initialize'].filter((name) => !exported.includes(name));
  if (missing.length > 0)
    throw new Error(`not exported: ${missing.join(', ')}; define them as extern "C" in wasm/*.cc`);
  const extra = exported.filter((name) => !names.includes(name) && !ALWAYS_EXPORTED.includes(name));
  if (extra.length > 0) throw new Error(`exported but not in wasm/exports.txt: ${extra.join(', ')}`);
}
