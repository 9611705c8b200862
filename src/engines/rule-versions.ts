import { LockstepError, shown } from '../errors.js';
import type { EngineName } from '../names.js';

/** One version of an engine's rule, and where it was read. */
export interface EngineRule {
  /** The engine. */
  readonly engine: EngineName;
  /** What the rule decides. */
  readonly rule: string;
  /** Its version: the month from which the engine's main branch has it. */
  readonly version: string;
  /** What changed with it. */
  readonly since: string;
  /** The file of the engine that holds it. */
  readonly source: string;
  /** The date on which that file, or what its change says of it, was read. */
  readonly read: string;
}

const VERSIONS = {
  vllm: ['2026-08', '2026-09'],
  sglang: ['2026-08', '2026-09'],
  trtllm: ['2026-08'],
  megatron: ['2026-05', '2026-08'],
  atom: ['2025-12', '2026-08'],
} as const;

/** The versions of an engine's rules: the newest is last. */
export type RuleVersion<E extends EngineName = EngineName> = (typeof VERSIONS)[E][number];

const MEGATRON_CONTEXT = 'core/inference/contexts/dynamic_context.py';

/** Rules of which more than one version is in use, oldest first for each engine. */
export const ENGINE_RULES: readonly EngineRule[] = Object.freeze(
  (
    [
      ['vllm', 'default capture sizes', '2026-08', 'max_num_seqs is not added', 'vllm/config/vllm.py'],
      ['vllm', 'default capture sizes', '2026-09', 'pull request 57355: max_num_seqs joins', 'vllm/config/vllm.py'],
      ['sglang', 'largest decode batch by memory', '2026-08', '20 to 35 GB: 24 and 80', 'srt/server_args.py'],
      ['sglang', 'largest decode batch by memory', '2026-09', 'pull request 37898: 48 and 160', 'srt/server_args.py'],
      ['trtllm', 'decode batches', '2026-08', 'pull request 12895: by 64 above 128', 'llmapi/llm_args.py'],
      ['megatron', 'tokens of mixed graphs', '2026-05', 'up to max_tokens', 'core/inference/config.py'],
      ['megatron', 'tokens of mixed graphs', '2026-08', 'pull request 5797: 512', 'core/inference/config.py'],
      ['megatron', 'mixed graphs between expert ranks', '2026-05', 'any dispatcher', MEGATRON_CONTEXT, '2026-11-30'],
      ['megatron', 'mixed graphs between expert ranks', '2026-08', 'NVLS alone', MEGATRON_CONTEXT, '2026-11-30'],
      ['atom', "the server's list", '2025-12', 'ends at 256', 'atom/model_engine/arg_utils.py'],
      ['atom', "the server's list", '2026-08', 'ends at 512', 'atom/model_engine/arg_utils.py'],
    ] as const
  ).map(([engine, rule, version, since, source, read = '2026-11-29']) =>
    Object.freeze({ engine, rule, version, since, source, read }),
  ),
);

/** The versions of an engine's rules, oldest first. */
export function ruleVersions<E extends EngineName>(engine: E): readonly RuleVersion<E>[] {
  if (typeof engine === 'string' && Object.hasOwn(VERSIONS, engine)) return VERSIONS[engine];
  throw new LockstepError(
    'ERR_CONFIG_INVALID',
    `No engine is called ${shown(engine)}: there are ${Object.keys(VERSIONS).join(', ')}`,
    { engine },
  );
}

/** `version`, or the newest where none is given. Errors: ERR_CONFIG_INVALID for one that there is not. */
export function ruleVersion<E extends EngineName>(engine: E, version?: RuleVersion<E>): RuleVersion<E> {
  const known: readonly RuleVersion<E>[] = VERSIONS[engine];
  if (version === undefined) return known[known.length - 1];
  if (known.includes(version)) return version;
  throw new LockstepError(
    'ERR_CONFIG_INVALID',
    `The rules of ${engine} have no version ${shown(version)}; there are ${known.join(', ')}`,
    { engine, version, versions: known },
  );
}
