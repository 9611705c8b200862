// Mistakes put into the rules on purpose, by what caught them first: from the tables of docs/check.md, which a test keeps.
import { box, picture, textLines } from './svg.mjs';

const GROUPS = [
  ['agreement', 'what the votes come to'],
  ['runs', 'which graph runs'],
  ['tables', 'which tables are refused'],
  ['plans', 'plans, keys and votes'],
  ['guard', 'the guard of captures'],
];
/** @type {[kind: 'check' | 'oracle' | 'case', label: string, colour: keyof typeof import('./svg.mjs').COLOURS][]} */
const KINDS = [
  ['check', 'the model checker', 'blue'],
  ['oracle', 'plain rules on random tables', 'orange'],
  ['case', 'cases with numbers in sight', 'green'],
];

/**
 * Mistakes of each table of the page, by what caught them.
 * @param {string} page
 * @returns {{ group: string, label: string, counts: { check: number, oracle: number, case: number } }[]}
 */
export function caughtCounts(page) {
  return GROUPS.map(([group, label]) => {
    const table = page.split(`<!-- mutations of ${group} -->\n\n`)[1].split('\n\n')[0];
    const counts = { check: 0, oracle: 0, case: 0 };
    for (const row of table.split('\n').slice(2)) {
      const by = row.split(' | ')[1].split(':')[0];
      counts[by === 'check' || by === 'oracle' ? by : 'case']++;
    }
    return { group, label, counts };
  });
}

/** @param {string} page text of docs/check.md */
export function caught(page) {
  const rows = caughtCounts(page);
  const left = 190;
  const all = rows.map(({ counts }) => Object.values(counts).reduce((sum, count) => sum + count));
  const scale = 400 / Math.max(...all);
  const parts = [];
  let legend = 0;
  for (const [, label, colour] of KINDS) {
    parts.push(box(legend + 1, 4, 14, 14, colour), textLines(legend + 22, 16, [label]));
    legend += 48 + label.length * 7;
  }
  for (const [index, { label, counts }] of rows.entries()) {
    const y = 36 + index * 38;
    parts.push(textLines(0, y + 20, [label]));
    let x = left;
    for (const [kind, , colour] of KINDS) {
      if (counts[kind] === 0) continue;
      const width = counts[kind] * scale;
      parts.push(box(x + 1, y, width - 2, 28, colour));
      if (width > 18) parts.push(textLines(x + width / 2, y + 19, [`${counts[kind]}`], { 'text-anchor': 'middle' }));
      x += width;
    }
    parts.push(textLines(x + 8, y + 19, [`${all[index]}`], { class: 'strong' }));
  }
  const text = rows
    .map(({ label, counts }) => `${label}: ${KINDS.map(([kind, name]) => `${counts[kind]} by ${name}`).join(', ')}`)
    .join('; ');
  const title = 'Mistakes put into the rules, by what caught them first';
  return picture({ width: 640, height: 36 + rows.length * 38, title, text }, parts);
}
