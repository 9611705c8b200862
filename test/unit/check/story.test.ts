import { describe, expect, test } from 'vitest';
import { HISTORICAL, playStory } from '../../../dist/check/index.js';

describe.each(HISTORICAL.map((policy) => [policy.name, policy] as const))('the story of %s', (name, { expects }) => {
  test('breaks what the former rule was known to break, which the rule after it does not', async () => {
    const { before, fixed } = await playStory(name);
    expect(before.breaks.filter((property) => expects.includes(property))).not.toEqual([]);
    expect(fixed.breaks.filter((property) => expects.includes(property))).toEqual([]);
    expect(before.trace.at(-1)?.phase).toBe('end');
  });

  test('plays the same batches under both rules', async () => {
    const { before, fixed } = await playStory(name);
    const batches = ({ trace }: typeof before): string[] =>
      trace.filter(({ phase, text }) => phase === 'vote' || /KV space/.test(text)).map(({ text }) => text);
    expect(batches(before)).toEqual(batches(fixed));
    expect(batches(before).length).toBeGreaterThan(0);
  });
});

test('a name that no policy has is refused, with those there are', async () => {
  await expect(playStory('vllm-before-1')).rejects.toThrow(
    /there is no story "vllm-before-1"; there are vllm-before-27771/,
  );
});
