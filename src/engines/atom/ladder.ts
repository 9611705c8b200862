import { checkArguments, Faults } from '../../checks.js';
import { ascending, steps } from '../../numbers.js';
import { type RuleVersion, ruleVersion } from '../rule-versions.js';

/** What ATOM derives its captured decode batches from. */
export interface AtomCaptureSizesOptions {
  /** Its `max_num_seqs`. */
  readonly maxNumSeqs: number;
  /** Its `max_num_batched_tokens`. */
  readonly maxNumBatchedTokens: number;
  /** Tokens of one decode request: 1 + drafts. Default 1. */
  readonly queryLen?: number;
  /** Largest batch of the spacing. Default 512. */
  readonly largest?: number;
  /** Batches in requests instead of the default ones, any order. */
  readonly sizes?: readonly number[];
  /** 'spacing' (default): 1, 2, 4, 8, by 16. 'server': the list that the server's arguments default to, as `engineLadder` takes it. */
  readonly defaults?: 'server' | 'spacing';
  /** Which list of the server: '2026-08' ends at 512, '2025-12' at 256. Default the newest. */
  readonly version?: RuleVersion<'atom'>;
}

/** What `--cudagraph-capture-sizes` defaults to. Source: ATOM `EngineArgs`, atom/model_engine/arg_utils.py. */
const SERVER_SIZES: Readonly<Record<RuleVersion<'atom'>, readonly number[]>> = {
  '2025-12': [1, 2, 4, 8, 16, 32, 48, 64, 128, 256],
  '2026-08': [1, 2, 4, 8, 16, 32, 48, 64, 128, 256, 512],
};

/**
 * Batches ATOM captures, in requests, ascending: the spacing 1, 2, 4, 8, then by 16, which stands in for an empty list; the list that
 * its server's arguments default to; or the given ones, without those that no step can have (a larger one would write past the token buffers). Errors:
 * ERR_CONFIG_INVALID. Source: ATOM `EngineArgs`, `CompilationConfig`, `ModelRunner`.
 */
export function atomCaptureSizes(options: AtomCaptureSizesOptions): number[] {
  checkArguments('atomCaptureSizes', { options: [options, 'object'] });
  if (options.sizes !== undefined) checkArguments('atomCaptureSizes', { sizes: [options.sizes, 'list'] });
  const { maxNumSeqs, maxNumBatchedTokens, queryLen = 1, largest = 512 } = options;
  const faults = new Faults();
  faults.integer('maxNumSeqs', maxNumSeqs, 1, 2 ** 31 - 1);
  faults.integer('maxNumBatchedTokens', maxNumBatchedTokens, 1, 2 ** 31 - 1);
  faults.integer('queryLen', queryLen, 1, 1 << 20);
  faults.integer('largest', largest, 1, 1 << 20);
  for (const size of options.sizes ?? []) faults.integer('a size', size, 1, 1 << 20);
  const { defaults = 'spacing' } = options;
  faults.choice('defaults', defaults, ['server', 'spacing']);
  faults.throwIfAny('These ATOM capture sizes');
  const version = ruleVersion('atom', options.version);
  const reachable = Math.min(maxNumSeqs, Math.floor(maxNumBatchedTokens / queryLen));
  const spacing = [1, 2, 4, 8, ...steps(16, largest, 16)];
  const sizes = options.sizes ?? (defaults === 'server' ? SERVER_SIZES[version] : spacing);
  return ascending(sizes).filter((size) => size <= reachable);
}
