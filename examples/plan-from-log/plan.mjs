// From an engine's log to the flags that fit what it served, as a program of your own:
//   node examples/plan-from-log/plan.mjs [log] [most requests of a step]
// The command line does the same and more: lockstep plan vllm.log --max-num-seqs 64
import { engineSteps, makePlan, planCosts } from 'lockstep/capture';
import { emitFlags } from 'lockstep/engines';
import { LOCKSTEP_POLICY } from 'lockstep/planner';
import { captureCost, schedulerLimits } from 'lockstep/workload';

const [log = new URL('vllm.log', import.meta.url), most = '64'] = process.argv.slice(2);
const limits = {
  maxNumSeqs: Number(most),
  maxNumBatchedTokens: 8192,
  maxModelLen: 131072,
  blockSize: 16,
  numBlocks: 131072,
  queryLen: 1,
};

// What the log counts: how many steps there were of each size. A vLLM that runs with --cudagraph-metrics writes it.
const steps = await engineSteps(log, {
  scheduler: schedulerLimits({ ...limits, ranks: 1 }),
  policy: LOCKSTEP_POLICY,
  split: 0.5,
});

// As few graphs as pad at most 5 %. With measured times in place of tokens the budget may be of time.
const plan = await makePlan(steps, {
  limits,
  policy: LOCKSTEP_POLICY,
  costs: await planCosts(limits, false, null),
  memory: captureCost('trtllm-deepseek-r1'),
  budget: { kind: 'padding', most: 0.05 },
  sizeMultiple: 1,
  include: [],
  mixed: false,
  split: 0.5,
});

const percent = (ratio) => `${(100 * ratio).toFixed(1)} %`;
console.log(`${steps.whole.steps} steps; ${plan.graphs} graphs pad ${percent(plan.paddingRatio)}`);
for (const engine of plan.engines) {
  console.log(
    `  ${engine.engine}'s default: ${engine.graphs} graphs pad ${percent(engine.paddingRatio)}, ${engine.eagerSteps} steps eager`,
  );
}
console.log(emitFlags('vllm', plan.ladders.decode, limits).flags);
