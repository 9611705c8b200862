import { Faults } from '../checks.js';
import { completeRunOptions } from './complete-options.js';
import type { CompleteRunOptions, RunOptions } from './run-options.js';

/** Options of `simulate`: those of a run that say which steps it takes, with the same defaults. */
export type SimulateOptions = Pick<
  RunOptions,
  'ranks' | 'limits' | 'policy' | 'plan' | 'ladder' | 'engine' | 'twins' | 'acceptRate' | 'seed' | 'speed' | 'stepTime'
>;

const NAMES: readonly (keyof SimulateOptions)[] = [
  'ranks',
  'limits',
  'policy',
  'plan',
  'ladder',
  'engine',
  'twins',
  'acceptRate',
  'seed',
  'speed',
  'stepTime',
];

/** Those options with every default filled in. */
export type CompleteSimulateOptions = Pick<
  CompleteRunOptions,
  'ranks' | 'limits' | 'policy' | 'plan' | 'ladderEngine' | 'ladderNotes' | 'scheduler'
>;

/** Throws ERR_CONFIG_INVALID listing every fault of every option at once. */
export function completeSimulateOptions(given: SimulateOptions): CompleteSimulateOptions {
  const faults = new Faults();
  faults.names('simulate options', given, NAMES);
  faults.throwIfAny('These options');
  return completeRunOptions(given);
}
