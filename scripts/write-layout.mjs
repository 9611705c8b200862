// Writes asc/layout.ts and wasm/layout.h from dist/layout/layout.js. `--check` compares instead and fails where they differ.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const layout = await import('../dist/layout/layout.js');

/** Numbers that belong to no table. */
const SCALARS = [
  'LAYOUT_VERSION',
  'MAX_PARTS',
  'MAX_QUERY_LENS',
  'MAX_CHECK_RANKS',
  'VIOLATION_WORDS',
  'MAX_VIEWS',
  'CONFIG_BASE',
  'CONFIG_REGIONS',
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
];

/** What one word of each table is called, and the name of the table in TypeScript. */
const TABLES = {
  VOTE: 'VOTE_WORDS',
  DECISION: 'DECISION_WORDS',
  PART: 'PART_WORDS',
  KEY: 'KEY_WORDS',
  POLICY: 'POLICY_WORDS',
  FACT: 'FACT_WORDS',
  REDUCED: 'REDUCED_WORDS',
  OWN_GRAPH: 'OWN_GRAPH_WORDS',
  CANDIDATE: 'CANDIDATE_WORDS',
  ACTION: 'ACTION_WORDS',
  PROPERTY: 'PROPERTIES',
  STATE: 'STATE_WORDS',
  ROW: 'ROW_WORDS',
  LOCAL: 'LOCAL_WORDS',
  LOCAL_PART: 'LOCAL_PART_WORDS',
  ERROR: 'ERROR_WORDS',
  TENSOR: 'VIEW_TENSORS',
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

const scalars = SCALARS.map((name) => [name, layout[name]]);
const sizes = Object.entries(TABLES).map(([group, table]) => [`${group}_WORDS`, layout[table].length]);
/** [group, [name, value] of each member], of the tables and then of the enums. */
const groups = [
  ...Object.entries(TABLES).map(([group, table]) => [
    group,
    [...layout[table].entries()].map(([i, name]) => [name, i]),
  ]),
  ...Object.entries(layout.ENUMS).map(([group, values]) => [group, Object.entries(values)]),
];

/** `graph-ubatched` or `maxQueryLen` as words. */
const wordsOf = (name) =>
  name
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .toLowerCase()
    .split(/[-_]/);
/** `MAX_QUERY_LEN` */
const upper = (name) => wordsOf(name).join('_').toUpperCase();
/** `MaxQueryLen` */
const pascal = (name) =>
  wordsOf(name)
    .map((part) => part[0].toUpperCase() + part.slice(1))
    .join('');

/** AssemblyScript: a `const enum` for each group, so that a rule imports `Vote` and reads `Vote.Tokens`. */
function assemblyScript() {
  const numbers = [...scalars, ...sizes].map(([name, value]) => `export const ${name}: i32 = ${value};\n`);
  const enums = groups.map(([group, members]) => {
    const lines = members.map(([name, value]) => `  ${pascal(name)} = ${value},\n`);
    return `\nexport const enum ${pascal(group)} {\n${lines.join('')}}\n`;
  });
  return numbers.join('') + enums.join('');
}

/** C++: constants in the namespace `lockstep`. */
function header() {
  const members = groups.flatMap(([group, values]) =>
    values.map(([name, value]) => [`${group}_${upper(name)}`, value]),
  );
  const lines = [...scalars, ...sizes, ...members].map(([name, value]) => `constexpr int32_t ${name} = ${value};\n`);
  return `#pragma once\n#include <stdint.h>\n\nnamespace lockstep {\n${lines.join('')}}  // namespace lockstep\n`;
}

const notice = 'Written by scripts/write-layout.mjs from src/layout/layout.ts.';
const outputs = {
  '../asc/layout.ts': `// ${notice}\n${assemblyScript()}`,
  '../wasm/layout.h': `// ${notice}\n${header()}`,
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
