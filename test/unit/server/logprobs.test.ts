import { rmSync } from 'node:fs';
import OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import { openModel } from '../../../dist/entry/checkpoint.js';
import { createService, type ServiceOptions, startServer } from '../../../dist/entry/service.js';
import { DecoderOracle } from '../../oracles/decoder-oracle.js';
import { TEST_DEVICE } from '../../support/device-fixture.js';
import { storiesAbsent, storiesWithTemplate } from '../../support/models.js';

const limits = { maxModelLen: 64, maxNumSeqs: 4, maxNumBatchedTokens: 32, blockSize: 8 };
const prompt = [3, 1, 4, 1, 5];

interface Likely {
  readonly tokens: readonly string[];
  readonly token_logprobs: readonly number[];
  readonly top_logprobs: readonly Record<string, number>[];
  readonly text_offset: readonly number[];
}

/** Greedy tokens of a model made of a seed, whole and streamed, with two of the likeliest each. */
async function asked(options: Partial<ServiceOptions>): Promise<{ whole: Likely; streamed: Likely; plain: unknown }> {
  const service = await createService({
    model: 'random:dense',
    device: TEST_DEVICE,
    ...options,
    limits: { ...limits, ...options.limits },
  });
  const server = await startServer({ service });
  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'any', maxRetries: 0 });
  const body = { model: service.model, prompt, temperature: 0, max_tokens: 12, ...({ ignore_eos: true } as object) };
  const [{ choices: made }, { choices: plain }] = await Promise.all([
    client.completions.create({ ...body, logprobs: 2 }),
    client.completions.create({ ...body, temperature: 1, seed: 4, max_tokens: 20 }),
  ]);
  const streamed = { tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] } as Record<string, unknown[]>;
  for await (const { choices } of await client.completions.create({ ...body, logprobs: 2, stream: true })) {
    for (const [name, values] of Object.entries(choices[0]?.logprobs ?? {})) streamed[name]?.push(...values);
  }
  await server.close();
  await service.close();
  return {
    whole: made[0]?.logprobs as Likely,
    streamed: streamed as unknown as Likely,
    plain: plain[0]?.logprobs,
  };
}

describe('logprobs of a completion', async () => {
  const { whole, streamed, plain } = await asked({});

  it('are those of the plain form of the model, without cache and batches', () => {
    const ids = whole.tokens.map((token) => Number(token.replace('token_id:', '')));
    expect(ids).toHaveLength(12);
    const logits = new DecoderOracle(openModel('random:dense')).allLogits([...prompt, ...ids]);
    for (const [index, id] of ids.entries()) {
      const row = Array.from(logits[prompt.length - 1 + index] as ArrayLike<number>);
      const norm = Math.log(row.reduce((sum, logit) => sum + Math.exp(logit), 0));
      const likeliest = row.map((logit, token) => ({ token, logprob: logit - norm }));
      likeliest.sort((a, b) => b.logprob - a.logprob);
      expect(Math.abs((whole.token_logprobs[index] as number) - ((row[id] as number) - norm))).toBeLessThan(1e-4);
      const top = Object.entries(whole.top_logprobs[index] ?? {});
      expect(top).toHaveLength(2);
      const values = top.map(([, logprob]) => logprob).sort((a, b) => b - a);
      for (const [place, value] of values.entries()) {
        expect(Math.abs(value - (likeliest[place]?.logprob as number))).toBeLessThan(1e-4);
      }
    }
  });

  it('are the same in a stream, and null where nobody asks', () => {
    expect(streamed).toEqual(whole);
    expect(plain).toBeNull();
  });

  it.each<[string, Partial<ServiceOptions>]>([
    ['with drafts', { limits: { queryLen: 3 } }],
    ['on two ranks with graphs', { ranks: 2, ladder: [1, 2, 4] }],
    ['planned ahead', { async: true }],
    ['cut into micro-batches', { policy: { ubatches: 2, ubatchThresholdDecode: 2 } }],
  ])('are the same %s', async (_name, options) => {
    expect((await asked(options)).whole).toEqual(whole);
  });
});

it('logprobs are refused where they are not known, by the field', async () => {
  const service = await createService({ model: 'random:dense', device: TEST_DEVICE, limits });
  const server = await startServer({ service });
  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'any', maxRetries: 0 });
  const body = { model: service.model, prompt };
  await expect(client.completions.create({ ...body, logprobs: 6 })).rejects.toMatchObject({ param: 'logprobs' });
  await expect(client.completions.create({ ...body, logprobs: 1, echo: true })).rejects.toMatchObject({
    status: 400,
    param: 'echo',
  });
  expect(() => service.generate(prompt, { logprobs: 21 })).toThrow(/logprobs is 21/);
  await server.close();
  await service.close();
});

it.skipIf(storiesAbsent)(
  'logprobs of a chat say each token, its bytes and its peers (skipped without a real model)',
  async () => {
    const folder = storiesWithTemplate();
    const service = await createService({ model: folder, device: TEST_DEVICE });
    const server = await startServer({ service });
    const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'any', maxRetries: 0 });
    const messages = [{ role: 'user' as const, content: 'Once upon a time' }];
    const ask = { model: service.model, messages, temperature: 0, max_tokens: 20 };
    const { choices } = await client.chat.completions.create({ ...ask, logprobs: true, top_logprobs: 3 });
    const content = choices[0]?.logprobs?.content ?? [];
    expect(content).toHaveLength(20);
    const said = Buffer.from(content.flatMap(({ bytes }) => bytes ?? [])).toString();
    expect(said.trimStart()).toBe(choices[0]?.message.content?.trimStart());
    expect(content.some(({ token }) => /^ \w/.test(token))).toBe(true);
    for (const { token, logprob, bytes, top_logprobs: top } of content) {
      expect(Buffer.from(bytes ?? []).toString()).toBe(token);
      expect([top.length, top[0]?.token, top[0]?.logprob]).toEqual([3, token, logprob]);
      expect(logprob).toBeLessThanOrEqual(0);
    }
    await expect(client.chat.completions.create({ ...ask, top_logprobs: 3 })).rejects.toMatchObject({
      param: 'top_logprobs',
    });
    await server.close();
    await service.close();
    rmSync(folder, { recursive: true });
  },
);
