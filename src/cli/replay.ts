import { readdirSync, type Stats, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';
import type { Command } from 'commander';
import { LockstepError } from '../errors.js';
import { readPlanFile } from '../formats/index.js';
import { loadModules, type PlannerModules } from '../memory/index.js';
import { isRecording, type Recording, readRecording } from '../recorder/index.js';
import { compareRecordings, type Rederived, rederive, replayLog } from '../replay/index.js';
import { completeSimulateOptions } from '../simulation/index.js';
import { readCosts, tokenCosts } from '../workload/index.js';
import { type CostFlags, costSourceOf } from './cost-options.js';
import type { EngineFlags } from './engine-options.js';
import { EXIT } from './exit.js';
import { interrupts, unlessInterrupted } from './interrupts.js';
import { isGiven } from './line.js';
import { limitsOf, type PlannerFlags, policyOf } from './planner-options.js';
import { logReport, recordingRows, recordingsReport } from './replay-report.js';
import { shadow } from './shadow.js';
import { type ShowFlags, show } from './show.js';
import { inputOf, STDIN, warnOfLog } from './stdin.js';
import { reasonRows } from './step-report.js';

interface ReplayFlags extends PlannerFlags, CostFlags, EngineFlags, ShowFlags {}

/** Replays recordings or a log, as the paths are. Exit 1 where ranks differ, or a decision is not what the rules derive. */
export async function replay(paths: readonly string[], flags: ReplayFlags, command: Command): Promise<void> {
  await unlessInterrupted(async () => {
    const [only] = paths;
    if (paths.length === 1 && factsOf(only as string)?.isDirectory() === true)
      return await replayFolder(only as string, flags, command);
    const files = paths.flatMap(filesOf);
    if (files.length === 0) {
      throw new LockstepError(
        'ERR_INPUT_INVALID',
        `${paths.join(', ')}: no file rank-N.rec; give the folder of run --record`,
        { paths },
      );
    }
    const recorded = await Promise.all(files.map(beginsAsRecording));
    if (recorded.every((is) => is)) return await replayRecordings(files, flags, command);
    if (recorded.some((is) => is) || files.length > 1) {
      const others = files.filter((_, index) => recorded[index] !== true);
      throw new LockstepError(
        'ERR_INPUT_INVALID',
        `Give recordings, all of one run, or one log; no recording: ${others.join(', ')}`,
        { files: others },
      );
    }
    const isShadow = flags.engine !== undefined || flags.engineConfig !== undefined;
    if (isShadow) await shadow(files[0] as string, flags, command);
    else await replaySteps(files[0] as string, flags);
  });
}

/** Options that recordings have too. */
const SHOWING = ['--json', '--output', '--config'];

/**
 * Refuses options on the command line that say how a log is decided. What a file of `--config` says for any command may stand there for logs.
 * Errors: ERR_CONFIG_INVALID.
 */
function checkNoneOfLog(command: Command): void {
  const options = command.options
    .filter((option) => !SHOWING.includes(option.long as string) && isGiven(option, process.argv.slice(2)))
    .map(({ long }) => long as string);
  if (options.length === 0) return;
  throw new LockstepError(
    'ERR_CONFIG_INVALID',
    `${options.join(', ')}: recordings hold how their steps were decided, and only a log is decided by options; leave ${options.length > 1 ? 'them' : 'it'} out, or give a log`,
    { options },
  );
}

/** Replays what can be read in a folder: the ranks of the other files are missing, and stderr says why. */
async function replayFolder(folder: string, flags: ReplayFlags, command: Command): Promise<void> {
  checkNoneOfLog(command);
  const recordings: Recording[] = [];
  for (const file of filesOf(folder)) {
    try {
      recordings.push(await readRecording(file, { signal: interrupts.signal }));
    } catch (error) {
      if (!(error instanceof LockstepError) || error.code === 'ERR_ABORTED') throw error;
      process.stderr.write(`left out: ${error.message}\n`);
    }
  }
  if (recordings.length === 0) {
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      `${folder}: no file rank-N.rec that can be read; give the folder of run --record`,
      {
        folder,
      },
    );
  }
  await report(recordings, flags);
}

