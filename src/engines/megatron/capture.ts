import { type CaptureKey, decodeKey, mixedKey } from '../../keys/index.js';
import { ascending } from '../../numbers.js';
import type { Captured } from '../profile/captured.js';
import type { CompleteProfile } from '../profile/engine-profile.js';
import { type MegatronConfig, megatronGraphTokens, megatronShapes } from './ladder.js';

/**
 * What Megatron captures: its shapes, those without a prefill as decode graphs. A list, which it does not take itself, stands for decode
 * graphs of as many whole requests as each size holds. Source: Megatron-LM `generate_cuda_graph_batch_dimensions_list`.
 */
export function captureMegatron(profile: CompleteProfile): Captured {
  const { enforceEager, graphMode, queryLen, maxModelLen } = profile;
  const { config, notes } = megatronProfile(profile);
  if (enforceEager || graphMode === 'NONE' || config.numGraphs === null) return { sizes: [], keys: [], mode: 'NONE' };
  const shapes = profile.sizes === null ? megatronShapes(config) : listed(profile.sizes, config.maxRequests, queryLen);
  const decodes = shapes.filter(([, prefills]) => prefills === 0);
  const mixed = shapes.filter(([, prefills]) => prefills > 0);
  const keys: CaptureKey[] = [
    ...ascending(decodes.map(([tokens]) => Math.floor(tokens / queryLen))).map((count) =>
      decodeKey(count, queryLen, 1),
    ),
    ...mixed.map(([tokens, prefills, requests]) => ({
      ...mixedKey(tokens, prefills, requests, queryLen),
      maxQueryLen: Math.max(queryLen, Math.min(tokens, maxModelLen)),
    })),
  ];
  const sizes = ascending(decodes.map(([tokens]) => tokens));
  // Ranks whose dispatcher takes another number of tokens from each need not agree that none of them holds a prefill.
  const apart = profile.expertParallelSize > 1 && profile.moeDispatcher === 'nvls';
  return {
    sizes,
    keys,
    ...(apart && { choices: { mixedGraphs: 'agreed' } }),
    mode: mixed.length > 0 ? 'FULL' : 'FULL_DECODE_ONLY',
    dropped: (profile.sizes ?? []).filter((size) => !sizes.includes(size)),
    notes,
  };
}

/** Megatron's configuration by a profile, with no more requests than it lets one graph decode. */
export function megatronProfile(profile: CompleteProfile): { config: MegatronConfig; notes: string[] } {
  const { maxNumSeqs, maxNumBatchedTokens, queryLen, maxModelLen, maxGraphTokens, allPrefills } = profile;
  const lost = losesMixedGraphs(profile);
  const maxRequests = Math.min(maxNumSeqs, Math.floor(maxNumBatchedTokens / queryLen));
  const base = { maxRequests, maxTokens: maxNumBatchedTokens, numSpeculativeTokens: queryLen - 1 };
  const version = profile.version as '2026-05' | '2026-08';
  return {
    config: {
      ...base,
      maxSequenceLength: maxModelLen,
      numGraphs: profile.numGraphs,
      distribution: profile.distribution,
      tensorParallelSize: profile.tensorParallelSize,
      mixedPrefillRequestCount: profile.mixedPrefills,
      nonDecodeGraphs: !profile.decodeOnly && !lost,
      maxGraphTokens: megatronGraphTokens(base, { maxGraphTokens, allPrefills, version }),
    },
    notes: [
      ...(maxRequests < maxNumSeqs
        ? [
            `it refuses ${maxNumSeqs} requests of ${queryLen} tokens in ${maxNumBatchedTokens}; this is for ${maxRequests}`,
          ]
        : []),
      ...(lost && !profile.decodeOnly
        ? [
            `with expert parallelism the ${profile.moeDispatcher} dispatcher leaves graphs of decodes alone; nvls keeps those with prefills`,
          ]
        : []),
    ],
  };
}

/**
 * Whether the dispatcher of experts takes graphs of steps with prefills away: all but NVLS gather as many tokens from every rank in a graph.
 * Source: Megatron-LM `DynamicInferenceContext`, `NVLSAllGatherVDispatcher` (pull request 4258).
 */
function losesMixedGraphs({ expertParallelSize, moeDispatcher, version }: CompleteProfile): boolean {
  return version !== '2026-05' && expertParallelSize > 1 && moeDispatcher !== 'nvls';
}

/** Decode shapes of a list in tokens: as many whole requests as fit each, at most all of them. */
function listed(sizes: readonly number[], maxRequests: number, queryLen: number): [number, number, number][] {
  return ascending(sizes.map((size) => Math.min(Math.floor(size / queryLen), maxRequests)))
    .filter((count) => count > 0)
    .map((count) => [count * queryLen, 0, count]);
}
