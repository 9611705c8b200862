import { RawRules } from '../agreement/index.js';
import { completeLimits } from '../config.js';
import type { PlannerModules } from '../memory/index.js';
import { type LocalState, localStates, type ReplicaState, replicaStates } from './domain.js';
import type { CheckedPair } from './standard-domain.js';
import { checkWords } from './table-explorer.js';

/** Rules to explore, and the states that they themselves make of a domain. */
export interface CheckedRules {
  readonly rules: RawRules;
  readonly local: readonly LocalState[];
  readonly replicas: readonly ReplicaState[];
}

/** Rules for `ranks` ranks in replicas of `replicaSize`, with room for the tables of their states. The same wherever it is called. */
export function rulesOf(modules: PlannerModules, pair: CheckedPair, ranks: number, replicaSize = 1): CheckedRules {
  const { policy, plan } = pair;
  const { maxNumSeqs, maxNumBatchedTokens, queryLen } = pair.limits;
  // Blocks do not matter here: one block holds any request.
  const blockSize = maxNumBatchedTokens + 1;
  const limits = completeLimits({
    maxNumSeqs,
    maxNumBatchedTokens,
    queryLen,
    blockSize,
    maxModelLen: blockSize,
    numBlocks: maxNumSeqs + 1,
  });
  const options = { limits, policy, keys: plan.keys, ranks, replicaSize };
  const voting = new RawRules(modules, options);
  const local = localStates(voting);
  const replicas = replicaStates(voting, local, replicaSize);
  const words = checkWords(replicas.length * replicaSize, plan.keys.length);
  return { rules: new RawRules(modules, { ...options, checkWords: words }), local, replicas };
}
