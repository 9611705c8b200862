import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../../dist/checkpoint/index.js';
import { decodeKey, piecewiseKey } from '../../../dist/entry/planner.js';
import { type Stories, stories, storiesAbsent } from '../../support/models.js';
import { TextRank, type TextRankOptions } from '../../support/text-rank.js';

const limits = { maxNumSeqs: 12, maxNumBatchedTokens: 64, maxModelLen: 512, blockSize: 16, numBlocks: 400 };
const BOS = 1;

describe.skipIf(storiesAbsent)('a trained model, whose own program printed these tokens', () => {
  const checkpoint = storiesAbsent ? null : openCheckpoint(stories);
  const { total, cases } = storiesAbsent
    ? { total: 0, cases: [] }
    : (JSON.parse(readFileSync(path.join(stories, 'expected.json'), 'utf8')) as Stories);

  it.each<[string, TextRankOptions, string]>([
    ['eager', { limits }, 'eager 1'],
    ['in graphs', { limits, plan: { keys: [1, 2, 4, 8, 12].map((size) => decodeKey(size, 1, 1)) } }, 'full 1'],
    ['padded', { limits, plan: { keys: [decodeKey(12, 1, 1)] } }, 'full 1'],
    ['in pieces', { limits, plan: { keys: [piecewiseKey(12), piecewiseKey(64)] } }, 'piecewise 1'],
    ['in parts', { limits, policy: { ubatches: 2, ubatchThresholdDecode: 2 } }, 'eager 2'],
  ])('says the same %s, all prompts at once', async (_, options, ran) => {
    using rank = await TextRank.open(checkpoint as NonNullable<typeof checkpoint>, options);
    const texts = cases.map((story) => ({ story, text: rank.add(story.promptIds, total), said: [] as number[] }));
    const seen = new Set<string>();
    for (let live = texts; live.length > 0; ) {
      const decoding = live[0].text.computed > 0;
      // Prompts are computed a few at a time, so that each fits a step whole.
      const taken = decoding ? live : live.filter((_, index) => index < 4);
      const chunks = taken.map(({ text }) => ({ text, tokens: text.ids.length - text.computed, decode: decoding }));
      const rows = rank.step(chunks);
      seen.add(rank.ran);
      for (const { text, token, logits } of rows) {
        const of = texts.find((each) => each.text === text) as (typeof texts)[number];
        if (of.said.length === 0) {
          for (const [id, expected] of of.story.firstLogits8.entries()) expect(logits[id]).toBeCloseTo(expected, 4);
        }
        if (token !== BOS) {
          of.said.push(token);
          text.ids.push(token);
        }
        const done = token === BOS || text.ids.length === total;
        if (done) rank.remove(text);
        if (done) live = live.filter((each) => each !== of);
      }
      if (!decoding)
        live = [...live.filter((each) => !taken.includes(each)), ...taken.filter((each) => live.includes(each))];
    }
    for (const { story, said } of texts)
      expect({ prompt: story.prompt, said }).toEqual({ prompt: story.prompt, said: story.outputIds });
    expect([...seen]).toContain(ran);
  });
});
