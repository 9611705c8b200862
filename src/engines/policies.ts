import { LOCKSTEP_POLICY, type Policy } from '../planner/policy.js';

export type PolicyName = string;
const base = LOCKSTEP_POLICY;
const records: Record<string, Policy> = {
  lockstep: base,
  'vllm-v1': {
    ...base,
    name: 'vllm-v1',
    ubatches: 2,
    ubatchAgreement: 'all-wish',
    lastPart: 'refuse',
    eagerParts: 'equal-shares',
    split: 'padded-share',
    sharedBlocks: 'veto',
    graphAgreement: 'min-mode-padded',
    decodeMatch: 'uniform',
    mixedGraphs: 'never',
    eagerGather: 'own-padded',
  },
  atom: {
    ...base,
    name: 'atom',
    ubatches: 2,
    ubatchAgreement: 'any-minimum',
    ubatchThresholdDecode: 1,
    ubatchMinRequests: 3,
    mixedGraphs: 'never',
    eagerGather: 'padded-decode',
    decodeMatch: 'uniform',
  },
  trtllm: { ...base, name: 'trtllm', mixedGraphs: 'never', decodeMatch: 'uniform' },
  megatron: { ...base, name: 'megatron', mixedGraphs: 'one-rank', maxPaddingFactor: 1000 },
};
export function namedPolicy(name: string): Policy {
  return records[name];
}
export function policyNames(): string[] {
  return Object.keys(records);
}
