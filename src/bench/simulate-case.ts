import { RawRules, VoteGroup } from '../agreement/index.js';
import type { PlannerModules } from '../memory/index.js';
import { completeSimulateOptions, Simulation } from '../simulation/index.js';
import { generateWorkload, type WorkloadOptions } from '../workload/index.js';
import type { BenchCase, BenchRow } from './measure.js';

/**
 * Half as many requests as in the Azure trace, at its rate and of its lengths: about 37 run at a time. A simulation of them is about
 * 55,000 steps, so that little of the measured time is spent before the engine has optimised the code.
 */
const CHAT: WorkloadOptions = { requests: 10_000, seed: 0 };

/**
 * Requests like those of Mooncake's conversation trace: prompts of some 12,000 tokens, of which shared prefixes are a part, and so
 * many that some 180 run at a time and three steps of five hold a prefill.
 */
const LONG_PROMPTS: WorkloadOptions = {
  requests: 6000,
  seed: 0,
  requestsPerSecond: 3.4,
  inputTokens: { median: 7000, sigma: 1.05, max: 120_000 },
  outputTokens: { median: 300, sigma: 0.6 },
  prefixes: { count: 300, blocks: 12 },
};

/** One rank of 256 requests, by the step: `lockstep simulate` of a generated workload, beside its decisions alone. */
export const SIMULATE_ROWS: readonly BenchRow[] = [
  { name: 'simulate-256', make: (modules) => simulateCase(modules, CHAT) },
  { name: 'simulate-prefill-256', make: (modules) => simulateCase(modules, LONG_PROMPTS) },
];

/**
 * Each call is a whole simulation, from scheduling to counting. Its limit is resolving as many tables, one for each span of steps
 * with equal decisions, without requests.
 */
function simulateCase(modules: PlannerModules, workload: WorkloadOptions): BenchCase {
  const requests = generateWorkload(workload);
  const options = completeSimulateOptions({ ranks: 1, limits: { maxNumSeqs: 256 } });
  const { limits, policy, plan, ranks } = options;
  const group = (): VoteGroup => new VoteGroup(new RawRules(modules, { limits, policy, keys: plan.keys, ranks }));
  const shared = group();
  const ours = (): Simulation => {
    const simulation = new Simulation(requests, options, shared, {});
    while (simulation.advance());
    return simulation;
  };
  let spans = 0;
  const watched = new Simulation(requests, options, shared, {
    onSpan: () => {
      spans++;
    },
  });
  while (watched.advance());
  const { steps } = watched.summary(false, 1);
  const alone = group();
  alone.vote(0, [{ phase: 'decode', start: 9, queryLen: 1, lastChunk: true }], () => [1]);
  return {
    pieces: steps,
    ours,
    limit: () => {
      for (let span = 0; span < spans; span++) alone.resolve(span);
    },
    peer: null,
  };
}
