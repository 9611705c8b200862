import { checkArguments } from '../checks.js';
import { type Checkpoint, openCheckpoint } from './checkpoint.js';
import { CONFIG_FIELDS, type RandomModelOptions, randomCheckpoint } from './random-checkpoint.js';
import { modelRefusal } from './refusal.js';
import { tensorShapes } from './tensor-shapes.js';

/** What the name of a random model begins with. */
export const RANDOM = 'random:';
/** Options of a random model that a name can say: those that are a number or a word. */
const NAMED = ['seed', ...CONFIG_FIELDS.filter((name) => name !== 'ropeScaling' && name !== 'layerWindows')];

/**
 * The model of a name: a folder in Hugging Face's layout, or `random:dense` or `random:moe`, whose weights are drawn from a seed. Options of a
 * random model follow it: `random:dense,seed=3,layers=2,tiedEmbeddings=true,eosTokenIds=2+7`. Errors: ERR_MODEL_INVALID.
 */
export function openModel(name: string): Checkpoint {
  checkArguments('openModel', { name: [name, 'text'] });
  if (!name.startsWith(RANDOM)) return complete(openCheckpoint(name));
  const [kind, ...options] = name.slice(RANDOM.length).split(',');
  const given: Record<string, unknown> = { kind };
  for (const option of options) {
    const [, field = '', text = ''] = /^(\w+)=(.+)$/.exec(option) ?? [];
    if (!NAMED.includes(field) || Object.hasOwn(given, field)) {
      const expected = `one NAME=VALUE of each of ${NAMED.join(', ')} at most`;
      throw modelRefusal({ file: name, field: 'an option', expected, found: option });
    }
    given[field] = optionValue(field, text);
  }
  return randomCheckpoint(given as unknown as RandomModelOptions);
}

/** A checkpoint with every tensor of its config, of its shape: no rank finds out later. Errors: ERR_MODEL_INVALID. */
function complete(checkpoint: Checkpoint): Checkpoint {
  for (const [name, shape] of tensorShapes(checkpoint.config)) checkpoint.check(name, shape);
  return checkpoint;
}

/** A value as it is written in a name. What is no number stays text, which the rules of the field refuse. */
function optionValue(field: string, text: string): unknown {
  if (field.endsWith('TokenIds')) return text === 'none' ? [] : text.split('+').map(numberOf);
  if (text === 'true' || text === 'false') return text === 'true';
  return text === 'null' ? null : numberOf(text);
}

function numberOf(text: string): unknown {
  const value = Number(text);
  return text.trim() === '' || !Number.isFinite(value) ? text : value;
}
