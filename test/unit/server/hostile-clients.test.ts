import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text as wholeText } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createService,
  type Server,
  type Service,
  type ServiceOptions,
  startServer,
} from '../../../dist/entry/service.js';
import { checkAddress } from '../../../dist/server/index.js';
import { END, LETTERS, letters } from '../../fixtures/service/letters.mjs';
import { TEST_DEVICE } from '../../support/device-fixture.js';
import { HeldSteps } from '../../support/held-steps.js';
import { stories, storiesAbsent } from '../../support/models.js';

const entry = new URL('../../fixtures/service/hash-forward.mjs', import.meta.url);
const limits = { maxNumSeqs: 4, maxNumBatchedTokens: 64, maxModelLen: 512, blockSize: 4, numBlocks: 600 };

interface Running extends AsyncDisposable {
  readonly service: Service;
  readonly server: Server;
  post(path: string, body: object | string): Promise<Answered>;
}

interface Answered {
  readonly status: number;
  readonly error: { readonly message: string; readonly param: string | null; readonly code: string | null };
  readonly body: string;
}

async function start(given: Partial<ServiceOptions> = {}, data: object = {}, more: object = {}): Promise<Running> {
  const model = { entry, name: 'letters', data: { vocabSize: LETTERS, ...data }, vocabSize: LETTERS };
  const letterModel = { model: { ...model, eosTokenIds: [END] }, tokenizer: letters };
  const own = given.model === undefined ? letterModel : {};
  const service = await createService({ ...own, device: TEST_DEVICE, limits, ...given } as ServiceOptions);
  const server = await startServer({ service, ...more });
  const post = async (route: string, given: object | string): Promise<Answered> => {
    const headers = { 'content-type': 'application/json' };
    const sent = typeof given === 'string' ? given : JSON.stringify(given);
    const answer = await fetch(server.url + route, { method: 'POST', headers, body: sent });
    const body = await answer.text();
    const error = answer.status === 200 ? { message: '', param: null, code: null } : JSON.parse(body).error;
    return { status: answer.status, error, body };
  };
  const end = async (): Promise<void> => {
    await server.close();
    await service.close();
  };
  return { service, server, post, [Symbol.asyncDispose]: end };
}

/** A file of a model. */
interface Document {
  readonly model: { readonly vocab: Readonly<Record<string, number>> };
  readonly added_tokens: readonly object[];
}

async function socketTo(server: Server): Promise<Socket> {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  await once(socket, 'connect');
  return socket;
}

