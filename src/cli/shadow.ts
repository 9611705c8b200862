import type { Command } from 'commander';
import { isPolicyName, LADDER_NAMES, type LadderName, namedPolicy } from '../engines/index.js';
import { LockstepError } from '../errors.js';
import { readPlanFile } from '../formats/index.js';
import { type ReplayedLog, replayLog } from '../replay/index.js';
import { completeSimulateOptions, type SimulateOptions } from '../simulation/index.js';
import { percentOf } from '../text.js';
import { readCosts, tokenCosts } from '../workload/index.js';
import { type CostFlags, costSourceOf } from './cost-options.js';
import { type EngineFlags, enginePolicy, engineSetting, ladderGiven, withEngineLimits } from './engine-options.js';
import { EXIT } from './exit.js';
import { interrupts } from './interrupts.js';
import { limitsOf, type PlannerFlags } from './planner-options.js';
import { logReport } from './replay-report.js';
import { type ShowFlags, show } from './show.js';
import { inputOf, STDIN, warnOfLog } from './stdin.js';
import { reasonRows, reportLine } from './step-report.js';

/** A log held against one set of rules. */
export interface ShadowSide extends ReplayedLog {
  readonly policy: string;
  readonly graphs: number;
}

/**
 * Holds a running engine's logged steps against the engine's own rules and graphs, and against Lockstep's rules over the same graphs: the
 * first decision that differs, the reasons, and the time that padding takes. Exit 1 where the engine did not do what its rules say. Errors: ERR_CONFIG_INVALID, ERR_INPUT_INVALID.
 */
export async function shadow(
  file: string,
  flags: PlannerFlags & CostFlags & EngineFlags & ShowFlags,
  command: Command,
): Promise<void> {
  if (file === STDIN) {
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      '--engine reads the log twice, and standard input only once; give a file',
      { file },
    );
  }
  const { signal } = interrupts;
  const own = await ownRules(flags, command);
  const source = costSourceOf(flags);
  const under = async (options: SimulateOptions): Promise<ShadowSide> => {
    const complete = completeSimulateOptions(options);
    const largest = Math.max(complete.limits.maxNumBatchedTokens, ...complete.plan.keys.map(({ tokens }) => tokens));
    const costs = source === null ? tokenCosts(largest) : await readCosts(source, largest, signal);
    const cost = (tokens: number): number | undefined => costs.costs[tokens];
    const replayed = await replayLog(inputOf(file), { ...complete, cost, signal });
    return { ...replayed, policy: complete.policy.name, graphs: complete.plan.keys.length };
  };
  const theirs = await under(own);
  // The same graphs under the other rules.
  const { engine: _, policy: __, ...same } = own;
  const graphs = own.engine === undefined ? same : { ...same, plan: completeSimulateOptions(own).plan };
  const ours = await under({ ...graphs, policy: namedPolicy('lockstep') });
  warnOfLog(file, theirs.incomplete);
  if (theirs.different > 0) process.exitCode = EXIT.failed;
  const costKnown = source !== null;
  const timeLost = theirs.loggedTimeRatio === null ? null : theirs.loggedTimeRatio - ours.timeRatio;
  await show(flags, {
    document: () => ({ schemaVersion: 1, kind: 'shadow', engine: theirs, lockstep: ours, timeLost, costKnown }),
    rows: () => [
      ...reasonRows(theirs).map((row) => ({ rules: 'engine', ...row })),
      ...reasonRows(ours).map((row) => ({ rules: 'lockstep', ...row })),
    ],
    text: () => report(theirs, ours, timeLost, costKnown),
  });
}

/** The rules and graphs of the engine that the flags name: a policy's name, or an engine as somebody runs it. */
async function ownRules(flags: PlannerFlags & CostFlags & EngineFlags, command: Command): Promise<SimulateOptions> {
  const { signal } = interrupts;
  const { engine } = flags;
  const planFile = flags.plan === undefined ? undefined : await readPlanFile(flags.plan, { signal });
  if (engine !== undefined && isPolicyName(engine)) {
    const ladder = command.getOptionValueSource('ladder') === 'default' ? ladderOf(engine) : flags.ladder;
    const graphs = planFile === undefined ? { ladder } : { plan: planFile.plan };
    return { limits: limitsOf(flags, planFile), policy: namedPolicy(engine), ...graphs };
  }
  const setting = await engineSetting(flags, command, signal);
  const ladder = ladderGiven(flags, setting, command);
  return {
    limits: limitsOf(withEngineLimits(flags, setting, command), planFile),
    policy: await enginePolicy(flags, setting, planFile?.policy, signal),
    ...(planFile === undefined
      ? { ...(ladder === undefined ? {} : { ladder }), ...(setting === null ? {} : { engine: setting.profile }) }
      : { plan: planFile.plan }),
  };
}

/** The default graphs of a policy's engine. */
function ladderOf(policy: string): string {
  const name = policy.replace(/-v\d+$/, '');
  return LADDER_NAMES.includes(name as LadderName) ? name : 'vllm';
}

function report(theirs: ShadowSide, ours: ShadowSide, timeLost: number | null, costKnown: boolean): string {
  const costModel = costKnown ? 'the costs given' : 'a size costs its tokens';
  const side = (name: string, { policy, graphs, ...replayed }: ShadowSide): string =>
    `${name}\n${logReport(replayed, { policy, graphs, costModel, costKnown })}`;
  const lost =
    timeLost === null
      ? 'not known: no logged decision says its padded tokens'
      : `${percentOf(timeLost)} of ${costKnown ? 'time' : 'tokens'} that the engine ran more than Lockstep's rules would`;
  return `${side("the engine's own rules", theirs)}\n${side("Lockstep's rules", ours)}\n${reportLine('lost', lost)}\n`;
}
