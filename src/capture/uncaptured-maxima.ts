import {
  ENGINE_NAMES,
  type EngineLimits,
  type EngineName,
  type EngineProfile,
  engineLadder,
} from '../engines/index.js';
import { largestDecode } from './plan-costs.js';

/** A maximum that is above an engine's largest default graph: larger steps run eager there. */
export interface UncapturedMaximum {
  /** The engine. */
  readonly engine: EngineName;
  /** The largest decode that the limits allow, or the largest size that vLLM derives from them for steps of all kinds. */
  readonly maximum: 'largest-decode' | 'largest-size';
  /** Tokens of the maximum. */
  readonly asked: number;
  /** Tokens of its largest graph; 0 if there is none. */
  readonly captured: number;
}

/**
 * The maxima that engines' default lists do not reach, in the engines' order. Lists have a ceiling, and follow a
 * grid that leaves out a maximum which is not on it: at `max_num_seqs` 250 vLLM asks for sizes up to 500 and its list ends at 496
 * (vLLM issue 54933). `profile` is what is known of the engines, such as their GPU. Errors: ERR_CONFIG_INVALID.
 */
export function uncapturedMaxima(
  limits: EngineLimits,
  profile: Omit<EngineProfile, 'engine'> = {},
): UncapturedMaximum[] {
  const largest = largestDecode(limits);
  return ENGINE_NAMES.flatMap((engine) => {
    const { sizes, decodeSizes, truncated } = engineLadder(engine, limits, profile);
    const decode = decodeSizes.at(-1) ?? 0;
    const lost: UncapturedMaximum[] = [];
    if (decode < largest) lost.push({ engine, maximum: 'largest-decode', asked: largest, captured: decode });
    if (truncated !== null) {
      lost.push({ engine, maximum: 'largest-size', asked: truncated, captured: sizes.at(-1) ?? 0 });
    }
    return lost;
  });
}