const posted = (route: string, body: string): string =>
  `POST ${route} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;

describe('a server with a key', () => {
  it('asks for it however a path is written', async () => {
    await using running = await start({}, {}, { apiKey: 'secret' });
    const { server } = running;
    const body = JSON.stringify({ prompt: 'abc', max_tokens: 1 });
    const requests = [
      posted('/%761/completions', body),
      posted('/v1/%63ompletions', body),
      posted('http://x/v1/completions', body),
      'GET http://x/v1/models HTTP/1.1\r\nhost: x\r\n\r\n',
      'GET /%761/models HTTP/1.1\r\nhost: x\r\n\r\n',
      'GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n',
    ];
    for (const request of requests) {
      const socket = await socketTo(server);
      socket.write(request.replace('host: x', 'host: x\r\nconnection: close'));
      expect((await wholeText(socket)).split('\r\n')[0]).toBe('HTTP/1.1 401 Unauthorized');
    }
    for (const open of ['/health', '/metrics', '/%68ealth', '/health?x=1']) {
      expect((await fetch(server.url + open)).status).toBe(200);
    }
  });
});

describe('a client that leaves', () => {
  it('cancels the requests that it sent one after the other on one connection, begun or not', async () => {
    using held = new HeldSteps().from(20);
    await using running = await start({}, { hold: held.hold });
    const { server, service } = running;
    const socket = await socketTo(server);
    const body = JSON.stringify({ prompt: 'abc', n: 8, stream: true, max_tokens: 400, ignore_eos: true });
    for (let request = 0; request < 5; request++) socket.write(posted('/v1/completions', body));
    await expect.poll(() => service.stats().running + service.stats().queued).toBe(40);
    socket.destroy();
    await expect.poll(() => service.stats().ended.abort).toBe(40);
    held.release();
    await server.drain();
    expect(service.stats().ended).toEqual({ stop: 0, length: 0, abort: 40, error: 0 });
  });
});

describe('a request that can never be served', () => {
  let running: Running;
  beforeAll(async () => {
    running = await start({ maxQueue: 1 });
  });
  afterAll(() => running[Symbol.asyncDispose]());

  it('is not told to come again: it has more choices than there are places', async () => {
    const { post } = running;
    const one = await post('/v1/completions', { prompt: 'a', n: 6 });
    expect(one).toMatchObject({ status: 400, error: { param: 'n' } });
    expect(one.error.message).toContain('from 1 to 5');
    const several = await post('/v1/completions', { prompt: ['a', 'b', 'c'], n: 2 });
    expect(several).toMatchObject({ status: 400, error: { param: 'n' } });
    expect(several.error.message).toContain('5');
    expect((await post('/v1/completions', { prompt: 'a', n: 5, max_tokens: 1 })).status).toBe(200);
  });

  it('is named by what it may be', async () => {
    const { post } = running;
    for (const prompt of [[], [1.5], ['a', 1], {}, null]) {
      const { status, error } = await post('/v1/completions', { prompt });
      expect([status, error.param, error.code]).toEqual([400, 'prompt', null]);
      expect(error.message).toMatch(/^prompt must be a text, token ids .* or a list of either/);
    }
    const stop = await post('/v1/completions', { prompt: 'a', stop: [5] });
    expect(stop.error).toMatchObject({ param: 'stop', message: expect.stringContaining('a text, or up to 16') });
    const content = await post('/v1/chat/completions', { messages: [{ role: 'user', content: [{ type: 'image' }] }] });
    expect(content.error).toMatchObject({ param: 'messages.0.content', message: expect.stringContaining('a text') });
  });

  it('has no code of the libraries beneath, and none of a prompt that is too long where it is empty', async () => {
    const { post } = running;
    expect(await post('/v1/completions', '{')).toMatchObject({ status: 400, error: { code: null } });
    const large = await post('/v1/completions', { prompt: 'a'.repeat(5 << 20) });
    expect(large).toMatchObject({ status: 413, error: { code: null } });
    const empty = await post('/v1/completions', { prompt: '' });
    expect(empty).toMatchObject({ status: 400, error: { code: 'input_invalid' } });
    expect(empty.error.message).toContain('no tokens');
  });

  it('has a seed that JSON cannot hold', async () => {
    const { post } = running;
    const body = (seed: string): string => `{"prompt":"a","max_tokens":1,"seed":${seed}}`;
    for (const seed of ['9007199254740993', '-9007199254740993', '1e300']) {
      expect(await post('/v1/completions', body(seed))).toMatchObject({ status: 400, error: { param: 'seed' } });
    }
    for (const seed of ['9007199254740991', '-1']) expect((await post('/v1/completions', body(seed))).status).toBe(200);
  });
});

it('leaves the event loop to others between the texts of one request', async () => {
  let turn = 0;
  const turns: number[] = [];
  const encode = (text: string): number[] => {
    turns.push(turn);
    setImmediate(() => turn++);
    return letters.encode(text);
  };
  await using running = await start({ tokenizer: { ...letters, encode } });
  expect((await running.post('/v1/completions', { prompt: ['a', 'b', 'c', 'd'], max_tokens: 1 })).status).toBe(200);
  expect(turns).toHaveLength(4);
  expect(new Set(turns).size).toBe(4);
});

it('ends a stream of no tokens with its reason, for each choice', async () => {
  await using running = await start();
  const body = { prompt: ['ab', 'c'], n: 2, max_tokens: 0, stream: true, return_token_ids: true };
  const answer = await running.post('/v1/completions', body);
  const events = answer.body.split('\n\n').filter((event) => event.startsWith('data: {'));
  const choices = events.flatMap((event) => JSON.parse(event.slice(6)).choices);
  expect(choices.map(({ index }) => index).sort()).toEqual([0, 1, 2, 3]);
  for (const choice of choices) expect(choice).toMatchObject({ text: '', finish_reason: 'length', token_ids: [] });
  expect(answer.body).toMatch(/data: \[DONE\]\n\n$/);
});

it('knows before anything is loaded that an address is taken or is none', async () => {
  await using running = await start();
  const port = Number(new URL(running.server.url).port);
  await expect(checkAddress({ host: '127.0.0.1', port })).rejects.toMatchObject({ code: 'ERR_INPUT_INVALID' });
  await expect(checkAddress({ host: '192.0.2.1', port: 0 })).rejects.toThrow(/cannot listen on 192.0.2.1/);
  await expect(checkAddress({ host: '127.0.0.1', port: 0 })).resolves.toBeUndefined();
});

describe.skipIf(storiesAbsent)('a real tokenizer (skipped where there is no model)', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-hostile-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  /** The model with changes to its files, by their names. */
  async function startStories(changes: Record<string, (document: Document) => object> = {}): Promise<Running> {
    const model = mkdtempSync(path.join(folder, 'model-'));
    cpSync(stories, model, { recursive: true });
    for (const [name, change] of Object.entries(changes)) {
      const file = path.join(model, name);
      const changed = change(JSON.parse(readFileSync(file, 'utf8')));
      rmSync(file);
      writeFileSync(file, JSON.stringify(changed));
    }
    return start({ model, limits: { maxModelLen: 512 } });
  }

  it('refuses a text that cannot fit before it is encoded', async () => {
    await using running = await startStories();
    const { post, service } = running;
    const prompt = 'once upon a time '.repeat(60_000);
    const messages = [{ role: 'user', content: prompt }];
    const began = performance.now();
    const answer = await post('/v1/completions', { prompt });
    expect(answer).toMatchObject({ status: 400, error: { code: 'context_length_exceeded' } });
    expect(() => service.generate(prompt)).toThrow(expect.objectContaining({ code: 'ERR_BATCH_LIMIT' }));
    expect((await post('/v1/chat/completions', { messages })).status).toBe(400);
    // Each would take ten seconds and more to encode.
    expect(performance.now() - began).toBeLessThan(15_000);
    // As long as a text can be that fits: each token is one of the longest.
    const most = service.tokenizer?.longestToken as number;
    expect(most).toBeGreaterThan(3);
    const longest = 'a'.repeat(512 * most);
    expect((await post('/v1/completions', { prompt: longest })).error.message).toMatch(/has \d+ tokens/);
    expect((await post('/v1/completions', { prompt: `${longest}a` })).error.message).toMatch(/characters/);
  });

  it('says what a template does not take without a path, and that a text has no tokens', async () => {
    await using running = await startStories({
      'tokenizer_config.json': (config) => ({
        ...config,
        chat_template: "{{ raise_exception('roles must alternate') }}",
      }),
      'tokenizer.json': ({ model, ...rest }) => {
        const vocab = Object.fromEntries(Object.entries(model.vocab).filter(([token]) => !/^<0x/.test(token)));
        return { ...rest, model: { ...model, unk_token: '<none>', fuse_unk: false, byte_fallback: false, vocab } };
      },
    });
    const { post } = running;
    const chat = await post('/v1/chat/completions', { messages: [{ role: 'user', content: 'hi' }] });
    expect(chat).toMatchObject({ status: 400, error: { message: expect.stringContaining('roles must alternate') } });
    expect(chat.body).not.toContain(folder);
    const unknown = await post('/v1/completions', { prompt: '\u4e16\u754c' });
    expect(unknown).toMatchObject({ status: 400, error: { message: expect.stringContaining('no token') } });
    expect(unknown.body).not.toContain(folder);
  });

  it('names the files that do not fit each other, and not the prompt', async () => {
    const added = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
    await using running = await startStories({
      'tokenizer.json': (document) => ({
        ...document,
        added_tokens: [...document.added_tokens, { id: 1403, content: '<extra>', ...added }],
      }),
    });
    const { post } = running;
    const { status, error, body } = await post('/v1/completions', { prompt: 'a <extra>' });
    expect(status).toBe(500);
    expect(error.message).toMatch(/1403.*tokenizer\.json.*vocab_size.*config\.json/);
    expect(body).not.toContain(folder);
    expect((await post('/v1/completions', { prompt: [1, 1403] })).error.message).toMatch(
      /Token 1 of the prompt is 1403/,
    );
  });
});
