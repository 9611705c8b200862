import { once } from 'node:events';
import { connect } from 'node:net';
import autocannon from 'autocannon';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  createService,
  type Server,
  type Service,
  type ServiceOptions,
  startServer,
} from '../../../dist/entry/service.js';
import { END, LETTERS, letters } from '../../fixtures/service/letters.mjs';
import { textAfter } from '../../fixtures/service/next-token.mjs';
import { TEST_DEVICE } from '../../support/device-fixture.js';
import { HeldSteps } from '../../support/held-steps.js';

const entry = new URL('../../fixtures/service/hash-forward.mjs', import.meta.url);
const limits = { maxNumSeqs: 8, maxNumBatchedTokens: 64, maxModelLen: 256, blockSize: 4, numBlocks: 200 };
const model = 'letters';

interface Running extends AsyncDisposable {
  readonly service: Service;
  readonly server: Server;
  readonly client: OpenAI;
}

async function start(given: Partial<ServiceOptions> = {}, data: object = {}, more: object = {}): Promise<Running> {
  const service = await createService({
    model: { entry, name: model, data: { vocabSize: LETTERS, ...data }, vocabSize: LETTERS, eosTokenIds: [END] },
    tokenizer: letters,
    device: TEST_DEVICE,
    limits,
    ...given,
  });
  const server = await startServer({ service, ...more });
  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'secret', maxRetries: 0 });
  const end = async (): Promise<void> => {
    await server.close();
    await service.close();
  };
  return { service, server, client, [Symbol.asyncDispose]: end };
}

/** What the model says after a text, and why it stops there. */
function expected(prompt: string, count: number, stops: readonly number[] = [END]): { text: string; reason: string } {
  const ids = textAfter({ vocabSize: LETTERS }, letters.encode(prompt), count, { stops });
  const stopped = stops.includes(ids.at(-1) as number);
  return { text: letters.decode(stopped ? ids.slice(0, -1) : ids), reason: stopped ? 'stop' : 'length' };
}

const greedy = { model, temperature: 0 };

