import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
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
  /** When it was written, in milliseconds of this machine's clock. */
  readonly reportedAt: readonly (number | undefined)[];
  /** Of a job with `timed`, how the process of rank N ended. */
  readonly exits: readonly (Exit | undefined)[];
}

export interface Exit {
  /** As a shell has it: 137 for one that was killed. */
  readonly status: number;
  /** In milliseconds of this machine's clock. */
  readonly at: number;
}

/** A job under way. */
export interface JobInHand {
  readonly mpirun: number;
  readonly stderr: () => string;
}

/** Runs what follows the folder, and leaves there how and when it ended, whatever the launcher sends meanwhile. */
const TIMED = `
folder=$1; shift
trap : TERM
"$@"
status=$?
echo "{\\"status\\":$status,\\"at\\":$(date +%s%3N)}" > "$folder/exit-$OMPI_COMM_WORLD_RANK.json"
exit $status`;

/**
 * Runs `node ARGS` as every rank of a job of `size`; in `args`, FOLDER stands for the job's folder. `options` go to mpirun.
 * `watch` is called with every piece of its standard error. With `timed`, a shell waits for each rank and notes its end.
 */
export async function runJob(
  size: number,
  args: readonly string[],
  {
    options = [],
    watch = () => undefined,
    timed = false,
  }: { options?: readonly string[]; watch?: (job: JobInHand) => void; timed?: boolean } = {},
): Promise<JobResult> {
  const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-mpi-'));
  const start = performance.now();
  const ranksOf = ['--allow-run-as-root', '--oversubscribe', '--bind-to', 'none', ...options, '-n', String(size)];
  const command = args.map((arg) => (arg === 'FOLDER' ? folder : arg));
  const shell = timed ? ['sh', '-c', TIMED, 'sh', folder] : [];
  const child = spawn('mpirun', [...ranksOf, ...shell, process.execPath, ...command], {
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
    const filesOf = (name: string): string[] =>
      Array.from({ length: size }, (_, rank) => path.join(folder, `${name}-${rank}.json`));
    const left = (name: string) =>
      filesOf(name).map((file) => (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined));
    const reportedAt = filesOf('rank').map((file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs);
    const seconds = (performance.now() - start) / 1000;
    return { status, stdout, stderr, seconds, ranks: left('rank'), reportedAt, exits: left('exit') };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
