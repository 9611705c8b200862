// Watches an engine while it runs: its steps are decided again as it writes them, by its own rules and by Lockstep's.
//   node examples/shadow/shadow.mjs node examples/shadow/engine.mjs
// Exit code 1 where the engine once did something else than its rules say. For a file that is already there: lockstep replay --engine.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { namedPolicy } from 'lockstep/engines';
import { decodePlan } from 'lockstep/planner';
import { replayLog } from 'lockstep/run';

const [command = process.execPath, ...args] = process.argv.slice(2);
const limits = {
  maxNumSeqs: 32,
  maxNumBatchedTokens: 2048,
  maxModelLen: 4096,
  blockSize: 16,
  numBlocks: 4096,
  queryLen: 1,
};
const theirs = namedPolicy('vllm-v1');
const ours = namedPolicy('lockstep');
// The graphs that the engine captured; both sets of rules choose among them.
const plan = decodePlan({ sizes: [1, 2, 4, 8, 16], limits, policy: theirs });

const engine = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
const ended = once(engine, 'close');
const under = (policy) => {
  const lines = new PassThrough();
  engine.stdout.pipe(lines);
  return replayLog(lines, { limits, policy, plan });
};
const watched = await Promise.allSettled([under(theirs), under(ours)]);
const [code] = await ended;
if (code !== 0) throw new Error(`the engine ended with ${code}`);
const [engineRules, lockstepRules] = watched.map(({ value, reason }) => {
  if (reason !== undefined) throw reason;
  return value;
});

const percent = (ratio) => (ratio === null ? 'unknown' : `${(100 * ratio).toFixed(1)} %`);
console.log(`${engineRules.steps} steps: ${engineRules.graphSteps} on graphs, ${engineRules.eagerSteps} eager`);
console.log(
  `padding: as it ran ${percent(engineRules.loggedTimeRatio)}, by Lockstep's rules ${percent(lockstepRules.timeRatio)}`,
);
console.log(`${engineRules.different} of ${engineRules.compared} decisions are not what its rules say`);
if (engineRules.first !== null) console.log('the first:', JSON.stringify(engineRules.first));
process.exitCode = engineRules.different === 0 ? 0 : 1;
