import { LockstepError, shown } from '../errors.js';
import { POLICY_NAMES, type PolicyName } from '../names.js';
import { LOCKSTEP_POLICY, NO_PADDING_LIMIT, type Policy } from '../policy/index.js';

/** Choices on which both vLLM runners agree. */
const VLLM: Policy = {
  ...LOCKSTEP_POLICY,
  /** dbo_decode_token_threshold, dbo_prefill_token_threshold. */
  ubatchThresholdDecode: 32,
  ubatchThresholdPrefill: 512,
  /** create_ubatch_slices: every part an equal share of the padded batch, cut inside requests too. */
  eagerParts: 'equal-shares',
  split: 'padded-share',
  /** _allow_microbatching: a prefill that reads blocks another request writes in this step vetoes. */
  sharedBlocks: 'veto',
  /** BatchDescriptor.uniform, uniform_token_count: a decode graph serves exactly its query length. */
  decodeMatch: 'uniform',
  /** FULL_AND_PIECEWISE, the default: full graphs for uniform decodes only, the largest piecewise size for everything else. */
  mixedGraphs: 'never',
  maxPaddingFactor: NO_PADDING_LIMIT,
};

const POLICIES: Readonly<Record<PolicyName, Policy>> = Object.freeze({
  lockstep: LOCKSTEP_POLICY,

  /** vLLM's first runner: gpu_model_runner.py, dp_utils.py, gpu_ubatch_wrapper.py. */
  'vllm-v1': Object.freeze({
    ...VLLM,
    name: 'vllm-v1',
    /** gpu_ubatch_wrapper keeps one graph a size: a size captured with micro-batches runs eager without them (pull request 27771, not merged). */
    twins: false,
    /** coordinate_batch_across_dp: every rank's row 2, on unpadded tokens; a rank's dummy batch is below the threshold. */
    ubatchAgreement: 'all-wish',
    /** is_last_ubatch_empty aborts micro-batches. */
    lastPart: 'refuse',
    /** coordinate_batch_across_dp: the minimum of row 3, at the maximum of row 1. */
    graphAgreement: 'min-mode-padded',
    /** The same function: row 1 unchanged if nothing is padded. */
    eagerGather: 'own-padded',
  }),

  /** vLLM's second runner: worker/gpu/cudagraph_utils.py, dp_utils.py. */
  'vllm-v2': Object.freeze({
    ...VLLM,
    name: 'vllm-v2',
    /** CudaGraphManager with a ubatch runner: each uniform full graph above the threshold has a twin. */
    twins: true,
    /** dp_utils: all allow, and the thresholds hold for the least tokens of any rank. */
    ubatchAgreement: 'min-tokens',
    /** dp_utils (pull request 57020): eager micro-batches where the last part of the smallest rank would be all padding. */
    lastPart: 'eager',
    /** dp_utils: the minimum of the desired modes, dispatched again at the maximum of the real tokens. */
    graphAgreement: 'min-mode',
    /** dp_utils: mode NONE leaves the token counts as they are. */
    eagerGather: 'variable',
  }),

  /** SGLang: decode_cuda_graph_runner, prefill_cuda_graph_runner, two_batch_overlap, dp_attn. */
  sglang: Object.freeze({
    ...LOCKSTEP_POLICY,
    name: 'sglang',
    /** can_run_graph: with two-batch overlap on, nothing is captured without it. */
    twins: false,
    /** TboDPAttentionPreparer: all can, and all that are not idle hold the same forward mode; there is no threshold. */
    ubatchAgreement: 'same-phase',
    ubatchThresholdDecode: 1,
    ubatchThresholdPrefill: 1,
    /** A replay cuts at the padded batch: the second half may be all padding. */
    lastPart: 'run',
    /** compute_split_seq_index: prefills at the request boundary nearest to the middle. */
    split: 'balanced',
    /** can_run_graph: the size is the maximum over ranks. */
    graphAgreement: 'shape',
    /** can_run_graph: requests times width must be the number of input ids. */
    decodeMatch: 'uniform',
    /** Prefill graphs are piecewise; _MAX_PREFILL_CUDA_GRAPH_PADDING_FACTOR. */
    mixedGraphs: 'never',
    maxPaddingFactor: 2,
    /** DpPaddingMode.get_dp_padding_mode. */
    eagerGather: 'max-or-sum',
  }),

  /** TensorRT-LLM: cuda_graph_runner, model_engine. */
  trtllm: Object.freeze({
    ...LOCKSTEP_POLICY,
    name: 'trtllm',
    /** pad_batch under attention DP: all can run, and all pad to the largest batch of any rank. */
    graphAgreement: 'shape',
    /** Draft lengths are equal within a batch, and the key holds them. */
    decodeMatch: 'uniform',
    /** maybe_get_cuda_graph: generation only. Prefills run piecewise at the bucket of the maximum over ranks, however large. */
    mixedGraphs: 'never',
    maxPaddingFactor: NO_PADDING_LIMIT,
    /** all_rank_num_tokens. */
    eagerGather: 'variable',
  }),

  /** Megatron-LM: batch_dimensions_utils.py. */
  megatron: Object.freeze({
    ...LOCKSTEP_POLICY,
    name: 'megatron',
    /** adjust_batch_dims_for_expert_parallelism: the maximum of the tokens. */
    graphAgreement: 'shape',
    /** A decode shape holds whatever has no more tokens and no more requests. */
    decodeMatch: 'padded',
    /** The same function: any prefill on any rank makes all of them eager. */
    mixedGraphs: 'one-rank',
    /** is_applicable_for_batch_dim, not strict: a prefill slot may hold a decode. */
    mixedMatch: 'slots',
    maxPaddingFactor: NO_PADDING_LIMIT,
    eagerGather: 'variable',
  }),

  /** ATOM: forward_context.py, tbo/, model_runner.py. */
  atom: Object.freeze({
    ...LOCKSTEP_POLICY,
    name: 'atom',
    /** The sync row: any meets the minimum, all can split, all prefill or none. */
    ubatchAgreement: 'any-minimum',
    /** meets-min: a decode always does. */
    ubatchThresholdDecode: 1,
    /** can-split: a decode batch of more than 2 requests, in capture as in a step (pull request 1275). */
    ubatchMinRequests: 3,
    ubatchCaptureMinRequests: 0,
    /** can-split keeps parts from being empty. */
    lastPart: 'run',
    eagerEmptyPart: 'dummy',
    /** Sizes of parts are maxima over the ranks, never this rank's own (pull request 1275). */
    eagerParts: 'maxima',
    /** Prefills at the first prefix sum of half the tokens, or the boundary before it if nearer. */
    split: 'balanced',
    /** ForwardMode (pull request 1120): one record decides, for the preparation of inputs too. */
    graphAgreement: 'shape',
    decodeMatch: 'padded',
    mixedGraphs: 'never',
    /** The padded all-gather is taken where all decode, in a graph or not. */
    eagerGather: 'padded-decode',
  }),
});

/** Names that `namedPolicy` knows, ours first. */
export function policyNames(): readonly PolicyName[] {
  return POLICY_NAMES;
}

export function isPolicyName(name: string): name is PolicyName {
  return Object.hasOwn(POLICIES, name);
}

/**
 * The policy of that name, frozen. Micro-batches are off (`ubatches` 1), as in every engine by default; other choices that
 * depend on a deployment have the engine's default. Errors: ERR_CONFIG_INVALID listing the known names.
 */
export function namedPolicy(name: PolicyName): Policy {
  if (typeof name === 'string' && isPolicyName(name)) return POLICIES[name];
  throw new LockstepError(
    'ERR_CONFIG_INVALID',
    `No policy is called ${shown(name)}: there are ${policyNames().join(', ')}`,
    { policy: name, names: policyNames() },
  );
}
