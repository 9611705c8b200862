import type { FileMutation } from './simulation-mutations.js';

const LAYERS = 'decoder/decoder-layers.js';
const AHEAD = 'decoder/ahead-sampler.js';
const PARTS = 'execution/forward-parts.js';

/** Mistakes between a plan and a model's kernels. A run of a model must say other tokens, other logits, or an error. */
export const DECODER_MUTATIONS: readonly FileMutation[] = [
  {
    name: 'slots are those of the next token',
    file: LAYERS,
    find: '[qkv, grouped.slotMapping, cache, tokens,',
    replace: '[qkv, { buffer: grouped.slotMapping, offset: 8 }, cache, tokens,',
  },
  {
    name: 'a padding row has the slot of a token',
    file: 'run/request-rows.js',
    find: 'copyIds(writtenTensors.inputIds, inputIds, local.paddedTokens);',
    replace:
      'copyIds(writtenTensors.inputIds, inputIds, local.paddedTokens);\n' +
      'if (local.paddedTokens > local.tokens) tensors.slotMapping[local.paddedTokens - 1] = tensors.slotMapping[0];',
  },
  {
    name: 'a part reads the block table from its first row',
    file: PARTS,
    find: 'this.#part(1 + index, part.tableRow,',
    replace: 'this.#part(1 + index, 0,',
  },
  {
    name: 'a lone change of the block table is not uploaded',
    file: 'execution/device-metadata.js',
    find: 'if (tableEdits > 0)',
    replace: 'if (tableEdits > 1)',
  },
  {
    name: 'the staging sets are swapped',
    file: 'execution/device-metadata.js',
    find: 'this.#sets[local.staging]',
    replace: 'this.#sets[1 - local.staging]',
  },
  {
    name: 'the graph of another size is replayed',
    file: 'execution/executor.js',
    find: 'this.#graphs[key].replay(local.partCount)',
    replace: 'this.#graphs[(key + 1) % this.#graphs.length].replay(local.partCount)',
  },
  {
    name: 'rows go home from the first rank',
    file: 'decoder/expert-layer.js',
    find: 'tokensPerRank.slice(0, rank)',
    replace: 'tokensPerRank.slice(0, 0)',
  },
  {
    name: 'one rank gathers padded rows where the others gather their own',
    file: PARTS,
    find: 'const { tokensPerRank } = decided[0].gather;',
    replace:
      'const { tokensPerRank: own } = decided[0].gather;\n' +
      'const tokensPerRank = this.#planner.rank === 1 ? own.map(() => 1 + Math.max(...own)) : own;',
  },
  {
    name: 'a replica takes the columns of the first one',
    file: 'decoder/column-join.js',
    find: 'const first = rank - (rank % size);',
    replace: 'const first = 0;',
  },
  {
    name: 'a draft is the token before it',
    file: 'run/request-rows.js',
    find: 'inputIds[at + token] = history[start + token];',
    replace: 'inputIds[at + token] = history[start + Math.max(0, token - 1)];',
  },
  {
    name: 'a piece goes on with another layer',
    file: 'decoder/decoder.js',
    find: 'this.#layers.mix(lane, index - 1, part, state)',
    replace: 'this.#layers.mix(lane, 0, part, state)',
  },
  {
    name: 'parts leave their last states in one place',
    file: 'decoder/decoder.js',
    find: 'tensors === whole ? 0 : 1 + parts.indexOf(tensors)',
    replace: 'tensors === whole ? 0 : 1',
  },
  {
    name: 'tokens of a second part are drawn over those of the first',
    file: 'decoder/sampler.js',
    find: 'first += numLogits;',
    replace: 'first += 0 * numLogits;',
  },
  {
    name: 'layers read the first group of blocks',
    file: LAYERS,
    find: '= part.groups[group];',
    replace: '= part.groups[0];',
  },
  {
    name: 'a decode goes on with the tokens of another',
    file: AHEAD,
    find: 'source[index] = continued.window;',
    replace: 'source[index] = (continued.window + 1) % of.size;',
  },
  {
    name: 'a decode that goes on is a position late',
    file: AHEAD,
    find: 'base[index] = continued.position;',
    replace: 'base[index] = continued.position + 1;',
  },
  {
    name: 'a token is drawn as if no draft was accepted before it',
    file: AHEAD,
    find: 'if (!this.#goesOn || maxDrafts',
    replace: 'if (true || maxDrafts',
  },
  {
    name: 'a draw moves by the accepted drafts of another request',
    file: AHEAD,
    find: 'after[index] = source[',
    replace: 'after[index] = source[index] ?? source[',
  },
  {
    name: 'all drafts are those of one request',
    file: AHEAD,
    find: 'drafts.set(continued.drafts, continued.window * maxDrafts);',
    replace: 'drafts.set(continued.drafts, 0);',
  },
  {
    name: 'a part goes on from the first row of the batch',
    file: AHEAD,
    find: 'rowsFrom(this.#source, tableRow)',
    replace: 'rowsFrom(this.#source, 0)',
  },
  {
    name: 'the host reads a step from where the next one is drawn',
    file: AHEAD,
    find: 'new DrawnSet(this.#reads, set,',
    replace: 'new DrawnSet(this.#reads, this.#sets[this.#drawn % 2],',
  },
  {
    name: 'a graph begins before its inputs are filled',
    file: 'execution/executor.js',
    find: 'this.#driver.fills ? null :',
    replace: 'this.#driver.fills && false ? null :',
  },
];
