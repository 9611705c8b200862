#!/usr/bin/env node
// `npm run docs:pictures` draws docs/pictures/ anew, from what the built package says of the batches and traces that the pages show.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { docs, root } from './paths.mjs';
import { batch, slots } from './pictures/batch.mjs';
import { caught } from './pictures/caught.mjs';
import { flow } from './pictures/flow.mjs';
import { lanes, readTrace } from './pictures/lanes.mjs';
import { mixed } from './pictures/mixed.mjs';
import { park } from './pictures/park.mjs';

/** The histories that docs/five-bugs.md tells, and the blocks that show each before and after its fix. */
const BUGS = {
  'vllm-before-27771': 'before',
  'atom-before-1120': 'before',
  'trtllm-before-14986': 'counterexample',
  'megatron-before-3509': 'counterexample',
  'atom-before-1275': 'before',
};
const BLOCK_SIZE = 16;

const read = (/** @type {string} */ name) => readFileSync(path.join(docs, name), 'utf8');

/** Every picture by its name. */
export function drawings() {
  const explanation = explainTutorial();
  const all = new Map([
    ['step.svg', flow()],
    ['tutorial-batch.svg', batch(explanation)],
    ['tutorial-slots.svg', slots(explanation, 0, BLOCK_SIZE)],
    ['caught.svg', caught(read('check.md'))],
    ['mixed-rows.svg', mixed()],
    ['park.svg', park()],
  ]);
  for (const [name, before] of Object.entries(BUGS)) {
    const page = read(`history/${name}.md`);
    const end = readTrace(block(page, 'counterexample')).find(({ phase }) => phase === 'end');
    const trace = readTrace(block(page, before));
    if (end !== undefined && trace.at(-1)?.phase !== 'end') trace.push(end);
    all.set(`${name}.svg`, lanes(trace, `${name}: before the fix`));
    all.set(`${name}-fixed.svg`, lanes(readTrace(block(page, 'fixed')), `${name}: after the fix`));
  }
  return all;
}

/** What the command of the tutorial says of its batch, as JSON. */
function explainTutorial() {
  const [, batch, options] = /echo '(\{"ranks":.*\})' \|\n {2}lockstep explain (.*)/.exec(read('tutorial.md')) ?? [];
  if (batch === undefined) throw new Error('docs/tutorial.md explains no batch');
  const command = [path.join(root, 'dist/cli/main.js'), 'explain', ...options.split(' '), '--json'];
  return JSON.parse(execFileSync(process.execPath, command, { input: `${batch}\n`, encoding: 'utf8' }));
}

/** The block of text after `<!-- name -->`. */
function block(/** @type {string} */ page, /** @type {string} */ name) {
  const [, text] = page.split(`<!-- ${name} -->\n\n\`\`\`text\n`);
  if (text === undefined) throw new Error(`no block after <!-- ${name} -->`);
  return text.split('\n```')[0];
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const folder = path.join(docs, 'pictures');
  mkdirSync(folder, { recursive: true });
  const all = drawings();
  for (const name of readdirSync(folder)) if (!all.has(name)) rmSync(path.join(folder, name));
  for (const [name, svg] of all) writeFileSync(path.join(folder, name), svg);
  console.log(`${all.size} pictures in docs/pictures`);
}
