// A forward of your own: the next letter is drawn from how often letters follow each other in a text. It needs no weights and no
// kernels, so it shows what a service asks of a model and no more:
//   npx lockstep serve examples/service/bigrams.mjs --max-model-len 512
const LETTERS = '\nabcdefghijklmnopqrstuvwxyz ';
const TEXT = 'the ranks of an engine take a step together or no rank takes it and a step that all of them take has one shape';

/** How often each letter follows each. */
const follows = Array.from(LETTERS, () => new Float64Array(LETTERS.length).fill(0.01));
for (const [at, letter] of [...TEXT].entries()) {
  follows[LETTERS.indexOf(letter)][LETTERS.indexOf(TEXT[at + 1] ?? '\n')] += 1;
}

/** The service must know these before a rank runs. */
export const model = { name: 'bigrams', vocabSize: LETTERS.length, eosTokenIds: [0] };

/** Letters are tokens; what is no letter is a blank. */
export const tokenizer = {
  encode: (text) => Array.from(text.toLowerCase(), (letter) => Math.max(0, LETTERS.indexOf(letter)) || LETTERS.length - 1),
  decode: (ids) => Array.from(ids, (id) => LETTERS[id]).join(''),
  stream: () => ({ push: (id) => LETTERS[id], end: () => '' }),
  chatTemplate: null,
  renderChat: () => '',
};

/** Called on each rank's thread, with the executor of its device. */
export default function make(_executor, _limits, _data) {
  const sampleSync = ({ tensors }, rows) =>
    Int32Array.from(rows, ({ controls, position }, row) => {
      // Row `row` of the logits is of the token at `logitsIndices[row]`.
      const counts = follows[tensors.inputIds[tensors.logitsIndices[row]]];
      return draw(counts, controls, position);
    });
  return {
    // A model enqueues its kernels here: it reads part.tensors and writes its cache through part.tensors.slotMapping.
    part: () => {},
    sampleSync,
    sample: async (local, rows) => sampleSync(local, rows),
    [Symbol.dispose]: () => {},
  };
}

/** The most likely letter, or one by chance: what is drawn depends on the seed and the position alone, so that a request can be resumed. */
function draw(counts, { temperature, seed }, position) {
  if (temperature === 0) return counts.indexOf(Math.max(...counts));
  const weights = counts.map((count) => count ** (1 / temperature));
  let rest = uniform(Number(seed & 0xffff_ffffn), position) * weights.reduce((sum, weight) => sum + weight, 0);
  const at = weights.findIndex((weight) => (rest -= weight) < 0);
  return at < 0 ? weights.length - 1 : at;
}

/** A number from 0 to 1, hashed from two. */
function uniform(seed, position) {
  let hash = Math.imul(seed ^ Math.imul(position, 0x9e3779b1), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
