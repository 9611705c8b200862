import type { EngineName } from '../names.js';
import { checkEngine, checkLimits, type EngineLimits } from './engine-limits.js';
import type { MegatronShape } from './megatron/ladder.js';
import { engineCapture } from './profile/engine-capture.js';
import type { EngineProfile } from './profile/engine-profile.js';
import type { RuleVersion } from './rule-versions.js';

/** What an engine captures by default. */
export interface EngineLadder {
  /** The engine. */
  readonly engine: EngineName;
  /** Version of the engine's rules that these sizes follow; see `ENGINE_RULES`. */
  readonly version: RuleVersion;
  /** In tokens, ascending. vLLM has one list for all steps. */
  readonly sizes: number[];
  /** Tokens of the graphs that hold decodes alone, ascending. */
  readonly decodeSizes: number[];
  /** Shapes of graphs for steps with prefills, in the engine's order. Megatron alone has them. */
  readonly mixed?: MegatronShape[];
  /** The largest size that vLLM asks for by default, where its list ends below it; else null. */
  readonly truncated: number | null;
  /** Caveats for comparing these sizes with others. */
  readonly notes: string[];
}

/**
 * The ladder an engine captures by default at these limits, or as `profile` says more of it. SGLang, TensorRT-LLM and ATOM count
 * requests; here all sizes are tokens. Errors: ERR_CONFIG_INVALID.
 */
export function engineLadder(
  engine: EngineName,
  limits: EngineLimits,
  profile: Omit<EngineProfile, 'engine'> = {},
): EngineLadder {
  checkEngine(engine);
  const captured = engineCapture({ ...checkLimits(limits), ...profile, engine });
  const { sizes, decodeSizes, truncated, notes, mixed } = captured;
  return {
    engine,
    version: captured.profile.version,
    sizes: [...sizes],
    decodeSizes: [...decodeSizes],
    truncated,
    notes: [...notes],
    ...(engine === 'megatron' && { mixed: [...mixed] }),
  };
}
