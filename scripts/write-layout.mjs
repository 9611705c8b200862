// Writes asc/layout.ts and wasm/layout.h from dist/layout/layout.js. `--check` compares instead and fails where they differ.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const layout = await import('../dist/layout/layout.js');
const constant = (text) =>
  text
    .replace(/-/g, '_')
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toUpperCase();

/** [name, value] of every constant, in one order for both languages. */
function* constants() {
  const scalars = [
    'LAYOUT_VERSION',
    'MAX_PARTS',
    'MAX_QUERY_LENS',
    'MAX_CHECK_RANKS',
    'MAX_VIEWS',
    'CONFIG_BASE',
    'CONFIG_REGIONS',
  ];
  for (const name of [
    ...scalars,
    'CONFIG_TENSORS',
    'MAX_KV_GROUPS',
    'CONFIG_KV_GROUPS',
    'KV_GROUP_OFFSETS',
    'KV_GROUP_TENSOR_OFFSETS',
    'KV_GROUP_WORDS',
    'CONFIG_WORDS',
    'COMMAND_HEADER_WORDS',
    'MAX_COMMANDS',
    'MAX_EVENT_BUCKETS',
    'EVENT_ROOM',
    'BLOCK_LIST_TAIL',
  ]) {
    yield [name, layout[name]];
  }
  const tables = {
    VOTE: 'VOTE_WORDS',
    DECISION: 'DECISION_WORDS',
    PART: 'PART_WORDS',
    KEY: 'KEY_WORDS',
    POLICY: 'POLICY_WORDS',
    FACT: 'FACT_WORDS',
    NEED: 'NEED_WORDS',
    CANDIDATE: 'CANDIDATE_WORDS',
    ACTION: 'ACTION_WORDS',
    PROPERTY: 'PROPERTIES',
    STATE: 'STATE_WORDS',
    ROW: 'ROW_WORDS',
    LOCAL: 'LOCAL_WORDS',
    LOCAL_PART: 'LOCAL_PART_WORDS',
    ERROR: 'ERROR_WORDS',
    TENSOR: 'TENSORS',
    LIMIT: 'LIMIT_WORDS',
    REGION: 'REGIONS',
    KV_GROUP_SIZE: 'KV_GROUP_SIZES',
    KV_GROUP_REGION: 'KV_GROUP_REGIONS',
    KV_GROUP_STATE: 'KV_GROUP_STATE_WORDS',
    KV_GROUP_TENSOR: 'KV_GROUP_TENSORS',
    MIRROR: 'MIRRORS',
    CURSOR: 'CURSOR_WORDS',
    APPEND: 'APPEND_WORDS',
    STAMP: 'STAMP_WORDS',
    CMD: 'COMMAND_WORDS',
  };
  for (const [prefix, table] of Object.entries(tables)) {
    for (const [index, name] of layout[table].entries()) yield [`${prefix}_${constant(name)}`, index];
    yield [`${prefix}_WORDS`, layout[table].length];
  }
  for (const [group, values] of Object.entries(layout.ENUMS)) {
    for (const [name, value] of Object.entries(values)) yield [`${group}_${constant(name)}`, value];
  }
}

const notice = 'Written by scripts/write-layout.mjs from src/layout/layout.ts.';
const all = [...constants()];
const outputs = {
  '../asc/layout.ts': `// ${notice}\n${all.map(([name, value]) => `export const ${name}: i32 = ${value};\n`).join('')}`,
  '../wasm/layout.h': `// ${notice}\n#pragma once\n#include <stdint.h>\n\nnamespace lockstep {\n${all
    .map(([name, value]) => `constexpr int32_t ${name} = ${value};\n`)
    .join('')}}  // namespace lockstep\n`,
};
let stale = 0;
for (const [path, text] of Object.entries(outputs)) {
  const file = fileURLToPath(new URL(path, import.meta.url));
  if (!process.argv.includes('--check')) writeFileSync(file, text);
  else if (readFileSync(file, 'utf8') !== text) {
    console.error(`${file} differs from src/layout/layout.ts; run: npm run build:layout`);
    stale += 1;
  }
}
process.exitCode = stale ? 1 : 0;
