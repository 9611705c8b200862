import { bitsOf, f32 } from '../oracles/f32-oracle.js';
import { type Controls, sampleRow } from '../oracles/sample-oracle.js';
import { at, f32Bytes, fails, i32Bytes, i32Of, type KernelCases, poison, scalar, succeeds } from './case.js';
import type { Draws } from './draws.js';

function drawControls(draws: Draws, vocab: number): Controls {
  return {
    temperature: f32(draws.pick([0, 0.3, 1, 1, 2.5])),
    topK: draws.once(2) ? 0 : draws.from(1, vocab + 2),
    topP: f32(draws.once(2) ? 1 : draws.pick([0.1, 0.5, 0.9, 0.999])),
    seed: draws.word(),
    position: draws.from(0, 2 ** 20),
  };
}

const wordsOf = ({ temperature, topK, topP, seed, position }: Controls): number[] => [
  bitsOf(temperature),
  topK,
  bitsOf(topP),
  Number(BigInt.asIntN(32, seed)),
  Number(BigInt.asIntN(32, seed >> 32n)),
  position,
  0,
  0,
];

export const sample: KernelCases = {
  kinds: ['failure', 'greedy', 'top-k', 'top-p', 'top-k and top-p', 'all', 'equal logits', 'not a number', 'beyond 64'],
  draw(draws) {
    const n = draws.from(0, 3);
    const vocab = draws.once(4) ? draws.from(65, 90) : draws.from(1, 30);
    const coarse = draws.once(3);
    const logits = draws.list(n * vocab, () => (coarse ? draws.from(-2, 2) : f32(draws.float() * 4)));
    const strange = draws.once(3) ? NaN : -Infinity;
    if (draws.once(5)) for (const index of draws.distinct(n, n * vocab)) logits[index] = strange;
    const controls = draws.list(n, () => drawControls(draws, vocab));
    const drawn = controls.filter(({ temperature }) => temperature > 0);
    const cutsK = (one: Controls): boolean => one.topK > 0 && one.topK < vocab;
    const kinds = [
      ...(controls.length > drawn.length ? ['greedy'] : []),
      ...(drawn.some((one) => cutsK(one) && one.topP === 1) ? ['top-k'] : []),
      ...(drawn.some((one) => !cutsK(one) && one.topP < 1) ? ['top-p'] : []),
      ...(drawn.some((one) => cutsK(one) && one.topP < 1) ? ['top-k and top-p'] : []),
      ...(drawn.some((one) => !cutsK(one) && one.topP === 1) ? ['all'] : []),
      ...(coarse && drawn.length > 0 && vocab > 8 ? ['equal logits'] : []),
      ...(logits.some(Number.isNaN) ? ['not a number'] : []),
      ...(vocab > 64 && n > 0 ? ['beyond 64'] : []),
    ];
    const launchOf = (rows: readonly (readonly number[])[]) => ({
      kernel: 'sample',
      buffers: [f32Bytes(logits), i32Bytes(rows.flat()), poison(n * 4)],
      values: [at(0), at(1), at(2), scalar(n), scalar(vocab)],
    });
    const rows = controls.map(wordsOf);
    const wrongRows = controls.flatMap((_, row) => {
      const column = logits.slice(row * vocab, (row + 1) * vocab).findIndex(Number.isNaN);
      return column < 0 ? [] : [[row, column] as const];
    });
    const [wrongRow] = wrongRows;
    if (wrongRow !== undefined) {
      const [row, column] = wrongRow;
      const why = 'is not a number: a weight of the model is none, or its values are beyond those of a float';
      return fails(launchOf(rows), kinds, wrongRows.length > 1 ? null : `logits[${row}][${column}] ${why}`);
    }
    if (n > 0 && draws.once(6)) {
      const row = draws.from(0, n - 1);
      const [column, value, words] = draws.pick([
        [0, bitsOf(-1), 'a temperature of -1; give 0 or a finite number above it'],
        [0, bitsOf(Infinity), 'a temperature of inf; give 0 or a finite number above it'],
        [1, -1, 'a top-k of -1; give 0 for all, or more'],
        [2, bitsOf(0), 'a top-p of 0; give a number above 0 and up to 1'],
        [2, bitsOf(1.5), 'a top-p of 1.5; give a number above 0 and up to 1'],
      ] as const);
      const wrong = rows.map((own, index) => (index === row ? own.with(column, value) : own));
      return fails(launchOf(wrong), kinds, `controls[${row}][${column}] is ${words}`);
    }
    return succeeds(launchOf(rows), kinds, ([, , out = poison(0)]) => {
      i32Of(out).set(controls.map((one, row) => sampleRow(logits.slice(row * vocab, (row + 1) * vocab), one)));
    });
  },
};
