import { Faults, withoutUndefined } from '../config.js';
import { shown } from '../errors.js';
import { ENUMS, MAX_PARTS, POLICY_WORDS, word } from './layout.js';

/** The choices behind every decision, as plain data. A JSON file can hold one. */
export interface Policy {
  readonly name: 'lockstep';
  /** Micro-batches a step may be cut into; 1 never cuts. Default 1 (vLLM's num_ubatches; 2 under DBO). */
  readonly ubatches: number;
  /** Least tokens of its own with which a rank that only decodes wishes micro-batches. Default 32 (vLLM's dbo_decode_token_threshold). */
  readonly ubatchThresholdDecode: number;
  /** The same with a prefill in the batch. Default 512 (vLLM's dbo_prefill_token_threshold). */
  readonly ubatchThresholdPrefill: number;
  /** Token counts that cross ranks are multiples of this (tensor or context parallelism). Default 1. */
  readonly tokenAlignment: number;
  /** What an eager step does whose micro-batch is all padding on some rank: run it as a dummy, or do not cut. Default 'dummy'. */
  readonly eagerEmptyPart: 'dummy' | 'plain';
  /** Run no graph at all. Default false. */
  readonly enforceEager: boolean;
}

export const LOCKSTEP_POLICY: Policy = Object.freeze({
  name: 'lockstep',
  ubatches: 1,
  ubatchThresholdDecode: 32,
  ubatchThresholdPrefill: 512,
  tokenAlignment: 1,
  eagerEmptyPart: 'dummy',
  enforceEager: false,
});

/** A policy with its defaults, frozen. Throws `ERR_CONFIG_INVALID` with every fault at once. */
export function completePolicy(given: Partial<Policy> = {}): Policy {
  const policy: Policy = { ...LOCKSTEP_POLICY, ...withoutUndefined(given) };
  const faults = new Faults();
  faults.names('policy', given, Object.keys(LOCKSTEP_POLICY));
  faults.check(policy.name === 'lockstep', `policy name is ${shown(policy.name)}; this version knows "lockstep"`);
  faults.integer('ubatches', policy.ubatches, 1, MAX_PARTS);
  faults.integer('ubatchThresholdDecode', policy.ubatchThresholdDecode, 1, 2 ** 31 - 1);
  faults.integer('ubatchThresholdPrefill', policy.ubatchThresholdPrefill, 1, 2 ** 31 - 1);
  faults.integer('tokenAlignment', policy.tokenAlignment, 1, 1 << 16);
  faults.check(
    policy.eagerEmptyPart === 'dummy' || policy.eagerEmptyPart === 'plain',
    `eagerEmptyPart is ${shown(policy.eagerEmptyPart)}; it must be "dummy" or "plain"`,
  );
  faults.check(typeof policy.enforceEager === 'boolean', 'enforceEager must be true or false');
  faults.throwIfAny('This policy');
  return Object.freeze(policy);
}

/** The policy as the rules module reads it. */
export function policyWords(policy: Policy): Int32Array {
  const words = new Int32Array(POLICY_WORDS.length);
  words[word(POLICY_WORDS, 'ubatches')] = policy.ubatches;
  words[word(POLICY_WORDS, 'ubatchThresholdDecode')] = policy.ubatchThresholdDecode;
  words[word(POLICY_WORDS, 'ubatchThresholdPrefill')] = policy.ubatchThresholdPrefill;
  words[word(POLICY_WORDS, 'tokenAlignment')] = policy.tokenAlignment;
  words[word(POLICY_WORDS, 'eagerEmptyPart')] = ENUMS.EMPTY_PART[policy.eagerEmptyPart];
  words[word(POLICY_WORDS, 'enforceEager')] = policy.enforceEager ? 1 : 0;
  return words;
}
