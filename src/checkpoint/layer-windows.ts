import type { Fields } from './config-fields.js';

/**
 * The window of each layer in tokens, 0 for none. `sliding_window` is that of every layer, or of those that `layer_types` calls
 * `sliding_attention`. Source: transformers' MistralConfig.
 */
export function layerWindowsOf(fields: Fields, layers: number, missing: number | null): readonly number[] {
  const types = fields.value('layer_types') ?? null;
  const window = windowOf(fields, missing);
  if (types === null) return Object.freeze(Array.from({ length: layers }, () => window));
  if (!Array.isArray(types) || types.length !== layers) return fields.refuse('layer_types', `a list of ${layers}`);
  const known = (type: unknown): boolean => type === 'sliding_attention' || type === 'full_attention';
  if (!types.every(known)) return fields.refuse('layer_types', 'of "sliding_attention" and "full_attention" alone');
  if (window === 0 && types.includes('sliding_attention')) {
    return fields.refuse('sliding_window', 'a number of tokens, as layer_types has "sliding_attention"');
  }
  return Object.freeze(types.map((type) => (type === 'sliding_attention' ? window : 0)));
}

function windowOf(fields: Fields, missing: number | null): number {
  const given = fields.value('sliding_window');
  if (!fields.boolean('use_sliding_window', true)) return 0;
  if ((given === undefined ? missing : given) === null) return 0;
  return fields.integer('sliding_window', 1, 1 << 28, missing ?? undefined);
}
