import { Faults, hasFields, withoutUndefined } from '../checks.js';
import { shown } from '../errors.js';
import { ENUMS, MAX_PARTS, POLICY_WORDS, word } from '../layout/index.js';
import { POLICY_DEFAULTS } from '../names.js';
import {
  checkFormerRules,
  type FormerRules,
  formerRuleWords,
  refuseFormerRules,
  TODAYS_RULES,
} from './former-rules.js';
import { permille } from './padding-limit.js';

/** A resource that a part of the forward uses exclusively while it runs: parts that use the same one cannot overlap. */
export type ExclusiveResource = keyof typeof ENUMS.RESOURCE;

/** A `maxPaddingFactor` that no graph exceeds. */
export const NO_PADDING_LIMIT = 2_000_000;

/** The choices behind every decision, as plain data. A JSON file can hold one. */
export interface Policy {
  /** Its name in reports. Default 'lockstep'. */
  readonly name: string;

  /** Micro-batches a step may be cut into; 1 never cuts. Default 1 (vLLM's num_ubatches; 2 under DBO). */
  readonly ubatches: number;
  /** Least tokens of its own with which a rank that only decodes wants micro-batches. Default 32 (vLLM's dbo_decode_token_threshold). */
  readonly ubatchThresholdDecode: number;
  /** The same with a prefill in the batch. Default 512 (vLLM's dbo_prefill_token_threshold). */
  readonly ubatchThresholdPrefill: number;
  /** While the last step ran in micro-batches, the thresholds are this many tokens lower. Default 0: no hysteresis. */
  readonly ubatchHysteresis: number;
  /** Least requests with which a rank that only decodes can be cut; 0: as many as `ubatches`. Default 0 (ATOM runs from 3). */
  readonly ubatchMinRequests: number;
  /** Capture each size from the threshold on both plain and ubatched; else ubatched only. Default true. */
  readonly twins: boolean;
  /**
   * Which ranks must want micro-batches. 'busy-wish' (default): every busy rank wants them, by its own tokens; idle ranks
   * abstain. 'all-wish': every rank, idle ones too (vLLM V1). 'min-tokens': every rank can be cut, and the least
   * tokens of any rank reach the threshold, that of prefills unless all decode with one query length (vLLM V2). 'any-minimum':
   * one rank reaches it, every rank can be cut, and all hold a prefill or none does; an idle rank counts as without one (ATOM).
   * 'same-phase': all can be cut, and busy ranks hold the same phase, whatever their tokens (SGLang).
   */
  readonly ubatchAgreement: keyof typeof ENUMS.UBATCH_AGREEMENT;
  /**
   * What happens to a step whose last micro-batch would be all padding on the rank with the fewest tokens. 'run' (default):
   * it runs. 'refuse': the step is not cut, by the largest size that any rank padded to (vLLM V1). 'eager': it is cut, and runs
   * eager, by the graph's size (vLLM V2). Both count size / parts, rounded down, for each part before the last.
   */
  readonly lastPart: keyof typeof ENUMS.LAST_PART;
  /** What an eager step does whose micro-batch is all padding on some rank: run it as a dummy, or do not cut. Default 'dummy'. */
  readonly eagerEmptyPart: keyof typeof ENUMS.EMPTY_PART;
  /**
   * Sizes of eager micro-batches: 'maxima' of the ranks' own parts (default), or 'equal-shares' of the largest batch, padded, where
   * every rank then cuts, whatever its batch holds (vLLM; it takes `split: 'padded-share'` and `sharedBlocks: 'veto'`).
   */
  readonly eagerParts: keyof typeof ENUMS.EAGER_PARTS;
  /**
   * Where a rank cuts a batch with prefills: at equal shares of its tokens, decodes kept whole ('token-share', default); at the
   * request boundary nearest to the middle ('balanced', ATOM); at exact shares of tokens ('token-midpoint', ATOM); at
   * multiples of the padded size ('padded-share', vLLM). Decodes alone are cut by requests.
   */
  readonly split: keyof typeof ENUMS.SPLIT;
  /**
   * Two parts that touch one block, one of them writing it. 'layer-order' (default): micro-batches are vetoed where the part
   * that reads comes before the part that writes. 'veto': wherever a prefill reads what another request writes (vLLM).
   */
  readonly sharedBlocks: keyof typeof ENUMS.SHARED_BLOCKS;

