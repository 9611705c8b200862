import type { ModelConfig } from '../checkpoint/index.js';
import { cosSin, exp, log } from './elementary.js';

/** Angles of rotary position embeddings: f32[positions, headDim / 2] each. */
export interface RotaryTables {
  readonly cosines: Float32Array;
  readonly sines: Float32Array;
}

type RotaryConfig = Pick<ModelConfig, 'headDim' | 'ropeTheta' | 'ropeScaling'>;

/**
 * Radians a position: f64[headDim / 2]. Source: RoPE (Su et al. 2021); scaled as Llama 3.1 does, whose low frequencies are divided by the
 * factor, and those between are blended.
 */
export function rotaryFrequencies({ headDim, ropeTheta, ropeScaling }: RotaryConfig): Float64Array {
  const base = log(ropeTheta);
  const frequencies = Float64Array.from({ length: headDim / 2 }, (_, index) => exp((-2 * index * base) / headDim));
  if (ropeScaling === null) return frequencies;
  const { factor, lowFreqFactor, highFreqFactor, originalMaxPositions } = ropeScaling;
  return frequencies.map((frequency) => {
    const turns = (originalMaxPositions * frequency) / (2 * Math.PI);
    if (turns > highFreqFactor) return frequency;
    if (turns < lowFreqFactor) return frequency / factor;
    const blend = (turns - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
    return (1 - blend) * (frequency / factor) + blend * frequency;
  });
}

/** The tables of so many positions. */
export function rotaryTables(config: RotaryConfig, positions: number): RotaryTables {
  const frequencies = rotaryFrequencies(config);
  const half = frequencies.length;
  const cosines = new Float32Array(positions * half);
  const sines = new Float32Array(positions * half);
  for (let position = 0; position < positions; position++) {
    for (let index = 0; index < half; index++) {
      const { cos, sin } = cosSin(position * frequencies[index]);
      cosines[position * half + index] = cos;
      sines[position * half + index] = sin;
    }
  }
  return { cosines, sines };
}
