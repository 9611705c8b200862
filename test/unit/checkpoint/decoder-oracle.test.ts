import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { openCheckpoint, randomCheckpoint } from '../../../dist/checkpoint/index.js';
import { DecoderOracle, greatest } from '../../oracles/decoder-oracle.js';
import { type Stories, stories, storiesAbsent } from '../../support/models.js';

const BOS = 1;

// Needs ../shared/models, which the repository does not carry.
describe.skipIf(storiesAbsent)('the oracle on stories260k', () => {
  const read = () => ({
    expected: JSON.parse(readFileSync(path.join(stories, 'expected.json'), 'utf8')) as Stories,
    oracle: new DecoderOracle(openCheckpoint(stories)),
  });

  test('says every story, token by token, each the greatest logit after those before it', () => {
    const { expected, oracle } = read();
    expect(expected.cases).toHaveLength(12);
    for (const { promptIds, outputIds, firstLogits8 } of expected.cases) {
      const ids = [...promptIds, ...outputIds];
      const logits = oracle.allLogits(ids).slice(promptIds.length - 1);
      const said = logits.map(greatest);
      expect(said.slice(0, -1)).toEqual(outputIds);
      expect(ids.length === expected.total || said.at(-1) === BOS).toBe(true);
      for (const [i, logit] of firstLogits8.entries()) expect(Math.abs(logits[0][i] - logit)).toBeLessThan(1e-4);
    }
  });

  test('says their beginnings from the prompt alone', () => {
    const { expected, oracle } = read();
    for (const { promptIds, outputIds } of expected.cases.slice(0, 4)) {
      const said = oracle.greedy(promptIds, promptIds.length + 24, [BOS]);
      expect(said).toEqual(outputIds.slice(0, 24));
    }
  });
});

describe('the oracle', () => {
  const prompt = [1, 7, 3, 3, 250, 9, 100, 42];

  test.each([
    ['dense', { kind: 'dense' }],
    ['with experts', { kind: 'moe' }],
    ['with windows', { kind: 'dense', layerWindows: [3, 0] }],
  ] as const)('gives for each token of a text what it gives for the text up to there: %s', (_what, options) => {
    const oracle = new DecoderOracle(randomCheckpoint({ layers: 2, ...options }));
    const all = oracle.allLogits(prompt);
    for (let length = 1; length <= prompt.length; length++) {
      expect(all[length - 1]).toEqual(oracle.logits(prompt.slice(0, length)));
    }
  });

  test('a window hides what is before it, and one as long as the text hides nothing', () => {
    const logits = (slidingWindow: number | null, ids: readonly number[], layers = 1) =>
      new DecoderOracle(randomCheckpoint({ kind: 'dense', layers, slidingWindow })).logits(ids);
    expect(logits(3, prompt)).not.toEqual(logits(null, prompt));
    expect(logits(8, prompt)).toEqual(logits(null, prompt));
    // One layer sees only the window: what comes before may change.
    expect(logits(3, [5, 5, 5, 5, 5, 9, 100, 42])).toEqual(logits(3, prompt));
    expect(logits(4, [5, 5, 5, 5, 5, 9, 100, 42])).not.toEqual(logits(4, prompt));
  });

  test('an expert that no token chooses changes nothing, and one more for each token does', () => {
    const logits = (expertsPerToken: number) =>
      new DecoderOracle(randomCheckpoint({ kind: 'moe', expertsPerToken })).logits(prompt);
    expect(logits(1)).not.toEqual(logits(2));
    expect(logits(4).every(Number.isFinite)).toBe(true);
  });

  test('rotary scaling of llama3 by 1 scales nothing, by 8 it does', () => {
    const logits = (factor: number | null) => {
      const scaling = { kind: 'llama3', lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositions: 64 } as const;
      const ropeScaling = factor === null ? null : { ...scaling, factor };
      return new DecoderOracle(randomCheckpoint({ kind: 'dense', ropeScaling })).logits(prompt);
    };
    const [plain, by1, by8] = [logits(null), logits(1), logits(8)];
    expect(Math.max(...plain.map((value, i) => Math.abs(value - by1[i])))).toBeLessThan(1e-9);
    expect(Math.max(...plain.map((value, i) => Math.abs(value - by8[i])))).toBeGreaterThan(1e-6);
  });

  test('of equal logits the first is the greatest', () => {
    expect(greatest([1, 3, 3, 2])).toBe(1);
  });
});
