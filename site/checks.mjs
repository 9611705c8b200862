// How much is checked, counted from what tests keep: the pages' tables and blocks, and the cases that property tests ask for.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { docs, root } from './paths.mjs';
import { caughtCounts } from './pictures/caught.mjs';

const number = (/** @type {number} */ count) => count.toLocaleString('en-GB');

/**
 * The table of docs/trust.md.
 * @returns {string[]}
 */
export function checkedRows() {
  const check = readFileSync(path.join(docs, 'check.md'), 'utf8');
  const simulation = readFileSync(path.join(docs, 'simulation.md'), 'utf8');
  const [, states] = /^explored +([\d,]+) states/m.exec(check) ?? [];
  const properties = [...check.matchAll(/^P\d+ +holds /gm)].length;
  const mistakes = caughtCounts(check).reduce((sum, { counts }) => sum + counts.check + counts.oracle + counts.case, 0);
  const { files, cases } = propertyCases();
  const rows = [
    [
      'states of up to three ranks under the policy `lockstep`',
      `${states}, each held against ${properties} properties`,
      '[check](check.md)',
    ],
    ['former rules of engines whose bugs the checker must find', number(histories()), '[five bugs](five-bugs.md)'],
    ['mistakes put into the rules', `${number(mistakes)}, all caught`, '[check](check.md#does-it-find-anything)'],
    [
      'mistakes put into the loop around them',
      `${number(rowsAfter(simulation, 'mutations of the simulation'))}, all caught`,
      '[simulation](simulation.md#mistakes-that-it-finds)',
    ],
    [
      'kinds of faults at random moments',
      number(rowsAfter(simulation, 'faults of the simulation') - 1),
      '[simulation](simulation.md#faults)',
    ],
    [
      'random cases that property tests draw in CI',
      `${number(cases)} in ${files} files`,
      '[build and CI](build.md#tests)',
    ],
  ];
  return ['| checked | how much | details |', '|---|---|---|', ...rows.map((cells) => `| ${cells.join(' | ')} |`)];
}

const histories = () => readdirSync(path.join(docs, 'history')).length;

/** Rows of a page's table after `<!-- name -->`. */
function rowsAfter(/** @type {string} */ page, /** @type {string} */ name) {
  return page.split(`<!-- ${name} -->\n\n`)[1].split('\n\n')[0].split('\n').length - 2;
}

/** Cases that the files of test/property ask for with `runs(…)`, and how many files do. */
function propertyCases() {
  const folder = path.join(root, 'test/property');
  const asked = readdirSync(folder)
    .map((name) => [...readFileSync(path.join(folder, name), 'utf8').matchAll(/\bruns(?:<[^>]*>)?\((\d[\d_]*)\)/g)])
    .filter((found) => found.length > 0);
  const cases = asked.flat().reduce((sum, [, count]) => sum + Number(count.replaceAll('_', '')), 0);
  return { files: asked.length, cases };
}
