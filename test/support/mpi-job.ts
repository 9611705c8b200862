import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { root } from './cli.js';

/** Whether this machine can start MPI jobs. Tests that need one are skipped where it cannot, and counted as not run. */
export const HAS_MPI: boolean = spawnSync('mpirun', ['--version']).status === 0;

/** What an MPI job came to. */
export interface JobResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
  /** The document that rank N left, as `rank-N.json` in the job's folder; undefined for one that left none. */
  readonly ranks: readonly (Readonly<Record<string, unknown>> | undefined)[];
}

/** A job under way. */
export interface JobInHand {
  readonly mpirun: number;
  readonly stderr: () => string;
}

/**
 * Runs `node ARGS` as every rank of a job of `size`; in `args`, FOLDER stands for the job's folder. `options` go to mpirun.
 * `watch` is called with every piece of its standard error.
 */
export async function runJob(
  size: number,
  args: readonly string[],
  { options = [], watch = () => undefined }: { options?: readonly string[]; watch?: (job: JobInHand) => void } = {},
): Promise<JobResult> {
  const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-mpi-'));
  const start = performance.now();
  const ranksOf = ['--allow-run-as-root', '--oversubscribe', '--bind-to', 'none', ...options, '-n', String(size)];
  const command = args.map((arg) => (arg === 'FOLDER' ? folder : arg));
  const child = spawn('mpirun', [...ranksOf, process.execPath, ...command], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (text) => {
    stdout += text;
  });
  child.stderr.on('data', (text) => {
    stderr += text;
    watch({ mpirun: child.pid as number, stderr: () => stderr });
  });
  try {
    const status = await new Promise<number | null>((resolve) => child.on('close', resolve));
    const ranks = Array.from({ length: size }, (_, rank) => {
      const file = path.join(folder, `rank-${rank}.json`);
      return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
    });
    return { status, stdout, stderr, seconds: (performance.now() - start) / 1000, ranks };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
