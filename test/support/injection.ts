import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import type { StandinReport } from './standin-report.js';

/**
 * A program that does the same job twice in one process over a stand-in and prints, as its last line, how each ended:
 * `{ first, second }`, 'ok' or the words or code of an error. With `givenUp`, counts by kind, it says what it could not let go of.
 */
export interface Job {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** One run of a job with a failure put into it. */
export interface Injection {
  readonly symbol: string;
  /** Which call of the symbol failed, from 1. */
  readonly nth: number;
  readonly code: number;
}

/** What is wrong with how a job took a failure. */
export interface Finding extends Injection {
  readonly problem: string;
}

export interface InjectionResult {
  /** Runs in which the failure was reached. */
  readonly injections: readonly Injection[];
  readonly findings: readonly Finding[];
}

interface Run {
  readonly status: number | null;
  readonly first: string;
  readonly second: string;
  readonly givenUp: Counts | undefined;
  readonly stderr: string;
  /** Of the driver, and of the library of collectives. */
  readonly report: StandinReport | undefined;
  readonly nccl: StandinReport | undefined;
}

type Counts = Readonly<Record<string, number>>;

export interface InjectionOptions {
  /** What the calls fail with: one such as 2 leaves the context alive, one such as 719 does not. */
  readonly code: number;
  readonly sticky: boolean;
  /** What the error of a job has to look like. */
  readonly typed: RegExp;
  /** Symbols that are not failed. */
  readonly skip?: RegExp;
  /** Symbols whose failure has a way round, so that the job may go on without an error. */
  readonly wayRound?: RegExp;
  /** Whose calls fail: a driver's unless it is said. */
  readonly library?: 'nccl';
  /** Every call up to this one fails once, 6 unless it is said; of later ones, each half as far again. */
  readonly dense?: number;
}

/** What the stand-in calls the kinds of things that a device gives up. */
const HELD_KINDS = {
  memory: 'allocations',
  pinned: 'hostAllocations',
  arenas: 'registrations',
  streams: 'streams',
  events: 'events',
  recordings: 'graphs',
  graphs: 'executables',
  modules: 'modules',
  communicators: 'communicators',
} as const;

/** Functions that let something go: where one fails, that thing may stay. */
const RELEASES = /Free|Destroy|Unregister|Unload/;
/** What the end of a capture answers that a failure had cut short: it is called to leave the capture. */
const ABANDONED = /EndCapture: (?:work of a forked stream was not joined|the capture was invalidated)/;
/**
 * Fails every symbol that a job calls, at its first call, its second and so on until the job no longer reaches it. An error has to be
 * typed. After a failure that passes, the second job of the process works and nothing is held at the end; after a sticky one, no
 * call is made that needs the context, and the second job works if it has another card. What is held is what the job says it gave up.
 */
export async function injectEverywhere(job: Job, options: InjectionOptions): Promise<InjectionResult> {
  const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-injection-'));
  const injections: Injection[] = [];
  const findings: Finding[] = [];
  try {
    const clean = await run(job, folder);
    const problem = problemOfClean(clean);
    if (problem !== undefined) return { injections, findings: [{ symbol: 'none', nth: 0, code: 0, problem }] };
    const failing = (ended: Run) => (options.library === 'nccl' ? ended.nccl : ended.report);
    const left = Object.keys(failing(clean)?.calls ?? {}).filter((symbol) => !options.skip?.test(symbol));
    const failEachCall = async (symbol: string): Promise<void> => {
      for (let nth = 1; ; nth = nth < (options.dense ?? 6) ? nth + 1 : Math.ceil(nth * 1.5)) {
        const injection = { symbol, nth, code: options.code };
        const ended = await run(job, folder, injection);
        if (failing(ended)?.injected === 0) return;
        injections.push(injection);
        const problem = problemOf(injection, ended, options);
        if (problem !== undefined) findings.push({ ...injection, problem });
      }
    };
    const work = async (): Promise<void> => {
      for (let symbol = left.shift(); symbol !== undefined; symbol = left.shift()) await failEachCall(symbol);
    };
    await Promise.all(Array.from({ length: availableParallelism() }, work));
    return { injections, findings };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function problemOfClean({ status, first, second, stderr, report }: Run): string | undefined {
  if (status !== 0 || first !== 'ok' || second !== 'ok')
    return `the job alone ended with ${status}: ${first}, ${second}; ${stderr}`;
  return report === undefined ? 'the job wrote no report' : heldOf(report, 0);
}

/** Whether the driver holds what the job says it gave up. */
function unlistedOf(held: Counts, givenUp: Counts): string | undefined {
  const differs = Object.entries(HELD_KINDS).some(([kind, name]) => (givenUp[kind] ?? 0) !== held[name]);
  return differs
    ? `held at the end: ${JSON.stringify(held)}, listed as given up: ${JSON.stringify(givenUp)}`
    : undefined;
}

function problemOf({ symbol }: Injection, ended: Run, options: InjectionOptions): string | undefined {
  const { status, first, second, givenUp, stderr, report } = ended;
  if (status !== 0) return `ended with ${status}: ${stderr.slice(-2000)}`;
  if (report === undefined) return 'wrote no report';
  const release = RELEASES.test(symbol);
  const maySucceed = (release && givenUp === undefined) || options.wayRound?.test(symbol);
  // A failure of the second job may come from the injected one, as its first error or as what is left of a lost device.
  const errors = [first, second].filter((outcome) => outcome !== 'ok');
  if (errors.length === 0 && !maySucceed) return 'the failure went unseen';
  const untyped = errors.find((error) => !options.typed.test(error));
  if (untyped !== undefined) return `not a typed error: ${untyped}`;
  if (report.afterFault > 0) return `${report.afterFault} calls after the fault`;
  const unlisted =
    givenUp === undefined ? undefined : unlistedOf({ communicators: 0, ...report.held, ...ended.nccl?.held }, givenUp);
  if (unlisted !== undefined) return unlisted;
  if (errors.length > 1 && !(options.sticky && givenUp === undefined)) return `the second job failed too: ${second}`;
  if (options.sticky) return undefined;
  const breach = [...report.refused, ...(ended.nccl?.refused ?? [])].find((text) => !ABANDONED.test(text));
  return breach === undefined ? heldOf(report, release ? 1 : 0) : `broke a rule: ${breach}`;
}

function heldOf(report: StandinReport, allowed: number): string | undefined {
  const held = Object.values(report.held).reduce((sum, count) => sum + count, 0);
  return held <= allowed ? undefined : `held at the end: ${JSON.stringify(report.held)}`;
}

function run(job: Job, folder: string, injection?: Injection): Promise<Run> {
  const name = injection === undefined ? 'clean' : `${injection.symbol}-${injection.nth}-${injection.code}`;
  const place = path.join(folder, `${name}.json`);
  const plan = injection === undefined ? '' : `${injection.symbol}:${injection.nth}:${injection.code}`;
  const env = {
    ...process.env,
    ...job.env,
    LOCKSTEP_STANDIN_FAIL: plan,
    LOCKSTEP_STANDIN_REPORT: place,
    LOCKSTEP_STANDIN_QUIET: '1',
  };
  return new Promise((resolve, reject) => {
    const child = spawn(job.command, job.args, { env, timeout: 120_000 });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (text) => {
      stdout += text;
    });
    child.stderr.on('data', (text) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (status) => {
      const { first, second, givenUp } = outcomesOf(stdout);
      resolve({ status, first, second, givenUp, stderr, ...reportsAt(place) });
    });
  });
}

function outcomesOf(stdout: string): Pick<Run, 'first' | 'second' | 'givenUp'> {
  const line = stdout.trim().split('\n').at(-1) ?? '';
  try {
    return { givenUp: undefined, ...(JSON.parse(line) as Pick<Run, 'first' | 'second'>) };
  } catch {
    return { first: `printed ${line}`, second: '', givenUp: undefined };
  }
}

function reportsAt(place: string): Pick<Run, 'report' | 'nccl'> {
  try {
    const reports = readFileSync(place, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as StandinReport);
    const of = (nccl: boolean) => reports.find(({ library }) => (library === 'nccl') === nccl);
    return { report: of(false), nccl: of(true) };
  } catch {
    return { report: undefined, nccl: undefined };
  }
}
