import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { completeLimits, type KvGroup, type Limits } from '../config.js';
import type { LadderPlan } from '../engines/index.js';
import { LockstepError } from '../errors.js';
import {
  BATCH_SHAPE,
  type BatchDocument,
  type BatchExplanation,
  type ExplainOptions,
  explainBatch,
} from '../explain/index.js';
import { checkPlan } from '../keys/index.js';
import { completePolicy } from '../policy/index.js';
import { describe } from './describe.js';
import { engineLines, enginePolicy, engineSetting, ladderGiven, withEngineLimits } from './engine-options.js';
import { exitCodeOf } from './exit.js';
import { ExplanationPrinter } from './explanation-printer.js';
import { interrupts } from './interrupts.js';
import { ladderOf, limitsOf, type PlannedLengths, type PlannerFlags } from './planner-options.js';
import type { ShowFlags } from './show.js';

interface ExplainFlags extends PlannerFlags, ShowFlags {
  readonly kvGroups?: readonly KvGroup[];
}

/** The limits the flags say. With groups, block size and pool are the first group's, unless a flag is given. */
function groupedLimits(flags: ExplainFlags, file: PlannedLengths | undefined, command: Command): Partial<Limits> {
  const limits = limitsOf(flags, file);
  const { kvGroups } = flags;
  if (kvGroups === undefined) return limits;
  const own: Record<string, unknown> = { ...limits, kvGroups };
  for (const name of ['blockSize', 'numBlocks']) {
    if (command.getOptionValueSource(name) === 'default') delete own[name];
  }
  return own;
}

/** Explains the batches on standard input, one a line. */
export async function explain(flags: ExplainFlags, command: Command): Promise<void> {
  const { signal } = interrupts;
  const file =
    flags.plan === undefined
      ? undefined
      : await (await import('../formats/index.js')).readPlanFile(flags.plan, { signal });
  const setting = await engineSetting(flags, command, signal);
  const limits = completeLimits(groupedLimits(withEngineLimits(flags, setting, command), file, command));
  const policy = completePolicy(await enginePolicy(flags, setting, file?.policy, signal));
  const graphs = { ladder: ladderGiven(flags, setting, command), engine: setting?.profile };
  const ladder = file === undefined ? await ladderOf(flags, limits, policy, graphs) : undefined;
  const plan = file?.plan ?? (ladder as LadderPlan).plan;
  for (const text of [...engineLines(setting).map((line) => line.trim()), ...(ladder?.notes ?? [])]) {
    process.stderr.write(`lockstep: ${text}\n`);
  }
  checkPlan(plan, limits, policy);
  const options = { limits, policy, plan };
  if (process.stdin.isTTY)
    process.stderr.write(`lockstep: reading batches from the terminal, one a line, like ${BATCH_SHAPE}\n`);
  const printer = new ExplanationPrinter(flags, plan, policy);
  let line = 0;
  let documents = 0;
  for await (const text of createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY, signal })) {
    if (signal.aborted) break;
    line += 1;
    if (text.trim() === '') continue;
    documents += 1;
    try {
      await print(await printer.next(await explainLine(text, options, line), line));
    } catch (error) {
      if (!(error instanceof LockstepError)) throw error;
      // Each line is a batch of its own, so the other lines are still explained.
      process.stderr.write(`${describe(error)}\n`);
      process.exitCode = Math.max(Number(process.exitCode ?? 0), exitCodeOf(error));
    }
  }
  await print(printer.rest());
  if (interrupts.exitCode !== null) {
    process.exitCode = interrupts.exitCode;
    return;
  }
  if (documents === 0) {
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      `Standard input holds no batch: give one JSON document a line, like ${BATCH_SHAPE}`,
    );
  }
}

/** The explanation of one line. Errors carry the line. */
async function explainLine(text: string, options: ExplainOptions, line: number): Promise<BatchExplanation> {
  try {
    return await explainBatch(parse(text), options);
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    throw new LockstepError(error.code, `line ${line}: ${error.message}`, { ...error.details, line }, { cause: error });
  }
}

function parse(text: string): BatchDocument {
  try {
    return JSON.parse(text) as BatchDocument;
  } catch (error) {
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      `this is not JSON (${(error as Error).message}); expected a document like ${BATCH_SHAPE}`,
      {},
      { cause: error },
    );
  }
}

async function print(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain');
}
