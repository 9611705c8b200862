import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { serialize } from 'node:v8';
import { openModel } from '../checkpoint/index.js';
import type { ModelSource } from './model-source.js';

/**
 * What tells the files of a model from another's without its weights being read: config.json with names and sizes of the weight files, or
 * the text of a module. Of what has no files, nothing. Errors: those of the model's files.
 */
export function modelFiles(source: ModelSource): Uint8Array {
  if (source.kind === 'entry') {
    const url = new URL(source.url);
    return url.protocol === 'file:' ? readFileSync(url) : new Uint8Array();
  }
  const { path: folder } = openModel(source.name);
  if (folder === null) return new Uint8Array();
  const weights = readdirSync(folder).filter((name) => name.endsWith('.safetensors'));
  return serialize([
    readFileSync(path.join(folder, 'config.json')),
    weights.sort().map((name) => [name, statSync(path.join(folder, name)).size]),
  ]);
}
