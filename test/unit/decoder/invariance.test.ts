import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type RandomModelOptions, randomCheckpoint } from '../../../dist/checkpoint/index.js';
import { decodeKey, mixedKey, piecewiseKey } from '../../../dist/entry/planner.js';
import { DecoderOracle } from '../../oracles/decoder-oracle.js';
import { runs } from '../../support/property-runs.js';
import { type Text, TextRank, type TextRankOptions } from '../../support/text-rank.js';

const small = {
  hiddenSize: 32,
  intermediateSize: 40,
  heads: 4,
  kvHeads: 2,
  headDim: 8,
  vocabSize: 64,
  maxPositions: 256,
};
const limits = { maxNumSeqs: 6, maxNumBatchedTokens: 64, maxModelLen: 200, blockSize: 8, numBlocks: 200 };
const scaling = { kind: 'llama3', factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositions: 64 } as const;

const models: readonly [string, RandomModelOptions][] = [
  ['dense', { kind: 'dense', ...small }],
  ['dense, one head for all, its own output', { kind: 'dense', ...small, kvHeads: 1, tiedEmbeddings: false }],
  [
    'dense, tied, scaled rotation',
    { kind: 'dense', ...small, tiedEmbeddings: true, ropeScaling: scaling, ropeTheta: 50_000 },
  ],
  ['dense, windows', { kind: 'dense', ...small, layers: 3, slidingWindow: 12, layerWindows: [0, 12, 12] }],
  ['odd widths', { kind: 'dense', ...small, hiddenSize: 36, headDim: 10, intermediateSize: 23, vocabSize: 37 }],
  ['experts', { kind: 'moe', ...small, experts: 5, expertsPerToken: 2 }],
];

const text = (length: number, seed: number, vocab: number): number[] =>
  Array.from({ length }, (_, index) => (index * index * 7 + seed * 31 + index) % vocab);

describe.each(models)('logits of a model of %s', (_, options) => {
  const checkpoint = randomCheckpoint({ seed: 5, ...options });
  const { vocabSize } = checkpoint.config;

  it('are those of the plain form in float64', async () => {
    using rank = await TextRank.open(checkpoint, { limits });
    const oracle = new DecoderOracle(checkpoint);
    const ids = text(100, 1, vocabSize);
    const expected = oracle.allLogits(ids);
    const whole = rank.add(ids.slice(0, 60), 120);
    const rows = rank.step([{ text: whole, tokens: 60 }]);
    for (const id of ids.slice(60)) {
      whole.ids.push(id);
      rows.push(...rank.step([{ text: whole, tokens: 1, decode: true }]));
    }
    expect(rows).toHaveLength(41);
    for (const { position, logits } of rows) {
      const largest = Math.max(...Array.from(logits, (value, id) => Math.abs(value - expected[position][id])));
      expect({ position, far: largest > 2e-5 ? largest : 0 }).toEqual({ position, far: 0 });
    }
  });
});

/** How the rows of one text may be computed. */
interface Way {
  readonly options: TextRankOptions;
  /** Tokens of the chunks of its prompt; beside it run other texts. */
  readonly chunks: readonly number[];
  readonly others: readonly number[];
}

const PROMPT = 40;
const DECODES = 6;

/** Bits of the logits of a text's last prompt token and of a few decodes. */
async function bitsOf(checkpoint: ReturnType<typeof randomCheckpoint>, way: Way): Promise<string[]> {
  using rank = await TextRank.open(checkpoint, way.options);
  const { vocabSize } = checkpoint.config;
  const ids = text(PROMPT + DECODES, 3, vocabSize);
  const others = way.others.map((length, index) => ({ text: rank.add(text(length, 10 + index, vocabSize), 120) }));
  for (const other of others) rank.step([{ text: other.text, tokens: other.text.ids.length }]);
  const own: Text = rank.add(ids.slice(0, PROMPT), 120);
  const decodes = (): { text: Text; tokens: number; decode: boolean }[] =>
    others.map(({ text }) => {
      text.ids.push(1);
      return { text, tokens: 1, decode: true };
    });
  const rows: string[] = [];
  const take = (chunk: { text: Text; tokens: number; decode?: boolean }): void => {
    for (const row of rank.step([...decodes(), chunk])) {
      if (row.text === own) rows.push(Buffer.from(row.logits.buffer).toString('base64'));
    }
  };
  for (const tokens of way.chunks) take({ text: own, tokens });
  for (const id of ids.slice(PROMPT)) {
    own.ids.push(id);
    take({ text: own, tokens: 1, decode: true });
  }
  return rows;
}

const plans: readonly TextRankOptions[] = [
  { limits },
  { limits, plan: { keys: [1, 2, 4, 6].map((size) => decodeKey(size, 1, 1)) } },
  { limits, plan: { keys: [decodeKey(6, 1, 1), mixedKey(64, 2, 6, 1)] } },
  { limits, plan: { keys: [piecewiseKey(8), piecewiseKey(64)] } },
  { limits, policy: { ubatches: 2, ubatchThresholdDecode: 2, ubatchThresholdPrefill: 4 } },
  { limits, policy: { ubatches: 4, ubatchThresholdDecode: 4, ubatchThresholdPrefill: 4 } },
  { limits: { ...limits, blockSize: 24, kernelBlockSize: 4 } },
];

describe.each([models[0], models[3], models[5]])('a text of a model of %s', (_, options) => {
  const checkpoint = randomCheckpoint({ seed: 9, ...options });

  it('has the same bits whatever runs beside it, in whatever chunks and mode', async () => {
    const reference = await bitsOf(checkpoint, { options: { limits }, chunks: [PROMPT], others: [] });
    expect(reference).toHaveLength(1 + DECODES);
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          options: fc.constantFrom(...plans),
          chunks: fc
            .array(fc.integer({ min: 1, max: PROMPT - 1 }), { maxLength: 4 })
            .map((cuts) => [0, ...new Set(cuts.sort((a, b) => a - b)), PROMPT])
            .map((cuts) => cuts.slice(1).map((cut, index) => cut - cuts[index])),
          others: fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 5 }),
        }),
        async (way) => {
          expect(await bitsOf(checkpoint, way)).toEqual(reference);
        },
      ),
      runs(120),
    );
  });
});

it('layers with block tables of their own have the bits of one table for all', async () => {
  const checkpoint = randomCheckpoint({
    kind: 'dense',
    ...small,
    layers: 3,
    slidingWindow: 16,
    layerWindows: [0, 16, 0],
    seed: 2,
  });
  const reference = await bitsOf(checkpoint, { options: { limits }, chunks: [PROMPT], others: [9] });
  const kvGroups = [
    { blockSize: 8, numBlocks: 200 },
    { blockSize: 16, kernelBlockSize: 4, numBlocks: 120, window: 16 },
  ];
  const { blockSize: _blockSize, numBlocks: _numBlocks, ...rest } = limits;
  for (const keys of [[], [decodeKey(6, 1, 1)], [piecewiseKey(64)]]) {
    const options = { limits: { ...rest, kvGroups }, layerGroups: [0, 1, 0], plan: { keys } };
    expect(await bitsOf(checkpoint, { options, chunks: [7, PROMPT - 7], others: [9, 20] })).toEqual(reference);
    const swapped = { ...options, layerGroups: [1, 1, 0] };
    expect(await bitsOf(checkpoint, { options: swapped, chunks: [PROMPT], others: [9] })).toEqual(reference);
  }
});
