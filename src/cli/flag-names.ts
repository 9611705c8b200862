import type { LockstepError } from '../errors.js';

/** The flag of each option that an error of the library may name in `details.options`. */
export const FLAGS: Readonly<Record<string, string>> = {
  acceptRate: '--accept-rate',
  apiKey: '--api-key',
  blockSize: '--block-size',
  captureLog: '--capture-log',
  device: '--device',
  deviceMemory: '--device-memory',
  gpuMemoryUtilization: '--gpu-memory-utilization',
  host: '--host',
  include: '--include',
  'its kind: trace, step-log or engine-log': '--trace, --steps or --log',
  kvGroups: '--kv-groups',
  maxModelLen: '--max-model-len',
  maxNumBatchedTokens: '--max-num-batched-tokens',
  maxNumSeqs: '--max-num-seqs',
  maxQueue: '--max-queue',
  maxSize: '--max-size',
  mixed: '--mixed',
  model: '--model',
  numBlocks: '--num-blocks',
  port: '--port',
  queryLen: '--query-len',
  ranks: '--ranks',
  replicaSize: '--replica-size',
  restarts: '--restarts',
  sampling: '--temperature, --top-k, --top-p or --sampled-share',
  seed: '--seed',
  share: '--sampled-share',
  sizeMultiple: '--size-multiple',
  speed: '--speed',
  split: '--split',
  stepLog: '--step-log',
  stepTime: '--step-time',
  temperature: '--temperature',
  tensorParallelSize: '--tensor-parallel-size',
  'the graph-memory budget': '--graph-memory',
  'the graphs budget': '--graphs',
  'the padding budget': '--max-padding',
  'the time-loss budget': '--max-time-loss',
  timeoutMs: '--timeout',
  topK: '--top-k',
  topP: '--top-p',
  transport: '--transport',
  ubatches: '--ubatches',
  ubatchThresholdDecode: '--ubatch-threshold-decode',
  ubatchThresholdPrefill: '--ubatch-threshold-prefill',
  verify: '--verify',
};

/** Words after which a plain word such as `mixed` is the option of that name; before ` is` it is too. */
const BEFORE_OPTION = /\b(?:set|raise|lower|give|change|in)$/;

/** The message of an error with each option that `details.options` names as its flag. */
export function withFlags({ message, details }: LockstepError): string {
  const options = Array.isArray(details.options) ? details.options.map(String) : [];
  let text = message;
  for (const [name, flag] of Object.entries(FLAGS)) {
    if (!options.some((option) => named(name).test(option))) continue;
    const plain = /^[a-z]+$/.test(name);
    text = text.replace(named(name), (_, at: number) => {
      const before = text.slice(0, at).trimEnd();
      const after = text.slice(at + name.length);
      return !plain || BEFORE_OPTION.test(before) || /^ is\b/.test(after) ? flag : name;
    });
  }
  return text;
}

/** Matches a name where it is a word of its own, and no part of a path such as `kvGroups[0].blockSize`. */
function named(name: string): RegExp {
  return new RegExp(`(?<![\\w.-])${name}(?![\\w-])`, 'g');
}
