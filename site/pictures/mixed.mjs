// A batch on a mixed graph: which of its rows hold what, from the planner itself.
import { execFileSync } from 'node:child_process';
import { root } from '../paths.mjs';
import { box, picture, textLines } from './svg.mjs';

const SLOTS = { decodes: 4, prefills: 2 };

/** Two decodes and a prompt of 9 tokens on a graph of 16 tokens; printed as JSON. */
const PROGRAM = `
import { createPlanner, mixedKey } from 'lockstep/planner';
const limits = { maxNumSeqs: 8, maxNumBatchedTokens: 64, maxModelLen: 64, blockSize: 16, numBlocks: 20 };
const plan = { keys: [mixedKey(16, ${SLOTS.prefills}, ${SLOTS.decodes}, 1)] };
const planner = await createPlanner({ limits, plan });
const add = (request, chunk) => planner.requests.schedule(planner.requests.add(request), chunk);
add({ blockIds: [1, 2], numComputedTokens: 20 }, { phase: 'decode', queryLen: 1 });
add({ blockIds: [3], numComputedTokens: 7 }, { phase: 'decode', queryLen: 1 });
add({ blockIds: [4] }, { phase: 'prefill', queryLen: 9, lastChunk: true });
const { tensors } = planner.build(planner.resolve(planner.vote())).snapshot();
const order = [...planner.local.order.subarray(0, planner.local.rows)];
console.log(JSON.stringify({ order, starts: [...tensors.queryStartLoc], lengths: [...tensors.seqLens] }));
`;

const COLUMNS = [0, 70, 250, 390, 530];
const HEADS = ['row', 'is', 'request', 'tokens', 'seqLens'];

export function mixed() {
  const printed = execFileSync(process.execPath, ['--input-type=module', '--eval', PROGRAM], {
    cwd: root,
    encoding: 'utf8',
  });
  /** @type {{ order: number[], starts: number[], lengths: number[] }} */
  const { order, starts, lengths } = JSON.parse(printed);
  const parts = HEADS.map((head, index) => textLines(COLUMNS[index] + 12, 20, [head], { class: 'soft' }));
  const says = lengths.map((length, row) => {
    const request = order[row] ?? -1;
    const decode = row < SLOTS.decodes;
    const is = request >= 0 ? (decode ? 'decode' : 'prefill') : decode ? 'gap' : 'padding';
    const tokens = starts[row] === starts[row + 1] ? 'none' : `${starts[row]} to ${starts[row + 1] - 1}`;
    const y = 32 + row * 36;
    const style = request >= 0 ? {} : { 'stroke-dasharray': '4 3', 'fill-opacity': 0.05 };
    const colour = request < 0 ? 'orange' : decode ? 'blue' : 'green';
    parts.push(box(1, y, 638, 30, colour, style));
    const cells = [row, is, request >= 0 ? `r${request}` : '-1', tokens, length];
    for (const [index, cell] of cells.entries())
      parts.push(textLines(COLUMNS[index] + 12, y + 20, [`${cell}`], { class: 'mono' }));
    return `row ${row}: ${is}, tokens ${tokens}`;
  });
  const height = 36 + lengths.length * 36;
  return picture({ width: 640, height, title: 'Rows of a mixed graph', text: says.join('; ') }, parts);
}
