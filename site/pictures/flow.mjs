// The way of a step on one rank, and the one place where ranks meet.
import { box, element, picture, textLines, wrap } from './svg.mjs';

/** @type {[name: string, says: string, colour: keyof typeof import('./svg.mjs').COLOURS][]} */
const STATIONS = [
  ['schedule', 'requests of this step', 'blue'],
  ['vote', '32 words: what I hold and want', 'sky'],
  ['gather', 'all rows to all ranks', 'purple'],
  ['resolve', 'the same decision on every rank', 'purple'],
  ['build', 'my tensors, padded as agreed', 'blue'],
  ['launch', 'one graph, or eager', 'green'],
];

export function flow() {
  const width = 110;
  const parts = [];
  for (const [index, [name, says, colour]] of STATIONS.entries()) {
    const x = index * (width + 16);
    parts.push(box(x + 1, 28, width - 2, 92, colour));
    parts.push(textLines(x + 10, 50, [name], { class: 'strong' }));
    parts.push(textLines(x + 10, 71, wrap(says, width - 14, 7)));
    if (index > 0)
      parts.push(
        element('path', { d: `M${x - 14} 74h11m-5 -5l5 5l-5 5`, class: 'rule', fill: 'none', 'stroke-width': 1.5 }),
      );
  }
  parts.push(textLines(1, 16, ['one rank alone'], { class: 'soft' }));
  parts.push(textLines(2 * (width + 16), 16, ['all ranks alike'], { class: 'soft' }));
  parts.push(textLines(4 * (width + 16), 16, ['one rank alone'], { class: 'soft' }));
  const text = STATIONS.map(([name, says]) => `${name}: ${says}`).join('; ');
  return picture({ width: 6 * width + 5 * 16, height: 124, title: 'The way of a step', text }, parts);
}
