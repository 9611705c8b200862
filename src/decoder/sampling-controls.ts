import type { Faults } from '../checks.js';
import type { SamplingControls } from './sampling-forward.js';

/** How tokens are drawn, but for the seed, checked: as float32, as devices take it. */
export function checkedControls(
  { temperature, topK, topP }: Omit<SamplingControls, 'seed'>,
  faults: Faults,
): Omit<SamplingControls, 'seed'> {
  faults.number('temperature', temperature, 0, 100);
  faults.integer('topK', topK, 0, 2 ** 31 - 1);
  faults.number('topP', topP, 0, 1);
  // The smallest are 0 there: a temperature of 0 is greedy, a topP of 0 is no share.
  faults.check(Math.fround(topP) > 0, `topP is ${topP}; it must be above 0, as a float32`, 'topP');
  return { temperature: Math.fround(temperature), topK, topP: Math.fround(topP) };
}
