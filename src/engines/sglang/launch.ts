import { LockstepError, shown } from '../../errors.js';
import type { CommandLine } from '../command-line.js';
import { sizeOf } from '../command-line.js';
import type { EngineProfile } from '../profile/engine-profile.js';
import type { LaunchSettings } from '../profile/launch-settings.js';
import { sglangPrefillSizes } from './ladder.js';

/** One phase of `--cuda-graph-config`, with the flags of that phase. For prefills sizes are tokens. */
interface PhaseConfig {
  readonly backend?: string;
  readonly bs?: readonly number[];
  readonly maxBs?: number;
}

/** What an SGLang command line says about graphs. Errors: ERR_INPUT_INVALID for what SGLang refuses. */
export function sglangLaunch(line: CommandLine): LaunchSettings {
  const config = graphConfig(line);
  const decode = decodeConfig(line, config);
  const prefill = prefillConfig(line, config);
  const off = line.has('--disable-cuda-graph') || decode.backend === 'disabled';
  const sizes = decode.bs;
  const maxSize = decode.maxBs;
  const tp = line.integer('--tensor-parallel-size', '--tp-size', '--tp');
  const dp = line.integer('--data-parallel-size', '--dp-size', '--dp');
  // With one rank of data parallelism SGLang turns the attention's off.
  const dpAttention = line.has('--enable-dp-attention') && (dp ?? 1) > 1;
  // Requests and tokens of a step are those of all attention ranks together.
  const sharers = dpAttention ? (dp ?? 1) : 1;
  const ofRank = (total: number | undefined): number | undefined =>
    total === undefined ? undefined : Math.max(1, Math.floor(total / sharers));
  const drafts = verifiedTokens(line);
  const chunked = line.integer('--chunked-prefill-size');
  const chunk = chunked !== undefined && chunked > 0 ? ofRank(chunked) : undefined;
  const running = line.integer('--max-running-requests') ?? (drafts === undefined ? undefined : SPECULATIVE_REQUESTS);
  const loras = line.has('--enable-lora', '--lora-paths') ? (line.integer('--max-loras-per-batch') ?? 8) : undefined;
  const profile: Partial<EngineProfile> = {
    tensorParallelSize: tp,
    dataParallelSize: dp,
    pipelineParallelSize: line.integer('--pipeline-parallel-size', '--pp-size', '--pp'),
    expertParallelSize: line.integer('--expert-parallel-size', '--ep-size', '--ep'),
    maxNumSeqs: ofRank(running),
    maxModelLen: line.integer('--context-length'),
    maxNumBatchedTokens: chunk,
    ...(drafts !== undefined && { queryLen: drafts }),
    ...(dpAttention && { attentionTpSize: Math.max(1, Math.floor((tp ?? 1) / (dp ?? 1))), gathered: true }),
    ...(line.has('--enable-two-batch-overlap') && { ubatches: 2 }),
    ...(line.has('--disable-cuda-graph-padding') && { padding: false }),
    ...(off && { graphMode: 'NONE' as const }),
    ...(sizes !== undefined && { sizes }),
    ...(maxSize !== undefined && { maxSize }),
    ...(loras !== undefined && { maxLoras: loras }),
    ...prefillProfile(prefill, chunk ?? Math.floor(8192 / sharers)),
  };
  return { profile, graphs: off || sizes !== undefined || maxSize !== undefined };
}

/** Requests that run where drafts are verified and the line says no number. Source: SGLang, its handlers of speculative algorithms. */
const SPECULATIVE_REQUESTS = 48;

/**
 * Tokens of a decode that verifies drafts; undefined where none are drafted. A chain of drafts (one candidate a step) has a token more than steps,
 * whatever number of tokens the line gives; a line that says nothing drafts 3. Source: SGLang `_handle_eagle_family`, `auto_choose_speculative_params`.
 */
function verifiedTokens(line: CommandLine): number | undefined {
  if (!line.has('--speculative-algorithm', '--speculative-algo')) return undefined;
  const steps = line.integer('--speculative-num-steps');
  const tokens = line.integer('--speculative-num-draft-tokens');
  const candidates = line.integer('--speculative-eagle-topk');
  const chain = candidates === 1 && steps !== undefined;
  return chain ? steps + 1 : (tokens ?? 1 + (steps ?? 3));
}

function decodeConfig(line: CommandLine, config: Record<string, PhaseConfig>): PhaseConfig {
  const own = config.decode ?? {};
  return {
    backend: line.value('--cuda-graph-backend-decode') ?? own.backend,
    bs: line.sizes('--cuda-graph-bs-decode', '--cuda-graph-bs') ?? own.bs,
    maxBs: line.integer('--cuda-graph-max-bs-decode', '--cuda-graph-max-bs') ?? own.maxBs,
  };
}

function prefillConfig(line: CommandLine, config: Record<string, PhaseConfig>): PhaseConfig {
  const own = config.prefill ?? {};
  const enabled = line.has('--enable-piecewise-cuda-graph') ? 'tc_piecewise' : undefined;
  const disabled = line.has('--disable-piecewise-cuda-graph') ? 'disabled' : undefined;
  return {
    backend: line.value('--cuda-graph-backend-prefill') ?? disabled ?? enabled ?? own.backend,
    bs: line.sizes('--cuda-graph-bs-prefill', '--piecewise-cuda-graph-tokens') ?? own.bs,
    maxBs: line.integer('--cuda-graph-max-bs-prefill', '--piecewise-cuda-graph-max-tokens') ?? own.maxBs,
  };
}

/** Graphs of prefills where the line asks for any: its list, or the default one up to its maximum. */
function prefillProfile({ backend, bs, maxBs }: PhaseConfig, chunk: number): Partial<EngineProfile> {
  if (backend === 'disabled') return {};
  if (bs !== undefined) return { prefillSizes: bs };
  const asked = maxBs !== undefined || backend !== undefined;
  return asked ? { prefillSizes: sglangPrefillSizes({ maxTokens: maxBs ?? Math.max(1, chunk) }) } : {};
}

/** `--cuda-graph-config`: JSON by phase. */
function graphConfig(line: CommandLine): Record<string, PhaseConfig> {
  const text = line.value('--cuda-graph-config');
  if (text === undefined) return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw refused(`--cuda-graph-config is ${shown(text)}; it must be JSON`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw refused(`--cuda-graph-config is ${shown(text)}; it must be an object with decode and prefill`);
  }
  const phases: Record<string, PhaseConfig> = {};
  for (const [phase, given] of Object.entries(value)) {
    if (phase !== 'decode' && phase !== 'prefill') throw refused(`--cuda-graph-config has no ${shown(phase)}`);
    const { backend, bs, max_bs: most } = (given ?? {}) as Record<string, unknown>;
    phases[phase] = {
      ...(backend !== undefined && backend !== null && { backend: String(backend) }),
      ...(Array.isArray(bs) && { bs: bs.map((size) => sizeOf(String(size), `${phase}.bs`)) }),
      ...(most !== undefined && most !== null && { maxBs: sizeOf(String(most), `${phase}.max_bs`) }),
    };
  }
  return phases;
}

function refused(fault: string): LockstepError {
  return new LockstepError('ERR_INPUT_INVALID', `sglang would refuse these flags: ${fault}`, {
    engine: 'sglang',
    fault,
  });
}
