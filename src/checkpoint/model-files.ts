import { readdirSync } from 'node:fs';
import path from 'node:path';
import { RANDOM } from './open-model.js';
import { INDEX_FILE } from './weight-files.js';

/** Files of a model's folder beside its weights. */
const DOCUMENTS = [
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'chat_template.jinja',
  INDEX_FILE,
];

/** The files that the model of a name is read from, whether they are there or not; other files of its folder are not among them. */
export function modelFiles(name: string): string[] {
  if (name.startsWith(RANDOM)) return [];
  return [...DOCUMENTS, ...weightsIn(name)].map((file) => path.join(name, file));
}

/** Whatever is wrong with the folder is left to its reader. */
function weightsIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((file) => file.endsWith('.safetensors'));
  } catch {
    return [];
  }
}
