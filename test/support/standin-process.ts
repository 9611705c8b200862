import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect } from 'vitest';
import { buildStandins } from '../standin/build.mjs';
import { root } from './cli.js';
import type { StandinReport } from './standin-report.js';

export type Environment = Readonly<Record<string, string>>;

let folder: string | undefined;
afterAll(() => {
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  folder = undefined;
});

let reports = 0;

/** Runs Node in the checkout with the stand-ins as drivers, and gives what the stand-in saw of each process that used it and was not killed. */
export function overStandin(args: readonly string[], environment: Environment = {}) {
  folder ??= mkdtempSync(path.join(tmpdir(), 'lockstep-standin-'));
  const place = path.join(folder, `${reports++}.json`);
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    env: {
      ...process.env,
      LOCKSTEP_CUDA_LIB: path.join(buildStandins(), 'libcuda.so.1'),
      LOCKSTEP_HIP_LIB: path.join(buildStandins(), 'libamdhip64.so.6'),
      LOCKSTEP_STANDIN_REPORT: place,
      // No copy may touch memory that the driver does not know.
      LOCKSTEP_STANDIN_PAGEABLE: 'refuse',
      ...environment,
    },
  });
  // A process that was killed leaves nothing, or an empty file.
  const lines = existsSync(place) ? readFileSync(place, 'utf8').split('\n') : [];
  const seen = lines.filter((line) => line !== '');
  return { status, signal, stdout, stderr, seen: seen.map((line) => JSON.parse(line) as StandinReport) };
}

/** What a process leaves that broke no rule of the driver. */
export const CLEAN = { afterFault: 0, pending: 0, refused: [], faults: [] };

/** The process let go of all it held. */
export function expectNothingHeld(report: StandinReport): void {
  expect(Object.entries(report.held).filter(([, count]) => count > 0)).toEqual([]);
}