  /** Token counts that cross ranks are multiples of this (tensor or context parallelism). Default 1. */
  readonly tokenAlignment: number;
  /** Run no graph at all. Default false. */
  readonly enforceEager: boolean;
  /**
   * What decides the graph. 'shape' (default): the largest batch of any rank. 'min-mode-padded': the least mode that any
   * rank found for its own batch, at the largest size any rank padded to (vLLM V1). 'min-mode': the same at the largest real
   * size, and micro-batches only on graphs captured with them (vLLM V2). For an idle rank the mode of its dummy batch counts.
   * With 'min-mode-padded' micro-batches may be parts of a piecewise graph: they take `split` and `sharedBlocks` as 'equal-shares'
   * does.
   */
  readonly graphAgreement: keyof typeof ENUMS.GRAPH_AGREEMENT;
  /**
   * Which decodes run on decode graphs. 'padded' (default): a request with fewer tokens than the graph's query length is padded to it.
   * 'uniform': those of one length alone. 'exact': of these only as many requests on the largest rank as the graph has (SGLang with
   * disable_cuda_graph_padding). 'exact-all': only as many on every rank, so that none is padded (TensorRT-LLM without enable_padding).
   */
  readonly decodeMatch: keyof typeof ENUMS.DECODE_MATCH;
  /**
   * Steps on full graphs with prefill slots. 'agreed' (default): those with prefills. 'one-rank': the same, where there is one rank alone
   * (Megatron). 'never': none. 'any-step': decodes too, so that one graph of a size serves every step (vLLM's mode FULL). 'decodes': decodes
   * alone, each of as many tokens as a slot holds (vLLM's graphs of decodes of any length).
   */
  readonly mixedGraphs: keyof typeof ENUMS.MIXED_GRAPHS;
  /**
   * Which mixed graph holds a batch. 'slots' (default): its prefill slots the prefills, and all its slots all requests, for a
   * prefill slot may hold a decode. 'strict': also its decode slots the decodes.
   */
  readonly mixedMatch: Exclude<keyof typeof ENUMS.MIXED_MATCH, 'slot-count'>;
  /**
   * Most tokens of a mixed or piecewise graph, as a multiple of the largest rank's, in thousandths, where 'shape' decides
   * the graph; `NO_PADDING_LIMIT` for no limit. Default 2 (SGLang's prefill graphs).
   */
  readonly maxPaddingFactor: number;
  /**
   * What eager MoE layers gather. 'variable' (default): each rank its own tokens. 'padded-decode': if all ranks decode,
   * each the largest (ATOM). 'max-or-sum': if all ranks decode, each the largest, or the sum if twice that is less; else the sum
   * (SGLang). 'own-padded': each rank its own padded size (vLLM V1).
   */
  readonly eagerGather: keyof typeof ENUMS.EAGER_GATHER;

  /** Resources that exist once for all parts. Default none: each part has its own. */
  readonly exclusiveResources: readonly ExclusiveResource[];
  /** Whether parts that share an exclusive resource run one after the other or overlap anyway. Default 'serialize'. */
  readonly onSharedResource: keyof typeof ENUMS.ON_SHARED_RESOURCE;
  /** Least requests of a key that is captured with micro-batches; 0: the least with which steps are cut. Default 0. */
  readonly ubatchCaptureMinRequests: number;
}

/** A policy whose rules may be former ones, which only the checker explores. Every `Policy` is a `CheckedPolicy`. */
export interface CheckedPolicy extends Omit<Policy, 'mixedMatch'>, Partial<FormerRules> {
  /** As in a policy, or 'slot-count': the sum of its slots holds all requests (Megatron before pull request 3509). */
  readonly mixedMatch: keyof typeof ENUMS.MIXED_MATCH;
}

