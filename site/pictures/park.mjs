// When ranks without work wait, and what ends the wait.
import { box, element, LINE, picture, textLines } from './svg.mjs';

const WIDTH = 170;
const HEIGHT = 64;

/** @type {Record<string, readonly [x: number, y: number, lines: readonly string[], colour: keyof typeof import('./svg.mjs').COLOURS]>} */
const STATES = {
  step: [1, 40, ['step', 'vote, decide, launch'], 'green'],
  parked: [290, 40, ['parked', 'wait, no deadline'], 'sky'],
  vote: [290, 190, ['vote again', 'look at the interrupt'], 'purple'],
  left: [560, 190, ['left', 'no further step'], 'orange'],
};

/** @type {readonly (readonly [path: string, x: number, y: number, lines: readonly string[], anchor: string, head: string])[]} */
const MOVES = [
  ['M171 58H288', 230, 32, ['no rank', 'has work'], 'middle', 'm-6 -5l6 5l-6 5'],
  ['M290 86H173', 230, 106, ['some rank', 'has work'], 'middle', 'm6 -5l-6 5l6 5'],
  ['M395 104V188', 405, 144, ['the group is', 'interrupted'], 'start', 'm-5 -6l5 6l5 -6'],
  ['M355 190V106', 345, 148, ['some rank stays', 'and none has work'], 'end', 'm-5 6l5 -6l5 6'],
  ['M459 222H558', 509, 196, ['all want', 'to leave'], 'middle', 'm-6 -5l6 5l-6 5'],
];

export function park() {
  const parts = Object.values(STATES).map(([x, y, [name, says], colour]) =>
    [
      box(x, y, WIDTH - 2, HEIGHT, colour),
      textLines(x + 12, y + 27, [name], { class: 'strong' }),
      textLines(x + 12, y + 27 + LINE, [says]),
    ].join(''),
  );
  for (const [path, x, y, lines, anchor, head] of MOVES) {
    parts.push(element('path', { d: `${path}${head}`, class: 'rule', fill: 'none', 'stroke-width': 1.5 }));
    parts.push(textLines(x, y, lines, { class: 'soft', 'text-anchor': anchor }));
  }
  const text =
    'From a step to parked: no rank has work. From parked to a step: some rank has work. From parked to a new vote: the group is interrupted. From that vote back to parked: some rank stays and none has work. From that vote to left: all want to leave.';
  return picture({ width: 730, height: 258, title: 'Parking', text }, parts);
}
