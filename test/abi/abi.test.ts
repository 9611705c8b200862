import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { root } from '../support/cli.js';
import { asInclude, compilerRows, type Row, rowsOf, type Vendor, widened } from './rows.js';

const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-abi-'));
/** What has a header: each is checked by the source of its name in this folder. */
type Api = Vendor | 'hiprtc';
const HEADERS: Readonly<Record<Api, string>> = {
  cuda: 'cuda.h',
  hip: 'hip/hip_runtime_api.h',
  hiprtc: 'hip/hiprtc.h',
};

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Where a header is installed, or undefined: its tests are then not run. */
function headerFolder(api: Api): string | undefined {
  const folders =
    api === 'cuda'
      ? [process.env.CUDA_HOME, process.env.CUDA_PATH, '/usr/local/cuda', '/usr']
      : [process.env.ROCM_PATH, '/usr', '/opt/rocm'];
  return folders
    .filter((home) => home !== undefined)
    .map((home) => path.join(home, 'include'))
    .find((include) => existsSync(path.join(include, HEADERS[api])));
}

/** Checks rows against the header; the compiler's complaints, empty if there are none. */
function compile(api: Api, include: string, rows: readonly Row[], added = 0): string {
  writeFileSync(path.join(folder, 'rows.inc'), asInclude(rows));
  const own = ['native', 'test', 'test/abi'].map((name) => `-I${path.join(root, name)}`);
  const flags = [
    '-std=c++17',
    `-DADDED=${added}`,
    '-fsyntax-only',
    '-Wno-deprecated-declarations',
    `-I${folder}`,
    ...own,
    '-isystem',
    include,
  ];
  const { status, stderr } = spawnSync('g++', [...flags, path.join(root, 'test/abi', `${api}.cc`)], {
    encoding: 'utf8',
  });
  return status === 0 ? '' : stderr;
}

/** The rows of which a parameter of another width, at any place, goes unseen: none. */
function unseen(api: Api, include: string, rows: readonly Row[]): readonly string[] {
  const most = Math.max(...rows.map(({ parameters }) => parameters.length));
  return Array.from({ length: most }, (_, index) => {
    const changed = rows.flatMap((row) => widened(row, index) ?? []);
    const complaints = compile(api, include, changed);
    return changed.filter(({ field }) => !complaints.includes(`row ${field} is not`)).map(({ field }) => field);
  }).flat();
}

describe.each(['cuda', 'hip'] as const)('%s', (vendor) => {
  const include = headerFolder(vendor) ?? '';
  const header = include === '' ? '' : readFileSync(path.join(include, HEADERS[vendor]), 'utf8');
  const all = rowsOf(vendor);
  const rows = all.filter(({ symbol }) => new RegExp(`\\b${symbol}\\b`).test(header));
  const check = it.skipIf(include === '');

  check('declares every function, constant and struct as the vendor does', () => {
    expect(rows.length).toBeGreaterThan(45);
    // Debian's HIP is older than one function, which is optional for that.
    const lacking = all.filter((row) => !rows.includes(row)).map(({ symbol }) => symbol);
    expect(['hipGraphUpload']).toEqual(expect.arrayContaining(lacking));
    expect(compile(vendor, include, rows)).toBe('');
  });

  check('sees any parameter of another width, in any row', () => {
    expect(unseen(vendor, include, rows)).toEqual([]);
  });

  check('sees a parameter too many, and a wrong constant', () => {
    const longer = rows.map((row) => ({ ...row, parameters: [...row.parameters, 'int more'] }));
    const complaints = compile(vendor, include, longer);
    expect(longer.filter(({ field }) => !complaints.includes(`row ${field} is not`))).toEqual([]);
    const shifted = compile(vendor, include, rows, 1);
    const names = readFileSync(path.join(root, 'native/gpu/driver-constants.inc'), 'utf8').matchAll(
      /^(?:SAME|EACH)\((\w+),.* (\w+)\)$/gm,
    );
    const checked = [...names].filter(([, , hip]) => vendor === 'cuda' || hip !== 'none').map(([, name = '']) => name);
    expect(checked.length).toBeGreaterThan(50);
    expect(checked.filter((name) => !shifted.includes(`${name} is not the vendor's`))).toEqual([]);
  });
});

describe("HIP's runtime compiler", () => {
  const include = headerFolder('hiprtc') ?? '';
  const check = it.skipIf(include === '');
  const rows = compilerRows();

  check('is declared as its header has it', () => {
    expect(rows.length).toBeGreaterThan(6);
    expect(compile('hiprtc', include, rows)).toBe('');
  });

  check('has no parameter whose width could change unseen, and no row that could have one more', () => {
    expect(unseen('hiprtc', include, rows)).toEqual([]);
    const longer = rows.map((row) => ({ ...row, parameters: [...row.parameters, 'int more'] }));
    const complaints = compile('hiprtc', include, longer);
    expect(longer.filter(({ field }) => !complaints.includes(`row ${field} is not`))).toEqual([]);
  });
});

// AMD's runtime as Debian packs it, which opens without a GPU.
const runtime = ['/usr/lib/x86_64-linux-gnu/libamdhip64.so.5', '/usr/lib/aarch64-linux-gnu/libamdhip64.so.5'].find(
  (file) => existsSync(file),
);

describe.skipIf(runtime === undefined)("AMD's runtime", () => {
  const script = (lines: string): string => {
    const file = path.join(folder, 'real.cc');
    writeFileSync(file, `#include <dlfcn.h>\n#include <cstdio>\nint main(int count, char** words) {\n${lines}\n}\n`);
    const program = path.join(folder, 'real');
    execFileSync('g++', ['-std=c++17', file, '-o', program, '-ldl']);
    return program;
  };

  it('exports every symbol that is required, and lacks no other than the optional ones named here', () => {
    const program = script(`
      void* library = dlopen(words[1], RTLD_NOW);
      if (!library) { std::puts(dlerror()); return 1; }
      for (int i = 2; i < count; i++) if (!dlsym(library, words[i])) std::puts(words[i]);`);
    const rows = [...rowsOf('hip'), ...compilerRows()];
    const lacking = execFileSync(program, [runtime ?? '', ...rows.map(({ symbol }) => symbol)], { encoding: 'utf8' });
    const needs = lacking
      .trim()
      .split('\n')
      .map((symbol) => `${symbol} ${rows.find((row) => row.symbol === symbol)?.need}`);
    expect(needs).toEqual(['hipGraphUpload optional']);
  });

  it.skipIf(existsSync('/dev/kfd'))('names the error that a machine without a GPU gives', () => {
    const program = script(`
      void* library = dlopen(words[count - 1], RTLD_NOW);
      if (!library) { std::puts(dlerror()); return 1; }
      const int code = reinterpret_cast<int (*)(unsigned)>(dlsym(library, "hipInit"))(0);
      std::printf("%d %s", code, reinterpret_cast<const char* (*)(int)>(dlsym(library, "hipGetErrorName"))(code));`);
    const { status, stdout } = spawnSync(program, [runtime ?? ''], { encoding: 'utf8' });
    expect({ status, stdout }).toSatisfy(({ stdout: text }) =>
      /^(?:100 hipErrorNoDevice|101 hipErrorInvalidDevice)$/.test(text),
    );
  });
});
