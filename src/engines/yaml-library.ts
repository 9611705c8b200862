import { createRequire } from 'node:module';

/** The parser, loaded the first time that YAML is read. */
let parser: typeof import('yaml') | undefined;

/** The YAML parser. Whoever reads no YAML does not load it. */
export function yamlLibrary(): Pick<typeof import('yaml'), 'parseDocument'> {
  parser ??= createRequire(import.meta.url)('yaml') as typeof import('yaml');
  return parser;
}
