import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Compiles a library of kernels for one test file; `remove()` deletes it. */
export function buildTestKernels(defines: readonly string[] = []): { path: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-kernels-'));
  const path = join(folder, 'test-kernels.so');
  const source = fileURLToPath(new URL('../fixtures/device/test-kernels.cc', import.meta.url));
  const include = fileURLToPath(new URL('../../native/include', import.meta.url));
  const flags = ['-std=c++17', '-O1', '-shared', '-fPIC', `-I${include}`, ...defines.map((define) => `-D${define}`)];
  compile([...flags, source, '-o', path]);
  return { path, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Runs the C++ compiler; CXX may be `ccache g++`. */
export function compile(args: readonly string[]): void {
  const [compiler = 'c++', ...before] = (process.env.CXX ?? '').split(' ').filter((word) => word !== '');
  execFileSync(compiler, [...before, ...args]);
}
