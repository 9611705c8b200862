import { setImmediate } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { openTokenizer, type TextTokenizer } from '../../../dist/entry/checkpoint.js';
import { LockstepError } from '../../../dist/entry/planner.js';
import { createService, type Service, startServer } from '../../../dist/entry/service.js';
import { EncoderThread, LONG_TEXT } from '../../../dist/service/encoder-thread.js';
import { completeServiceOptions, Service as Started } from '../../../dist/service/index.js';
import { byteModel, LONGEST_TOKEN } from '../../support/byte-model.js';
import { TEST_DEVICE } from '../../support/device-fixture.js';

const model = byteModel();
afterAll(() => model.remove());
const limits = { maxModelLen: 2048, maxNumSeqs: 4, maxNumBatchedTokens: 256 };
const long = (text: string): string => `${text} ${'x'.repeat(LONG_TEXT)}`;
const HELD = long('hold');

/** A service whose encoding can be held, until `open`. */
async function heldService(maxQueue = 8): Promise<{ service: Service; open(): void }> {
  const gate = new SharedArrayBuffer(4);
  const options = { model: model.folder, device: TEST_DEVICE, maxQueue, limits } as const;
  const complete = await completeServiceOptions(options, 'createService');
  const setup = { directory: model.folder, vocabSize: 300, gate };
  const entry = new URL('../../fixtures/service/held-encoder.mjs', import.meta.url);
  const encoder = new EncoderThread(setup, maxQueue, entry);
  const tokenizer = (await openTokenizer(model.folder)) as TextTokenizer;
  const service = await Started.start(complete, tokenizer, encoder);
  const open = (): void => {
    Atomics.store(new Int32Array(gate), 0, 1);
    Atomics.notify(new Int32Array(gate), 0);
  };
  return { service, open };
}

const code = (expected: string): object => expect.objectContaining({ code: expected });

