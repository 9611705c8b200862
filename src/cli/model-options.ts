import type { Command } from 'commander';
import { LockstepError } from '../errors.js';
import { readPlanFile } from '../formats/index.js';
import type { ServiceOptions } from '../service/index.js';
import type { EngineFlags } from './engine-options.js';
import { interrupts } from './interrupts.js';
import { type PlannerFlags, type PoolFlags, policyOf, pooledLimitsOf } from './planner-options.js';

/** Limits that follow from a model where they are not given. */
export const OF_MODEL: readonly string[] = ['maxModelLen', 'numBlocks'];

/** The files that a model is read from. Whoever has no model loads nothing that reads one. */
export async function filesOfModel(model: string): Promise<readonly string[]> {
  return (await import('../checkpoint/index.js')).modelFiles(model);
}

/** Limits without the defaults of the command line for what follows from a model. */
export function modelLimitsSaid<T extends object>(limits: T, command: Command): Partial<T> {
  const isSaid = ([name, value]: [string, unknown]): boolean =>
    !OF_MODEL.includes(name) ||
    command.getOptionValueSource(name) !== 'default' ||
    value !== command.getOptionValue(name);
  return Object.fromEntries(Object.entries(limits).filter(isSaid)) as Partial<T>;
}

/** What the flags say of a service's limits, policy and graphs. Errors: ERR_CONFIG_INVALID, ERR_INPUT_INVALID. */
export async function plannedService(
  flags: PlannerFlags & EngineFlags & PoolFlags,
  command: Command,
): Promise<Pick<ServiceOptions, 'limits' | 'gpuMemoryUtilization' | 'policy' | 'plan' | 'ladder'>> {
  if (flags.engine !== undefined || flags.engineConfig !== undefined) {
    throw new LockstepError(
      'ERR_CONFIG_INVALID',
      `lockstep ${command.name()} takes the graphs of a plan and no engine; write them with lockstep run --engine … --plan-out FILE, and give --plan FILE`,
      { options: ['--engine', '--engine-config'] },
    );
  }
  const { signal } = interrupts;
  const { gpuMemoryUtilization } = flags;
  const planFile = flags.plan === undefined ? undefined : await readPlanFile(flags.plan, { signal });
  return {
    limits: modelLimitsSaid(pooledLimitsOf(flags, planFile), command),
    ...(gpuMemoryUtilization === undefined ? {} : { gpuMemoryUtilization }),
    policy: await policyOf(flags, planFile?.policy, signal),
    ...(planFile === undefined ? { ladder: flags.ladder } : { plan: planFile.plan }),
  };
}