/** The default of every choice. */
export const LOCKSTEP_POLICY: Policy = Object.freeze({
  ...POLICY_DEFAULTS,
  ubatchHysteresis: 0,
  ubatchMinRequests: 0,
  twins: true,
  ubatchAgreement: 'busy-wish',
  lastPart: 'run',
  eagerEmptyPart: 'dummy',
  eagerParts: 'maxima',
  split: 'token-share',
  sharedBlocks: 'layer-order',
  tokenAlignment: 1,
  enforceEager: false,
  graphAgreement: 'shape',
  decodeMatch: 'padded',
  mixedGraphs: 'agreed',
  mixedMatch: 'slots',
  maxPaddingFactor: 2,
  eagerGather: 'variable',
  exclusiveResources: Object.freeze([]),
  onSharedResource: 'serialize',
  ubatchCaptureMinRequests: 0,
});

/** Choices among a few names. */
const CHOICES = {
  ubatchAgreement: ENUMS.UBATCH_AGREEMENT,
  lastPart: ENUMS.LAST_PART,
  eagerEmptyPart: ENUMS.EMPTY_PART,
  eagerParts: ENUMS.EAGER_PARTS,
  split: ENUMS.SPLIT,
  sharedBlocks: ENUMS.SHARED_BLOCKS,
  graphAgreement: ENUMS.GRAPH_AGREEMENT,
  decodeMatch: ENUMS.DECODE_MATCH,
  mixedGraphs: ENUMS.MIXED_GRAPHS,
  mixedMatch: ENUMS.MIXED_MATCH,
  eagerGather: ENUMS.EAGER_GATHER,
  onSharedResource: ENUMS.ON_SHARED_RESOURCE,
} as const;
type Choice = keyof typeof CHOICES;

/** Choices that are counts, with their least value. */
const COUNTS = {
  ubatches: 1,
  ubatchThresholdDecode: 1,
  ubatchThresholdPrefill: 1,
  ubatchHysteresis: 0,
  ubatchMinRequests: 0,
  ubatchCaptureMinRequests: 0,
  tokenAlignment: 1,
} as const;
type Count = keyof typeof COUNTS;
const MOST: Partial<Record<Count, number>> = { ubatches: MAX_PARTS, tokenAlignment: 1 << 16 };

/**
 * A policy with its defaults, frozen. A former rule may name the current one, as old files do, and is then dropped. Throws
 * `ERR_CONFIG_INVALID` with every fault at once.
 */
export function completePolicy(given: Partial<Policy> = {}): Policy {
  const { former, own } = apart(given);
  const faults = new Faults();
  const policy = checkedChoices(own, faults);
  refuseFormerRules({ ...former, mixedMatch: policy.mixedMatch }, faults);
  faults.throwIfAny('This policy');
  return Object.freeze({ ...policy, exclusiveResources: Object.freeze([...policy.exclusiveResources]) });
}

/**
 * A policy for the checker: with its defaults and the former rules that it names, frozen. Throws `ERR_CONFIG_INVALID` with every
 * fault at once.
 */
export function completeCheckedPolicy(given: Partial<CheckedPolicy> = {}): CheckedPolicy {
  const { former, own } = apart(given);
  const faults = new Faults();
  const policy = checkedChoices(own, faults);
  checkFormerRules(former, faults);
  faults.throwIfAny('This policy');
  const resources = Object.freeze([...policy.exclusiveResources]);
  return Object.freeze({ ...policy, ...former, exclusiveResources: resources });
}

/** The same choices under the current rules. */
export function todaysPolicy(policy: CheckedPolicy): Policy {
  const { mixedMatch, ...own } = apart(policy).own;
  return completePolicy({ ...own, ...(policy.mixedMatch !== 'slot-count' && { mixedMatch: policy.mixedMatch }) });
}

/** The former rules that are given, and all else. */
function apart(given: Partial<CheckedPolicy>): { former: Partial<FormerRules>; own: Partial<Policy> } {
  // A value without fields is passed on, and refused with all other faults.
  if (!hasFields(given)) return { former: {}, own: given as Partial<Policy> };
  const named = Object.entries(withoutUndefined(given));
  const pick = (isFormer: boolean): object =>
    Object.fromEntries(named.filter(([name]) => Object.hasOwn(TODAYS_RULES, name) === isFormer));
  return { former: pick(true), own: pick(false) };
}

