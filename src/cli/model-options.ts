import type { Command } from 'commander';
import type { Limits } from '../config.js';
import { LockstepError } from '../errors.js';
import { readPlanFile } from '../formats/index.js';
import type { ServiceOptions } from '../service/index.js';
import type { EngineFlags } from './engine-options.js';
import { interrupts } from './interrupts.js';
import { limitsOf, type PlannerFlags, policyOf } from './planner-options.js';

/** Limits that follow from a model where they are not given. */
export const OF_MODEL: readonly string[] = ['maxModelLen', 'numBlocks'];

/** Limits without the defaults of the command line for what follows from a model. */
export function modelLimitsSaid(limits: Partial<Limits>, command: Command): Partial<Limits> {
  const isSaid = ([name, value]: [string, unknown]): boolean =>
    !OF_MODEL.includes(name) ||
    command.getOptionValueSource(name) !== 'default' ||
    value !== command.getOptionValue(name);
  return Object.fromEntries(Object.entries(limits).filter(isSaid));
}

/** What the flags say of a service's limits, policy and graphs. Errors: ERR_CONFIG_INVALID, ERR_INPUT_INVALID. */
export async function plannedService(
  flags: PlannerFlags & EngineFlags,
  command: Command,
): Promise<Pick<ServiceOptions, 'limits' | 'policy' | 'plan' | 'ladder'>> {
  if (flags.engine !== undefined || flags.engineConfig !== undefined) {
    throw new LockstepError(
      'ERR_CONFIG_INVALID',
      'A service takes the graphs of a plan and no engine; write them with lockstep run --engine … --plan-out FILE, and give --plan FILE',
      { options: ['--engine', '--engine-config'] },
    );
  }
  const { signal } = interrupts;
  const planFile = flags.plan === undefined ? undefined : await readPlanFile(flags.plan, { signal });
  return {
    limits: modelLimitsSaid(limitsOf(flags, planFile?.plan), command),
    policy: await policyOf(flags, planFile?.policy, signal),
    ...(planFile === undefined ? { ladder: flags.ladder } : { plan: planFile.plan }),
  };
}