describe('the server, to the client of OpenAI', () => {
  let running: Running;
  let client: OpenAI;
  const held = new HeldSteps();
  beforeAll(async () => {
    running = await start({ ranks: 2, ladder: [1, 2, 4] }, { hold: held.hold });
    client = running.client;
  });
  afterAll(async () => {
    held[Symbol.dispose]();
    await running[Symbol.asyncDispose]();
  });

  it('lists its model', async () => {
    const { data } = await client.models.list();
    expect(data.map(({ id }) => id)).toEqual([model]);
    expect((await client.models.retrieve(model)).object).toBe('model');
    await expect(client.models.retrieve('other')).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
  });

  it('completes a text, or several, with what each took', async () => {
    const prompts = ['abc', 'hello there', 'z'];
    const { choices, usage } = await client.completions.create({ ...greedy, prompt: prompts, max_tokens: 30 });
    for (const [index, prompt] of prompts.entries()) {
      const { text, reason } = expected(prompt, 30);
      expect(choices[index]).toMatchObject({ index, text, finish_reason: reason, logprobs: null });
    }
    expect(usage?.prompt_tokens).toBe(prompts.join('').length);
    expect(usage?.total_tokens).toBe((usage?.prompt_tokens ?? 0) + (usage?.completion_tokens ?? 0));
  });

  it('takes token ids, echoes, and stops where nothing is said: 16 tokens', async () => {
    const ids = letters.encode('abc');
    const extra = { ignore_eos: true, return_token_ids: true } as object;
    const made = await client.completions.create({ ...greedy, prompt: ids, echo: true, ...extra });
    const tokens = textAfter({ vocabSize: LETTERS }, ids, 16);
    expect(made.choices[0]).toMatchObject({ text: `abc${letters.decode(tokens)}`, token_ids: tokens });
    const none = await client.completions.create({ ...greedy, prompt: 'abc', echo: true, max_tokens: 0 });
    expect(none.choices[0]).toMatchObject({ text: 'abc', finish_reason: 'length' });
    expect(none.usage?.completion_tokens).toBe(0);
  });

  it('streams a text in pieces that make the whole, with its use at the end', async () => {
    for (const prompt of ['abc', 'once more', 'q']) {
      const stream = await client.completions.create({
        ...greedy,
        prompt,
        max_tokens: 40,
        stream: true,
        stream_options: { include_usage: true },
      });
      let text = '';
      const reasons: unknown[] = [];
      let used = 0;
      for await (const { choices, usage } of stream) {
        text += choices[0]?.text ?? '';
        if (choices[0]?.finish_reason) reasons.push(choices[0].finish_reason);
        if (usage) used = usage.prompt_tokens;
      }
      const whole = expected(prompt, 40);
      expect([text, reasons, used]).toEqual([whole.text, [whole.reason], prompt.length]);
    }
  });

  it('holds back what may begin a stop string, and never shows it', async () => {
    const { text } = expected('abc', 60, []);
    const stop = text.slice(10, 14);
    const stream = await client.completions.create({
      ...greedy,
      prompt: 'abc',
      max_tokens: 60,
      stop: ['#', stop],
      stream: true,
      ...({ ignore_eos: true } as object),
    });
    const pieces: string[] = [];
    let reason: unknown;
    for await (const { choices } of stream) {
      pieces.push(choices[0]?.text ?? '');
      reason = choices[0]?.finish_reason ?? reason;
    }
    expect([pieces.join(''), reason]).toEqual([text.slice(0, text.indexOf(stop)), 'stop']);
  });

  it('draws alike from one seed, and each of n choices from a seed of its own', async () => {
    const ask = () =>
      client.completions.create({ model, prompt: 'abc', temperature: 1, seed: 11, n: 3, max_tokens: 20 });
    const [first, second] = await Promise.all([ask(), ask()]);
    expect(first.choices).toEqual(second.choices);
    expect(new Set(first.choices.map(({ text }) => text)).size).toBe(3);
  });

  it('answers a chat, whole and streamed', async () => {
    const messages = [
      { role: 'system' as const, content: 'be kind' },
      { role: 'user' as const, content: [{ type: 'text' as const, text: 'hi' }] },
    ];
    const prompt = 'system be kind user hi a ';
    const { text, reason } = expected(prompt, 24);
    const made = await client.chat.completions.create({ ...greedy, messages, max_completion_tokens: 24 });
    expect(made.choices[0]).toMatchObject({ finish_reason: reason, message: { role: 'assistant', content: text } });
    expect(made.usage?.prompt_tokens).toBe(prompt.length);
    const stream = await client.chat.completions.create({ ...greedy, messages, max_tokens: 24, stream: true });
    let streamed = '';
    let role: unknown;
    for await (const { choices } of stream) {
      role ??= choices[0]?.delta.role;
      streamed += choices[0]?.delta.content ?? '';
    }
    expect([role, streamed]).toEqual(['assistant', text]);
  });

  it('takes a format that changes nothing, two equal numbers of tokens, and the names of messages', async () => {
    const response_format = { type: 'text' as const };
    const body = { ...greedy, prompt: 'abc', max_tokens: 4, response_format };
    const completed = await client.completions.create(body);
    expect(completed.choices[0]?.text).toBe(expected('abc', 4).text);
    const messages = [{ role: 'user' as const, content: 'hi', name: 'ann' }];
    const rendered = vi.spyOn(letters, 'renderChat');
    const chat = { ...greedy, messages, max_tokens: 3, max_completion_tokens: 3, response_format };
    expect((await client.chat.completions.create(chat)).usage?.completion_tokens).toBe(3);
    expect(rendered).toHaveBeenLastCalledWith(messages);
    rendered.mockRestore();
    const refused = client.chat.completions.create({ ...chat, max_tokens: 2 });
    await expect(refused).rejects.toMatchObject({
      status: 400,
      param: 'max_tokens',
      message: '400 max_tokens is 2, and max_completion_tokens is 3: two names of one number; leave one out.',
    });
  });

  it.each<[string, string | null, object]>([
    ['a format', 'response_format', { prompt: 'a', response_format: { type: 'json_object' } }],
    ['a format with more', 'response_format', { prompt: 'a', response_format: { type: 'text', schema: {} } }],
    ['logprobs', 'logprobs', { prompt: 'a', logprobs: 2 }],
    ['a penalty', 'frequency_penalty', { prompt: 'a', frequency_penalty: 0.5 }],
    ['a bias', 'logit_bias', { prompt: 'a', logit_bias: { 5: 1 } }],
    ['best_of', 'best_of', { prompt: 'a', best_of: 4 }],
    ['suffix', 'suffix', { prompt: 'a', suffix: 'b' }],
    ['a field that does not exist', 'guided', { prompt: 'a', guided: 1 }],
    ['a field of a field', 'stream_options.deep', { prompt: 'a', stream: true, stream_options: { deep: 1 } }],
    ['stream_options without a stream', 'stream_options', { prompt: 'a', stream_options: {} }],
    ['a temperature above 2', 'temperature', { prompt: 'a', temperature: 3 }],
    ['a share of the probability that is none', 'top_p', { prompt: 'a', top_p: 1e-46 }],
    ['a number as text', 'max_tokens', { prompt: 'a', max_tokens: '5' }],
    ['no prompt', 'prompt', {}],
    ['an empty prompt', null, { prompt: '' }],
    ['an id outside the vocabulary', null, { prompt: [99] }],
    ['more tokens than fit', null, { prompt: 'a', max_tokens: 5000 }],
  ])('refuses %s, and names it', async (_name, param, body) => {
    const error = await client.completions.create({ model, ...body } as never).then(
      () => expect.unreachable(),
      (reason) => reason,
    );
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({ status: 400, type: 'invalid_request_error', param });
    if (param !== null) expect(error.message).toContain(param.split('.').at(-1));
  });

  it('refuses other models, paths, and bodies that are no JSON or too large', async () => {
    await expect(client.completions.create({ model: 'gpt', prompt: 'a' })).rejects.toMatchObject({ status: 404 });
    const post = async (body: string, path = '/v1/completions') => {
      const headers = { 'content-type': 'application/json' };
      const answer = await fetch(`${running.server.url}${path}`, { method: 'POST', headers, body });
      return [answer.status, typeof ((await answer.json()) as { error: { message: string } }).error.message];
    };
    expect(await post('{')).toEqual([400, 'string']);
    expect(await post(JSON.stringify({ prompt: 'a'.repeat(5 << 20) }))).toEqual([413, 'string']);
    expect(await post('{}', '/v1/embeddings')).toEqual([404, 'string']);
  });

  it('says which methods a path has, and that it reads no body that is encoded', async () => {
    const ask = async (method: string, path: string, headers: Record<string, string> = {}, body?: string) => {
      const init = { method, headers: { 'content-type': 'application/json', ...headers }, ...(body && { body }) };
      const answer = await fetch(`${running.server.url}${path}`, init);
      await answer.arrayBuffer();
      return [answer.status, answer.headers.get('allow')];
    };
    expect(await ask('GET', '/v1/completions')).toEqual([405, 'POST']);
    expect(await ask('DELETE', '/v1/chat/completions?x=1')).toEqual([405, 'POST']);
    expect(await ask('POST', '/v1/models', {}, '{')).toEqual([405, 'GET, HEAD']);
    expect(await ask('GET', '/v1/none')).toEqual([404, null]);
    const body = JSON.stringify({ ...greedy, prompt: 'abc', max_tokens: 2 });
    expect(await ask('POST', '/v1/completions', { 'content-encoding': 'gzip' }, body)).toEqual([415, null]);
    expect(await ask('POST', '/v1/completions', { 'content-encoding': 'identity' }, body)).toEqual([200, null]);
  });

  it('says which type a body must have, and which field is missing', async () => {
    const post = async (type: string, body: string) => {
      const headers = { 'content-type': type };
      const answer = await fetch(`${running.server.url}/v1/completions`, { method: 'POST', headers, body });
      return [answer.status, ((await answer.json()) as { error: { message: string } }).error.message];
    };
    const body = JSON.stringify({ ...greedy, prompt: 'abc', max_tokens: 2 });
    // What curl -d sends without a header, and what fetch sends of a text.
    for (const type of ['application/x-www-form-urlencoded', 'text/plain;charset=UTF-8']) {
      expect(await post(type, body)).toEqual([415, expect.stringContaining('content-type: application/json')]);
    }
    expect(await post('application/json', JSON.stringify({ model }))).toEqual([400, 'prompt is missing; give it.']);
  });

  it('tells Prometheus what it did, by names that vLLM has too', async () => {
    const answer = await fetch(`${running.server.url}/metrics`);
    const text = await answer.text();
    expect(answer.headers.get('content-type')).toContain('text/plain');
    const value = (name: string): number => Number(new RegExp(`^${name}{[^}]*} (.+)$`, 'm').exec(text)?.[1]);
    const { generatedTokens, promptTokens, ended } = running.service.stats();
    expect(value('vllm:generation_tokens_total')).toBe(generatedTokens);
    expect(value('vllm:prompt_tokens_total')).toBe(promptTokens);
    expect(value('vllm:num_requests_running')).toBe(0);
    expect(value('vllm:num_requests_waiting')).toBe(0);
    expect(value('vllm:e2e_request_latency_seconds_count')).toBe(ended.stop + ended.length + ended.abort + ended.error);
    expect(value('vllm:time_to_first_token_seconds_count')).toBeGreaterThan(10);
    expect(value('lockstep_graphs')).toBe(3);
  });

  it('answers a load of requests, each as it should', async () => {
    const body = JSON.stringify({ ...greedy, prompt: 'abc', max_tokens: 12 });
    const { text } = expected('abc', 12);
    const result = await autocannon({
      url: `${running.server.url}/v1/completions`,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
      connections: 16,
      amount: 200,
      verifyBody: (given) => JSON.parse(String(given)).choices[0].text === text,
    });
    expect(result).toMatchObject({ '2xx': 200, non2xx: 0, errors: 0, mismatches: 0 });
  });

  it('cancels a request whose client goes, and serves the others as before', async () => {
    const before = running.service.stats().ended;
    // They begin together, and none ends by itself before all have gone.
    held.from(0);
    const stays = client.completions.create({
      ...greedy,
      prompt: 'stay',
      max_tokens: 200,
      ...({ ignore_eos: true } as object),
    });
    const goes = Array.from({ length: 12 }, async (_, at) => {
      const stream = await client.completions.create({
        ...greedy,
        prompt: `go ${'abcdefghijkl'[at]}`,
        max_tokens: 230,
        stream: true,
        ...({ ignore_eos: true } as object),
      });
      let left = at;
      for await (const _ of stream) if (left-- === 0) stream.controller.abort();
    });
    const underWay = (): number => {
      const { queued, waiting, running: taken } = running.service.stats();
      return queued + waiting + taken;
    };
    await expect.poll(underWay).toBe(13);
    held.from(40);
    await Promise.all(goes);
    await expect.poll(() => running.service.stats().ended.abort).toBe(before.abort + 12);
    held.release();
    expect((await stays).choices[0]?.text).toBe(expected('stay', 200, []).text);
    await expect.poll(() => running.service.stats().running).toBe(0);
    const { abort, error } = running.service.stats().ended;
    expect([abort, error]).toEqual([before.abort + 12, 0]);
  });
});

