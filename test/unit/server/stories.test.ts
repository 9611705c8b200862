import { readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import { createService, type ServiceOptions, startServer } from '../../../dist/entry/service.js';
import { TEST_DEVICE } from '../../support/device-fixture.js';
import { type Stories, stories, storiesAbsent, storiesWithTemplate } from '../../support/models.js';

const BOS = 1;

describe.skipIf(storiesAbsent)('a real model (skipped where there is none)', () => {
  it.each<[string, Partial<ServiceOptions>]>([
    ['on one rank', {}],
    ['on two ranks, with graphs and drafts', { ranks: 2, ladder: [4, 8, 16], limits: { queryLen: 4 } }],
    ['planned ahead with drafts', { async: true, ranks: 2, ladder: [4, 8, 16], limits: { queryLen: 4 } }],
    [
      'on two processes, with few blocks',
      { tensorParallelSize: 2, limits: { numBlocks: 60, maxNumBatchedTokens: 64 } },
    ],
  ])('says over HTTP what it says by itself, whole and streamed, %s', async (_name, options) => {
    const { cases, total } = JSON.parse(readFileSync(path.join(stories, 'expected.json'), 'utf8')) as Stories;
    const service = await createService({ model: stories, device: TEST_DEVICE, ...options });
    const server = await startServer({ service });
    const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'any', maxRetries: 0 });
    await Promise.all(
      cases.map(async ({ prompt, promptIds, outputIds, text }) => {
        const body = {
          model: 'stories260k',
          prompt,
          temperature: 0,
          max_tokens: total - promptIds.length,
          ...({ stop_token_ids: [BOS], ignore_eos: true } as object),
        };
        const whole = await client.completions.create({ ...body, echo: true });
        expect(whole.choices[0]?.text).toBe(text);
        expect(whole.usage?.prompt_tokens).toBe(promptIds.length);
        const ended = whole.choices[0]?.finish_reason === 'stop' ? 1 : 0;
        expect(whole.usage?.completion_tokens).toBe(outputIds.length + ended);
        let streamed = prompt;
        for await (const { choices } of await client.completions.create({ ...body, stream: true })) {
          streamed += choices[0]?.text ?? '';
        }
        expect(streamed).toBe(text);
      }),
    );
    await server.close();
    await service.close();
  });

  it('chats where its folder has a template', async () => {
    const folder = storiesWithTemplate();
    const service = await createService({ model: folder, device: TEST_DEVICE });
    const server = await startServer({ service });
    const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'any', maxRetries: 0 });
    const ask = { model: service.model, temperature: 0, max_tokens: 40 };
    const content = 'Once upon a time';
    const { choices, usage } = await client.chat.completions.create({ ...ask, messages: [{ role: 'user', content }] });
    const plain = await client.completions.create({ ...ask, prompt: content });
    expect(choices[0]?.message.content).toBe(plain.choices[0]?.text);
    expect(usage).toEqual(plain.usage);
    await server.close();
    await service.close();
    rmSync(folder, { recursive: true });
  });
});
