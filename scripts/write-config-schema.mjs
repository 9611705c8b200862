#!/usr/bin/env node
// `npm run build:config-schema`: schemas/config.schema.json, the JSON Schema of files for --config, from the options that commands declare.
// Run set-up first. With --check it only compares.
import { readFileSync, writeFileSync } from 'node:fs';
import { configSchema } from '../dist/cli/config-schema.js';

const file = new URL('../schemas/config.schema.json', import.meta.url);
const text = `${JSON.stringify(await configSchema(), null, 2)}\n`;
if (!process.argv.includes('--check')) writeFileSync(file, text);
else if (readFileSync(file, 'utf8') !== text) {
  console.error('schemas/config.schema.json is not what the options give: npm run build:config-schema');
  process.exitCode = 1;
}