describe('a server', () => {
  it('asks for its key where it has one, but for its health and its metrics', async () => {
    await using running = await start({}, {}, { apiKey: 'secret' });
    const { client, server } = running;
    expect((await client.models.list()).data).toHaveLength(1);
    const stranger = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'wrong', maxRetries: 0 });
    await expect(stranger.models.list()).rejects.toMatchObject({ status: 401, code: 'invalid_api_key' });
    for (const path of ['/health', '/metrics']) expect((await fetch(server.url + path)).status).toBe(200);
  });

  it('says that a model without a tokenizer or a template does not chat, and completes ids', async () => {
    const chat = { model, messages: [{ role: 'user' as const, content: 'hi' }] };
    {
      await using running = await start({ tokenizer: { ...letters, chatTemplate: null } });
      await expect(running.client.chat.completions.create(chat)).rejects.toThrow(/no chat template/);
    }
    await using running = await start({ tokenizer: null });
    await expect(running.client.chat.completions.create(chat)).rejects.toThrow(/no tokenizer/);
    await expect(running.client.completions.create({ model, prompt: 'abc' })).rejects.toThrow(/no tokenizer/);
    const { choices } = await running.client.completions.create({ ...greedy, prompt: [1, 2], max_tokens: 5 });
    expect(choices[0]).toMatchObject({ token_ids: textAfter({ vocabSize: LETTERS }, [1, 2], 5, { stops: [END] }) });
  });

  it('refuses what is above its queue with 429 and a time to come back', async () => {
    using held = new HeldSteps().from(4);
    const data = { hold: held.hold };
    await using running = await start({ maxQueue: 1, limits: { ...limits, maxNumSeqs: 1 } }, data);
    const body = { ...greedy, prompt: 'a', max_tokens: 30, ...({ ignore_eos: true } as object) };
    const taken = [1, 2].map(() => running.client.completions.create(body));
    await expect.poll(() => running.service.stats().queued).toBe(1);
    const error = await running.client.completions.create(body).then(
      () => expect.unreachable(),
      (reason) => reason,
    );
    expect(error).toMatchObject({ status: 429, code: 'rate_limit_exceeded' });
    expect(Number(error.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    held.release();
    for (const { choices } of await Promise.all(taken)) expect(choices[0]?.finish_reason).toBe('length');
  });

  it('ends open streams with an error where a rank is lost, is not well, and serves again', async () => {
    const crashOn = letters.encode('x')[0] as number;
    using held = new HeldSteps().from(20);
    await using running = await start({ ranks: 2, restarts: 1 }, { crashOn, hold: held.hold });
    const { client, server, service } = running;
    const health = async (): Promise<number> => (await fetch(`${server.url}/health`)).status;
    expect(await health()).toBe(200);
    const stream = await client.completions.create({
      ...greedy,
      prompt: 'abc',
      max_tokens: 200,
      stream: true,
      ...({ stop_token_ids: [crashOn], ignore_eos: true } as object),
    });
    const states: number[] = [];
    service.observe((event) => {
      if (event.kind === 'state') void health().then((status) => states.push(status));
    });
    const fatal = client.completions.create({ ...greedy, prompt: 'x' });
    // The stream is under way when the rank is lost.
    await expect.poll(() => service.stats().running + service.stats().waiting).toBe(2);
    held.release();
    const read = async (): Promise<void> => {
      for await (const _ of stream);
    };
    await Promise.all([
      expect(read()).rejects.toMatchObject({ code: 'rank_lost', type: 'server_error' }),
      expect(fatal).rejects.toMatchObject({ status: 503, code: 'rank_lost' }),
    ]);
    await expect.poll(() => service.state).toBe('ready');
    expect(states[0]).toBe(503);
    const { text } = expected('abc', 3);
    expect((await client.completions.create({ ...greedy, prompt: 'abc', max_tokens: 3 })).choices[0]?.text).toBe(text);
    await expect(client.completions.create({ ...greedy, prompt: 'x' })).rejects.toMatchObject({ status: 503 });
    await expect.poll(() => service.state).toBe('failed');
    expect(await health()).toBe(503);
    await expect(client.completions.create({ ...greedy, prompt: 'abc' })).rejects.toMatchObject({ status: 503 });
  });

  it('holds up only the request of a client that does not read', async () => {
    // Each token is a page, so that no buffer of the system holds the answer.
    const pages = {
      ...letters,
      stream: () => ({ push: (id: number) => letters.decode([id]).repeat(2000), end: () => '' }),
    };
    const long = { ...limits, maxModelLen: 20_000, numBlocks: 6000 };
    await using running = await start({ tokenizer: pages, maxUnread: 16, limits: long });
    const { server, client, service } = running;
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    socket.pause();
    await once(socket, 'connect');
    const body = JSON.stringify({ ...greedy, prompt: 'abc', max_tokens: 15_000, ignore_eos: true, stream: true });
    socket.write(
      `POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    await expect.poll(() => service.stats().suspended, { timeout: 60_000 }).toBe(1);
    const generated = service.stats().generatedTokens;
    const { text } = expected('hi', 20);
    const other = await client.completions.create({ ...greedy, prompt: 'hi', max_tokens: 20 });
    expect(other.choices[0]?.text).toBe([...text].map((letter) => letter.repeat(2000)).join(''));
    expect(service.stats().generatedTokens).toBeLessThan(generated + 100);
    socket.destroy();
    await expect.poll(() => service.stats().suspended).toBe(0);
    expect(service.stats().ended.abort).toBe(1);
  });

  it('refuses options that cannot be, and addresses that it cannot have', async () => {
    await using running = await start();
    const { service, server } = running;
    await expect(startServer({ service, port: -1 })).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID' });
    await expect(startServer({ service, key: 'x' } as never)).rejects.toThrow(/has no key/);
    const port = Number(new URL(server.url).port);
    await expect(startServer({ service, port })).rejects.toMatchObject({ code: 'ERR_INPUT_INVALID' });
  });
});
