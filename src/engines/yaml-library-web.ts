import { parseDocument } from 'yaml';

/** Stands for `yaml-library.ts` where nothing can be loaded in the middle of a call: the parser is part of the bundle. */
export function yamlLibrary(): Pick<typeof import('yaml'), 'parseDocument'> {
  return { parseDocument };
}