async function replayRecordings(files: readonly string[], flags: ReplayFlags, command: Command): Promise<void> {
  checkNoneOfLog(command);
  const recordings: Recording[] = [];
  for (const file of files) recordings.push(await readRecording(file, { signal: interrupts.signal }));
  await report(recordings, flags);
}

async function report(recordings: readonly Recording[], flags: ReplayFlags): Promise<void> {
  const modules = await loadModules();
  const compared = compareRecordings(recordings);
  const derived = recordings.map((each) => ({
    rank: each.rank,
    begun: each.begun,
    ended: each.ended,
    ...rederived(each, modules),
  }));
  if (compared.difference !== null || derived.some(({ differing }) => differing.length > 0))
    process.exitCode = EXIT.failed;
  await show(flags, {
    document: () => ({ schemaVersion: 1, kind: 'recordings', ...compared, derived }),
    rows: () => recordingRows(compared, derived),
    text: () => recordingsReport(compared, derived),
  });
}

/** The decisions of a recording derived again; of one whose document is damaged none, and stderr says why. */
function rederived(recording: Recording, modules: PlannerModules): Rederived {
  try {
    return rederive(recording, modules);
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    process.stderr.write(`no decision derived again: ${error.message}\n`);
    return rederive({ ...recording, document: null }, modules);
  }
}

async function replaySteps(file: string, flags: ReplayFlags): Promise<void> {
  const { signal } = interrupts;
  const planFile = flags.plan === undefined ? undefined : await readPlanFile(flags.plan, { signal });
  const { limits, policy, plan } = completeSimulateOptions({
    limits: limitsOf(flags, planFile),
    policy: await policyOf(flags, planFile?.policy, signal),
    ...(flags.twins === undefined ? {} : { twins: flags.twins }),
    ...(planFile === undefined ? { ladder: flags.ladder } : { plan: planFile.plan }),
  });
  const source = costSourceOf(flags);
  const largest = Math.max(limits.maxNumBatchedTokens, ...plan.keys.map(({ tokens }) => tokens));
  const costs = source === null ? tokenCosts(largest) : await readCosts(source, largest, signal);
  const replayed = await replayLog(inputOf(file), {
    limits,
    policy,
    plan,
    cost: (tokens) => costs.costs[tokens],
    signal,
  });
  warnOfLog(file, replayed.incomplete);
  if (replayed.different > 0) process.exitCode = EXIT.failed;
  const said = { policy: policy.name, graphs: plan.keys.length, costModel: costs.name, costKnown: costs.unit === 'ms' };
  await show(flags, {
    document: () => ({ schemaVersion: 1, kind: 'step-log', ...replayed, ...said }),
    rows: () => reasonRows(replayed),
    text: () => logReport(replayed, said),
  });
}

/** A path, or the recordings of a folder. */
function filesOf(given: string): string[] {
  if (given === STDIN || factsOf(given)?.isDirectory() !== true) return [given];
  return readdirSync(given)
    .filter((name) => name.endsWith('.rec'))
    .sort()
    .map((name) => path.join(given, name));
}

/** What a path leads to. Whatever is wrong with it is left to its reader. */
function factsOf(file: string): Stats | undefined {
  try {
    return statSync(file);
  } catch {
    return undefined;
  }
}

/** Whether a file is a recording. What can be read only once, such as a pipe, is a log: a recording is a file of its own. */
async function beginsAsRecording(file: string): Promise<boolean> {
  if (file === STDIN || factsOf(file)?.isFile() === false) return false;
  try {
    await using handle = await open(file);
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(4), 0, 4);
    return isRecording(buffer.subarray(0, bytesRead));
  } catch (error) {
    const message = `${file} cannot be read: ${(error as Error).message}`;
    throw new LockstepError('ERR_INPUT_INVALID', message, { file }, { cause: error });
  }
}