describe('a long text', () => {
  it('is encoded while the loop goes on, to the ids that it has', async () => {
    await using service = await createService({ model: model.folder, device: TEST_DEVICE, limits });
    const text = 'another thing in there '.repeat(100_000 / 23);
    let turns = 0;
    let over = false;
    const encoded = service.encodeAsync(text).finally(() => {
      over = true;
    });
    expect(service.stats().encoding).toBe(1);
    while (!over) {
      await setImmediate();
      turns++;
    }
    expect(turns).toBeGreaterThan(1);
    expect(await encoded).toEqual(service.encode(text));
    expect(service.stats().encoding).toBe(0);
  });

  it('does not hold the streams of others', async () => {
    const { service, open } = await heldService();
    await using _service = service;
    await using server = await startServer({ service });
    const headers = { 'content-type': 'application/json' };
    const prompt = `hold ${`${LONGEST_TOKEN} `.repeat(100)}`;
    const body = JSON.stringify({ prompt, max_tokens: 3, temperature: 0, ignore_eos: true, return_token_ids: true });
    const answer = fetch(`${server.url}/v1/completions`, { method: 'POST', headers, body });
    await expect.poll(() => service.stats().encoding).toBe(1);
    let pieces = 0;
    for await (const _ of service.generate('the', { maxTokens: 40, ignoreEos: true })) pieces++;
    expect(pieces).toBe(40);
    expect(service.stats().encoding).toBe(1);
    open();
    const { choices, usage } = (await (await answer).json()) as {
      choices: { token_ids: number[] }[];
      usage: { prompt_tokens: number };
    };
    const ids: number[] = [];
    for await (const { token } of service.generate(prompt, { maxTokens: 3, temperature: 0, ignoreEos: true }))
      ids.push(token);
    expect(choices[0]?.token_ids).toEqual(ids);
    expect(usage.prompt_tokens).toBe(service.encode(prompt).length);
  });

  it('is refused where so many wait already, and before it is encoded where it cannot fit', async () => {
    const { service, open } = await heldService(2);
    await using _service = service;
    const first = [1, 2, 3].map(() => service.encodeAsync(HELD));
    await expect(service.encodeAsync(HELD)).rejects.toThrow(code('ERR_OVERLOADED'));
    await expect(service.encodeAsync('x'.repeat(limits.maxModelLen * 64 + 1))).rejects.toThrow(code('ERR_BATCH_LIMIT'));
    // A short one needs no thread.
    expect((await service.encodeAsync('the')).length).toBe(2);
    open();
    for (const ids of await Promise.all(first)) expect(ids).toEqual(service.encode(HELD));
  });

  it('is dropped when its client leaves, waiting or not', async () => {
    const { service, open } = await heldService();
    await using _service = service;
    const controller = new AbortController();
    const { signal } = controller;
    const left = [1, 2, 3].map(() => service.encodeAsync(HELD, { signal }));
    const stays = service.encodeAsync(HELD);
    controller.abort();
    for (const each of left) await expect(each).rejects.toThrow(code('ERR_ABORTED'));
    await expect(service.encodeAsync(HELD, { signal })).rejects.toThrow(code('ERR_ABORTED'));
    // The thread still has the first.
    expect(service.stats().encoding).toBe(2);
    await using server = await startServer({ service });
    const connection = new AbortController();
    const answer = fetch(`${server.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ prompt: HELD, max_tokens: 3 }),
      signal: connection.signal,
    });
    await expect.poll(() => service.stats().encoding).toBe(3);
    connection.abort();
    await expect(answer).rejects.toThrow();
    await expect.poll(() => service.stats().encoding).toBe(2);
    open();
    expect(await stays).toEqual(service.encode(HELD));
    expect(service.stats()).toMatchObject({ encoding: 0, ended: { stop: 0, length: 0, abort: 0, error: 0 } });
  });

  it.each(['die', 'throw'])('that ends its thread fails alone: %s', async (how) => {
    const { service, open } = await heldService();
    await using _service = service;
    open();
    const before = service.encodeAsync(long('before'));
    const fails = service.encodeAsync(long(how));
    const after = service.encodeAsync(long('after'));
    await expect(fails).rejects.toThrow(code('ERR_ENCODER_LOST'));
    await expect(fails).rejects.toThrow(how === 'die' ? /it ended with 3/ : /broken on purpose/);
    expect(await before).toEqual(service.encode(long('before')));
    expect(await after).toEqual(service.encode(long('after')));
  });

  it('fails where no thread can be made, and so does each after it', async () => {
    // Node refuses such an address at once, as it does a thread that it cannot make.
    const encoder = new EncoderThread(
      { directory: model.folder, vocabSize: 300 },
      8,
      new URL('https://nowhere.invalid/'),
    );
    const ways = { special: true, client: 'c' };
    for (const text of ['one', 'two']) {
      await expect(encoder.encode(text, ways)).rejects.toThrow(code('ERR_ENCODER_LOST'));
      expect(encoder.length).toBe(0);
    }
  });

  it('holds its characters until the thread is done with it, aborted or not', async () => {
    const gate = new SharedArrayBuffer(4);
    const setup = { directory: model.folder, vocabSize: 300, gate };
    const entry = new URL('../../fixtures/service/held-encoder.mjs', import.meta.url);
    const encoder = new EncoderThread(setup, 8, entry);
    const most = 2 ** 26;
    const controller = new AbortController();
    const { signal } = controller;
    const held = encoder.encode(`hold ${'x'.repeat(most - 5)}`, { special: true, client: 'c', signal });
    controller.abort();
    await expect(held).rejects.toThrow(code('ERR_ABORTED'));
    expect(encoder.hasRoom(1)).toBe(false);
    await encoder.close(new LockstepError('ERR_DISPOSED', 'closed'));
    expect(encoder.hasRoom(most)).toBe(true);
  });

  it('is refused by a service that ends, and over HTTP with 503', async () => {
    const { service, open } = await heldService();
    await using server = await startServer({ service });
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ prompt: HELD, max_tokens: 3 });
    const answer = fetch(`${server.url}/v1/completions`, { method: 'POST', headers, body });
    await expect.poll(() => service.stats().encoding).toBe(1);
    await server.drain();
    const { status } = await answer;
    expect(status).toBe(503);
    await expect(service.encodeAsync(HELD)).rejects.toThrow(code('ERR_DRAINING'));
    await service.close();
    await expect(service.encodeAsync(HELD)).rejects.toThrow(code('ERR_DISPOSED'));
    open();
  });

  it('ends with the service', async () => {
    const { service } = await heldService();
    const held = service.encodeAsync(HELD);
    const closed = service.close();
    await expect(held).rejects.toThrow(code('ERR_DISPOSED'));
    await closed;
  });
});
