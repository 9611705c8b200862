// One batch, from `lockstep explain`: what each rank holds, and the size on which all run.
import { box, picture, textLines } from './svg.mjs';

const CELL = 40;
const LEFT = 90;
const GAP = 16;

/**
 * The tokens of each rank beside the places of the graph that all of them run.
 * @param {import('../../dist/entry/check.js').BatchExplanation} explanation of `lockstep explain --json`
 */
export function batch({ local, decision, tensors }) {
  const places = decision.paddedTokens;
  const width = LEFT + places * CELL + 210;
  const parts = [];
  for (const [rank, { tokens, requests }] of local.entries()) {
    const y = 36 + rank * (CELL + GAP);
    parts.push(textLines(0, y + 25, [`rank ${rank}`], { class: 'strong' }));
    for (let place = 0; place < places; place++) {
      const real = place < tokens;
      const x = LEFT + place * CELL;
      const style = real ? {} : { 'stroke-dasharray': '4 3', 'fill-opacity': 0.05 };
      parts.push(box(x + 2, y, CELL - 4, CELL - 4, real ? 'blue' : 'orange', style));
      const owner = real ? `r${tensors[rank].whole.tokenToRequest[place]}` : 'pad';
      parts.push(textLines(x + CELL / 2, y + 23, [owner], { 'text-anchor': 'middle' }));
    }
    const said =
      requests === 0
        ? 'idle: runs a dummy'
        : `${requests} request${requests === 1 ? '' : 's'}, ${places - tokens} padding`;
    parts.push(textLines(LEFT + places * CELL + 14, y + 23, [said], { class: 'soft' }));
  }
  const height = 36 + local.length * (CELL + GAP);
  parts.unshift(textLines(LEFT, 18, [`all ranks run the graph of ${places} tokens`], { class: 'strong' }));
  const text = local.map(({ tokens }, rank) => `rank ${rank}: ${tokens} real of ${places} tokens`).join('; ');
  return picture({ width, height, title: 'One batch on every rank', text }, parts);
}

/**
 * How the tokens of one rank find their slots: block table, positions, slot mapping.
 * @param {import('../../dist/entry/check.js').BatchExplanation} explanation of `lockstep explain --json`
 * @param {number} rank
 * @param {number} blockSize
 */
export function slots({ tensors }, rank, blockSize) {
  const { whole, blockTable } = tensors[rank];
  const columns = [0, 70, 200, 310, 540];
  const heads = ['place', 'blocks', 'position', `block · ${blockSize} + offset`, 'slot'];
  const parts = [textHead(columns, heads)];
  for (const [place, slot] of whole.slotMapping.entries()) {
    const request = Number(whole.tokenToRequest[place]);
    const y = 36 + place * 36;
    const real = request >= 0;
    const position = Number(whole.positions[place]);
    const block = real ? blockTable[request][Math.floor(position / blockSize)] : undefined;
    const cells = real
      ? [place, blockTable[request].join(', '), position, `${block} · ${blockSize} + ${position % blockSize}`, slot]
      : [place, '', '', 'padding: written nowhere', slot];
    parts.push(
      box(1, y, 598, 30, real ? 'blue' : 'orange', real ? {} : { 'stroke-dasharray': '4 3', 'fill-opacity': 0.05 }),
    );
    for (const [index, cell] of cells.entries())
      parts.push(textLines(columns[index] + 12, y + 20, [`${cell}`], { class: 'mono' }));
  }
  const text = [...whole.slotMapping].map((slot, place) => `place ${place}: slot ${slot}`).join('; ');
  return picture(
    { width: 600, height: 40 + whole.slotMapping.length * 36, title: `Slots of rank ${rank}`, text },
    parts,
  );
}

const textHead = (/** @type {number[]} */ columns, /** @type {string[]} */ heads) =>
  heads.map((head, index) => textLines(columns[index] + 12, 20, [head], { class: 'soft' })).join('');
