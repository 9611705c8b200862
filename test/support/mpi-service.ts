import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { root } from './cli.js';

/** `lockstep serve` as an MPI job that listens. */
export interface MpiService {
  readonly url: string;
  readonly mpirun: ChildProcess;
  /** What its processes printed so far. */
  output(): { stdout: string; stderr: string };
  /** The process of a rank. */
  pid(rank: number): number;
  /** Waits for the job's end: how each rank ended, as a shell has it; undefined for one that left nothing. */
  ended(): Promise<(number | undefined)[]>;
  [Symbol.dispose](): void;
}

/** Runs a rank as the child of a shell that outlives what the launcher sends, and leaves its process id and how it ended. */
const KEPT = `
folder=$1; shift
trap : TERM
"$@" & child=$!
echo $child > "$folder/pid-$OMPI_COMM_WORLD_RANK"
while :; do wait $child; status=$?; kill -0 $child 2> /dev/null || break; done
echo $status > "$folder/exit-$OMPI_COMM_WORLD_RANK"
exit $status`;

/**
 * Starts `lockstep serve ARGS --transport mpi` on so many processes, and waits until it listens. `env`: variables of all of them; `script`: what runs in
 * place of the command line's own. */
export async function startMpiService(
  size: number,
  args: readonly string[],
  { env = {}, script = 'dist/cli/main.js' }: { env?: NodeJS.ProcessEnv; script?: string } = {},
): Promise<MpiService> {
  const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-mpi-serve-'));
  const job = ['--allow-run-as-root', '--oversubscribe', '--bind-to', 'none', '-n', String(size)];
  const serve = [script, 'serve', '--transport', 'mpi', '--port', '0', '--json', '--device', 'host', ...args];
  const mpirun = spawn('mpirun', [...job, 'sh', '-c', KEPT, 'sh', folder, process.execPath, ...serve], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const closed = once(mpirun, 'close');
  const said = { stdout: '', stderr: '' };
  mpirun.stderr?.on('data', (text) => {
    said.stderr += text;
  });
  const left = (name: string, rank: number): string | undefined => {
    const file = path.join(folder, `${name}-${rank}`);
    return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  };
  const kill = (): void => {
    for (let rank = 0; rank < size; rank++) {
      const pid = Number(left('pid', rank) ?? 0);
      try {
        if (pid > 0 && left('exit', rank) === undefined) process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended.
      }
    }
    mpirun.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await new Promise<void>((resolve, reject) => {
      mpirun.stdout?.on('data', (text) => {
        said.stdout += text;
        if (said.stdout.includes('\n')) resolve();
      });
      closed.then(() => reject(new Error(said.stderr)));
    });
  } catch (error) {
    kill();
    throw error;
  }
  const { listening: url } = JSON.parse(said.stdout) as { listening: string };
  return {
    url,
    mpirun,
    output: () => said,
    pid: (rank) => Number(left('pid', rank)),
    ended: async () => {
      await closed;
      return Array.from({ length: size }, (_, rank) => {
        const status = left('exit', rank);
        return status === undefined ? undefined : Number(status);
      });
    },
    [Symbol.dispose]: kill,
  };
}
