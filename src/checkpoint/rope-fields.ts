import type { Fields } from './config-fields.js';
import type { Llama3Scaling } from './model-config.js';

/** What config.json says of rotary positions. */
export interface Rope {
  readonly theta: number;
  readonly scaling: Llama3Scaling | null;
}

/**
 * Rotary fields: `rope_theta` and `rope_scaling`, or `rope_parameters`, which holds both in newer files. Errors: ERR_MODEL_INVALID for a
 * scaling other than llama3.
 */
export function ropeOf(fields: Fields, missingTheta: number): Rope {
  const parameters = fields.inner('rope_parameters');
  const theta = fields.positive('rope_theta', parameters?.positive('rope_theta', missingTheta) ?? missingTheta);
  const scaling = fields.inner('rope_scaling') ?? parameters;
  return { theta, scaling: scaling === null ? null : scalingOf(scaling) };
}

function scalingOf(fields: Fields): Llama3Scaling | null {
  const name = (fields.value('rope_type') ?? null) === null ? 'type' : 'rope_type';
  const type = fields.value(name) ?? 'default';
  if (type === 'default') return null;
  if (type !== 'llama3') return fields.refuse(name, '"llama3" or "default"');
  const lowFreqFactor = fields.positive('low_freq_factor');
  const highFreqFactor = fields.positive('high_freq_factor');
  if (highFreqFactor <= lowFreqFactor) fields.refuse('high_freq_factor', `above low_freq_factor (${lowFreqFactor})`);
  const originalMaxPositions = fields.integer('original_max_position_embeddings', 1, 1 << 28);
  const factor = fields.positive('factor');
  if (factor < 1) fields.refuse('factor', 'at least 1');
  return Object.freeze({ kind: 'llama3', factor, lowFreqFactor, highFreqFactor, originalMaxPositions });
}
