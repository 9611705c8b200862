import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { cli, root } from '../../support/cli.js';

const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-blocked-'));
afterAll(() => rmSync(folder, { recursive: true }));

const pipe = path.join(folder, 'pipe');
execFileSync('mkfifo', [pipe]);

/** Starts Node, and waits until it has installed its handlers of signals and `ready` says that it waits. */
async function started(args: readonly string[], ready: (pid: number) => boolean): Promise<ReturnType<typeof spawn>> {
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'ignore', 'pipe'] });
  while (!ready(child.pid as number)) await new Promise((resolve) => setTimeout(resolve, 20));
  return child;
}

/** Whether a process has the pipe open. */
function holdsPipe(pid: number): boolean {
  const files = `/proc/${pid}/fd`;
  if (!existsSync(files)) return false;
  return readdirSync(files).some((name) => {
    try {
      return readlinkSync(path.join(files, name)) === pipe;
    } catch {
      return false;
    }
  });
}

/** Makes a file as the process begins to handle signals. */
function onHandlers(mark: string): string[] {
  const script = `
    import { writeFileSync } from 'node:fs';
    process.on('newListener', (name) => { if (name === 'SIGTERM') writeFileSync(${JSON.stringify(mark)}, ''); });`;
  return ['--import', `data:text/javascript,${encodeURIComponent(script)}`];
}

/** Says of a process, asked again and again, whether it has made its mark and then used next to no time for a second. */
function rests(mark: string): (pid: number) => boolean {
  let used = 0;
  let since = performance.now();
  return (pid) => {
    // Clock ticks in its own code and in the kernel's. Source: proc(5), fields 14 and 15.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    const ticks = Number(fields[11]) + Number(fields[12]);
    if (ticks - used > 10 || !existsSync(mark)) {
      used = ticks;
      since = performance.now();
    }
    return performance.now() - since > 1000;
  };
}

describe('a command that waits for the other end of a pipe', () => {
  it.each([
    ['simulate', '--trace'],
    ['simulate', '--plan'],
    ['check', '--policy'],
    ['plan', '--log'],
    ['plan', '--capture-cost'],
    ['explain', '--plan'],
    ['run', '--config'],
    ['replay'],
  ])('to read it ends on SIGTERM: %s %s', async (...args) => {
    const child = await started(['dist/cli/main.js', ...args, pipe], holdsPipe);
    child.kill('SIGTERM');
    // By the signal itself, had it been held up.
    expect(await once(child, 'close')).toEqual([143, null]);
  });

  it.each<[NodeJS.Signals, number, string[]]>([
    ['SIGINT', 130, ['simulate', '--requests', '2', '--steps-out']],
    ['SIGTERM', 143, ['run', '--requests', '2', '--step-log']],
    ['SIGINT', 130, ['run', '--requests', '2', '--capture-log']],
    ['SIGTERM', 143, ['plan', '--requests', '2', '--out']],
  ])('to write it ends on %s with %i: %j', async (signal, code, args) => {
    // Without a reader the pipe is never open; a command that only waits uses next to no time.
    const mark = path.join(folder, `${args[0]}${args.at(-1)}`);
    const child = await started([...onHandlers(mark), 'dist/cli/main.js', ...args, pipe], rests(mark));
    expect(child.exitCode).toBeNull();
    child.kill(signal);
    expect(await once(child, 'close')).toEqual([code, null]);
  });
});

it('a command held up inside the kernel ends by the signal itself', async () => {
  const interrupts = pathToFileURL(path.join(root, 'dist/cli/interrupts.js')).href;
  const mark = path.join(folder, 'waits');
  const script = `
    import { open, writeFileSync } from 'node:fs';
    const { interrupts } = await import(${JSON.stringify(interrupts)});
    interrupts.signal.addEventListener('abort', () => interrupts.leave());
    open(${JSON.stringify(pipe)}, 'r', () => {});
    writeFileSync(${JSON.stringify(mark)}, '');`;
  const child = await started(['--input-type=module', '-e', script], () => existsSync(mark));
  child.kill('SIGTERM');
  expect(await once(child, 'close')).toEqual([null, 'SIGTERM']);
});

describe('a source without an end', () => {
  const blank = path.join(folder, 'blank');
  writeFileSync(blank, '\n'.repeat(17 << 20));

  it.each([
    ['plan'],
    ['plan', '--log'],
    ['plan', '--steps'],
    ['plan', '--cost'],
    ['plan', '--capture-cost'],
    ['simulate', '--trace'],
    ['simulate', '--plan'],
    ['check', '--policy'],
    ['replay'],
  ])('is refused, whether it never ends a line or is blank: %s %s', (...args) => {
    for (const source of ['/dev/zero', blank]) {
      const { status, stderr } = cli([...args, source]);
      expect(status, stderr).toBe(2);
      expect(stderr).toMatch(
        source === blank ? /blank; give a source that holds something|: empty/ : /characters|unknown format/,
      );
    }
  });
});

it('a log that comes through a pipe is read as from a file', async () => {
  const log = path.join(folder, 'steps.jsonl');
  expect(cli(['simulate', '--requests', '20', '--steps-out', log]).status).toBe(0);
  const writer = spawn('sh', ['-c', `sleep 0.5; cat '${log}' > '${pipe}'`]);
  const piped = cli(['plan', '--steps', pipe, '--json']);
  await once(writer, 'close');
  expect(piped.stdout).toBe(cli(['plan', '--steps', log, '--json']).stdout);
});
