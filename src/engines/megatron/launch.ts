import { LockstepError, shown } from '../../errors.js';
import type { CommandLine } from '../command-line.js';
import type { EngineProfile, MoeDispatcher } from '../profile/engine-profile.js';
import type { LaunchSettings } from '../profile/launch-settings.js';
import type { MegatronDistribution } from './ladder.js';

export const NUM_GRAPHS = '--inference-dynamic-batching-num-cuda-graphs';
export const DISTRIBUTION = '--inference-dynamic-batching-cuda-graph-sizing-distribution';
const DISPATCHER = '--inference-moe-token-dispatcher-type';
const DISTRIBUTIONS = ['exponential', 'linear', 'hybrid'];

/** What a Megatron command line says about graphs. Errors: ERR_INPUT_INVALID for what Megatron refuses. */
export function megatronLaunch(line: CommandLine): LaunchSettings {
  const numGraphs = line.integer(NUM_GRAPHS);
  const distribution = line.value(DISTRIBUTION)?.toLowerCase();
  if (distribution !== undefined && !DISTRIBUTIONS.includes(distribution)) {
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      `${DISTRIBUTION} is ${shown(distribution)}; it must be exponential, linear or hybrid`,
      { engine: 'megatron', distribution },
    );
  }
  const off = line.value('--cuda-graph-impl') === 'none' || line.has('--enforce-eager');
  const drafts = line.integer('--num-speculative-tokens', '--inference-num-speculative-tokens');
  const mixedPrefills = line.integer('--inference-dynamic-batching-cuda-graph-mixed-prefill-count');
  const maxGraphTokens = line.integer(
    '--inference-cuda-graph-max-tokens',
    '--inference-dynamic-batching-cuda-graph-max-tokens',
  );
  const dispatcher = dispatcherOf(line);
  const profile: Partial<EngineProfile> = {
    tensorParallelSize: line.integer('--tensor-model-parallel-size'),
    pipelineParallelSize: line.integer('--pipeline-model-parallel-size'),
    expertParallelSize: line.integer('--expert-model-parallel-size'),
    maxNumSeqs: line.integer('--inference-dynamic-batching-max-requests'),
    maxNumBatchedTokens: line.integer('--inference-dynamic-batching-max-tokens'),
    maxModelLen: line.integer('--inference-max-seq-length'),
    ...(numGraphs !== undefined && { numGraphs }),
    ...(distribution !== undefined && { distribution: distribution as MegatronDistribution }),
    ...(drafts !== undefined && { queryLen: 1 + drafts }),
    ...(line.has('--sequence-parallel') && { sequenceParallel: true }),
    ...(line.has('--decode-only-cuda-graphs') && { decodeOnly: true }),
    ...(line.has('--inference-cuda-graph-all-prefills') && { allPrefills: true }),
    ...(mixedPrefills !== undefined && { mixedPrefills }),
    ...(maxGraphTokens !== undefined && { maxGraphTokens }),
    ...(dispatcher !== undefined && { moeDispatcher: dispatcher }),
    ...(off && { graphMode: 'NONE' as const }),
  };
  return { profile, graphs: off || numGraphs !== undefined };
}

/** The dispatcher of experts, which is read with the layers for inference alone; there it is NVLS by default. */
function dispatcherOf(line: CommandLine): MoeDispatcher | undefined {
  const type = line.value(DISPATCHER);
  if (type !== undefined && type !== 'nccl' && type !== 'nvls') {
    throw new LockstepError('ERR_INPUT_INVALID', `${DISPATCHER} is ${shown(type)}; it must be nccl or nvls`, {
      engine: 'megatron',
      dispatcher: type,
    });
  }
  return line.value('--transformer-impl') === 'inference_optimized' ? (type ?? 'nvls') : undefined;
}