/** The choices with their defaults. Notes every fault except a match of mixed graphs that only the checker explores. */
function checkedChoices(given: Partial<Policy>, faults: Faults): Policy {
  const policy: Policy = { ...LOCKSTEP_POLICY, ...given };
  faults.names('policy', given, Object.keys(LOCKSTEP_POLICY));
  faults.check(
    typeof policy.name === 'string' && policy.name !== '',
    `policy name is ${shown(policy.name)}; it must be a string that is not empty`,
  );
  for (const name of Object.keys(COUNTS) as Count[]) {
    faults.integer(name, policy[name], COUNTS[name], MOST[name] ?? 2 ** 31 - 1);
  }
  for (const name of Object.keys(CHOICES) as Choice[]) faults.choice(name, policy[name], Object.keys(CHOICES[name]));
  faults.number('maxPaddingFactor', policy.maxPaddingFactor, 1, NO_PADDING_LIMIT);
  faults.check(typeof policy.enforceEager === 'boolean', 'enforceEager must be true or false');
  faults.check(typeof policy.twins === 'boolean', 'twins must be true or false');
  const resources = policy.exclusiveResources;
  faults.check(
    Array.isArray(resources) &&
      resources.every((name) => typeof name === 'string' && Object.hasOwn(ENUMS.RESOURCE, name)),
    `exclusiveResources is ${shown(resources)}; it must be a list of ${Object.keys(ENUMS.RESOURCE).join(', ')}`,
  );
  checkAgreedCuts(policy, faults);
  return policy;
}

/** The policy as the rules module reads it. */
export function policyWords(policy: CheckedPolicy): Int32Array {
  const words = new Int32Array(POLICY_WORDS.length);
  for (const name of Object.keys(COUNTS) as Count[]) words[word(POLICY_WORDS, name)] = policy[name];
  for (const name of Object.keys(CHOICES) as Choice[]) {
    words[word(POLICY_WORDS, name)] = (CHOICES[name] as Record<string, number>)[policy[name]];
  }
  for (const [name, value] of formerRuleWords(policy)) words[word(POLICY_WORDS, name)] = value;
  words[word(POLICY_WORDS, 'maxPaddingPermille')] = permille(policy.maxPaddingFactor);
  words[word(POLICY_WORDS, 'enforceEager')] = policy.enforceEager ? 1 : 0;
  words[word(POLICY_WORDS, 'exclusiveResources')] = policy.exclusiveResources.reduce(
    (bits, name) => bits | ENUMS.RESOURCE[name],
    0,
  );
  return words;
}

/**
 * Parts that are shares of an agreed size end at positions that no rank knows when it votes. So `split` has to be 'padded-share', and a
 * veto cannot depend on the rank's own cut, which would be another one.
 */
function checkAgreedCuts({ ubatches, eagerParts, graphAgreement, split, sharedBlocks }: Policy, faults: Faults): void {
  const shares = eagerParts === 'equal-shares';
  if (ubatches === 1 || (!shares && graphAgreement !== 'min-mode-padded')) return;
  const cut = shares ? 'eagerParts "equal-shares"' : 'graphAgreement "min-mode-padded"';
  const other = shares ? 'eagerParts: "maxima"' : 'graphAgreement: "shape"';
  const why = `with ${cut} micro-batches are cut at shares of the size that the ranks agree on`;
  faults.check(
    split === 'padded-share',
    `split is ${shown(split)}, but ${why}: set split: "padded-share", or ${other}`,
  );
  faults.check(
    sharedBlocks === 'veto',
    `sharedBlocks is ${shown(sharedBlocks)}, but ${why}, so that no rank can tell in its vote which part writes a block: set sharedBlocks: "veto", or ${other}`,
  );
}

/** Whether decodes are padded to the requests of a decode graph: else only a batch of exactly its size runs on it. */
export function padsDecodes({ decodeMatch }: Partial<Pick<CheckedPolicy, 'decodeMatch'>>): boolean {
  return decodeMatch !== 'exact' && decodeMatch !== 'exact-all';
}

/** The policy with decodes padded: that of graphs whose sizes are chosen to be padded to. */
export function withPaddedDecodes(policy: Policy): Policy {
  return padsDecodes(policy) ? policy : Object.freeze({ ...policy, decodeMatch: 'uniform' });
}

/** Least requests with which a rank that only decodes is cut into micro-batches. */
export function ubatchMinRequests(policy: Pick<Policy, 'ubatches' | 'ubatchMinRequests'>): number {
  return Math.max(policy.ubatches, policy.ubatchMinRequests);
}
