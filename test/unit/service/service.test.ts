import { afterEach, describe, expect, it } from 'vitest';
import type { LockstepError } from '../../../dist/entry/planner.js';
import { createService, type Service, type ServiceOptions } from '../../../dist/entry/service.js';
import { END, LETTERS, letters } from '../../fixtures/service/letters.mjs';
import { textAfter } from '../../fixtures/service/next-token.mjs';
import { TEST_DEVICE } from '../../support/device-fixture.js';
import { HeldSteps } from '../../support/held-steps.js';

const entry = new URL('../../fixtures/service/hash-forward.mjs', import.meta.url);
const limits = { maxNumSeqs: 4, maxNumBatchedTokens: 32, maxModelLen: 128, blockSize: 4, numBlocks: 80 };
const data = { vocabSize: LETTERS };
const greedy = { temperature: 0, ignoreEos: true };

const services: Service[] = [];
afterEach(async () => {
  for (const service of services.splice(0)) await service.close();
});

async function serve(given: Partial<ServiceOptions> = {}, more: object = {}): Promise<Service> {
  const model = { entry, data: { ...data, ...more }, vocabSize: LETTERS, eosTokenIds: [END] };
  const service = await createService({ model, device: TEST_DEVICE, limits, ...given });
  services.push(service);
  return service;
}

/** All that a request says. */
async function read(service: Service, ...given: Parameters<Service['generate']>) {
  const tokens: number[] = [];
  let text = '';
  let reason: string | undefined;
  for await (const each of service.generate(...given)) {
    tokens.push(each.token);
    text += each.text ?? '';
    reason = each.finishReason;
  }
  return { tokens, text, reason };
}

const failure = (promise: Promise<unknown>): Promise<LockstepError> =>
  promise.then(
    () => expect.unreachable(),
    (error: LockstepError) => error,
  );

function thrown(call: () => unknown): LockstepError {
  try {
    call();
  } catch (error) {
    return error as LockstepError;
  }
  return expect.unreachable();
}

describe('a service', () => {
  it('says for each request what its model says, many at once, over ranks and graphs', async () => {
    const service = await serve({ ranks: 2, ladder: [1, 2, 4] });
    const prompts = Array.from({ length: 40 }, (_, at) => [at % 26, (at * 7) % 26]);
    const all = await Promise.all(prompts.map((prompt, at) => read(service, prompt, { ...greedy, maxTokens: 1 + at })));
    for (const [at, prompt] of prompts.entries()) {
      expect(all[at]).toMatchObject({ tokens: textAfter(data, prompt, 1 + at), reason: 'length' });
    }
    const { ended, promptTokens, generatedTokens, queued, running, waiting } = service.stats();
    expect(ended).toEqual({ stop: 0, length: 40, abort: 0, error: 0 });
    expect([promptTokens, generatedTokens]).toEqual([80, (40 * 41) / 2]);
    expect([queued, running, waiting]).toEqual([0, 0, 0]);
  });

  it('computes the batch of a rank on several processes alike, with drafts and too few blocks', async () => {
    const cycle = { vocabSize: LETTERS, cycle: true };
    const service = await serve(
      { ranks: 2, tensorParallelSize: 2, limits: { ...limits, queryLen: 3, numBlocks: 36 } },
      cycle,
    );
    const all = await Promise.all(
      Array.from({ length: 24 }, (_, at) => read(service, [at % 26], { ...greedy, maxTokens: 40 })),
    );
    for (const [at, { tokens }] of all.entries()) expect(tokens).toEqual(textAfter(cycle, [at % 26], 40));
  });

  it('draws from a seed, and gives each choice a seed of its own', async () => {
    const service = await serve();
    const choices: number[][] = [[], [], []];
    for await (const { choice, token } of service.generate([3], {
      ...greedy,
      temperature: 1,
      seed: 5,
      n: 3,
      maxTokens: 12,
    })) {
      choices[choice]?.push(token);
    }
    const of = (seed: bigint): number[] => textAfter(data, [3], 12, { temperature: 1, seed });
    expect(choices).toEqual([of(5n), of(6n), of(7n)]);
    expect(of(5n)).not.toEqual(of(6n));
  });

  it('ends at the end of the text, a stop token or a stop string, which it does not give', async () => {
    const service = await serve({ tokenizer: letters });
    const prompt = [...'abcdefgh'].find((letter) =>
      textAfter(data, letters.encode(letter), 60).includes(END),
    ) as string;
    const whole = textAfter(data, letters.encode(prompt), 60);
    const text = letters.decode(whole);
    const end = whole.indexOf(END);
    expect(await read(service, prompt, { temperature: 0 })).toEqual({
      tokens: whole.slice(0, end + 1),
      text: letters.decode(whole.slice(0, end)),
      reason: 'stop',
    });
    const stop = text.slice(8, 11);
    const stopped = await read(service, prompt, { ...greedy, stop: ['#', stop], maxTokens: 60 });
    expect(stopped).toMatchObject({ text: text.slice(0, text.indexOf(stop)), reason: 'stop' });
    const token = whole[5] as number;
    const byToken = await read(service, prompt, { ...greedy, stopTokenIds: [token], maxTokens: 60 });
    expect(byToken).toMatchObject({ tokens: whole.slice(0, whole.indexOf(token) + 1), reason: 'stop' });
  });

  it('suspends a request whose reader does not read, serves the others, and goes on where it was', async () => {
    using held = new HeldSteps().from(11);
    const service = await serve({ maxUnread: 8, limits: { ...limits, maxNumSeqs: 1 } }, { hold: held.hold });
    const slow = service.generate([1], { ...greedy, maxTokens: 90 });
    const first = (await slow.next()).value;
    // One more than may wait: from here on its rank is told to let go of it.
    await expect.poll(() => slow.unread).toBe(9);
    held.release();
    await expect.poll(() => service.stats().suspended).toBe(1);
    expect(slow.unread).toBeLessThanOrEqual(10);
    expect((await read(service, [2], { ...greedy, maxTokens: 7 })).tokens).toEqual(textAfter(data, [2], 7));
    const tokens = [first?.token];
    for await (const { token } of slow) tokens.push(token);
    expect(tokens).toEqual(textAfter(data, [1], 90));
    expect(service.stats().suspended).toBe(0);
  });

  it('cancels what its reader leaves or a signal aborts, and nothing else', async () => {
    const service = await serve({}, { stepMs: 1 });
    const other = read(service, [9], { ...greedy, maxTokens: 60 });
    for await (const { token } of service.generate([1], { ...greedy, maxTokens: 100 })) {
      expect(token).toBe(textAfter(data, [1], 1)[0]);
      break;
    }
    const controller = new AbortController();
    const aborted = service.generate([2], { ...greedy, maxTokens: 100, signal: controller.signal });
    await aborted.next();
    const next = failure(aborted.next());
    controller.abort();
    expect((await next).code).toBe('ERR_ABORTED');
    expect(thrown(() => service.generate([2], { signal: controller.signal })).code).toBe('ERR_ABORTED');
    expect((await other).tokens).toEqual(textAfter(data, [9], 60));
    expect(service.stats().ended).toEqual({ stop: 0, length: 1, abort: 2, error: 0 });
    await expect.poll(() => service.stats().running).toBe(0);
  });

  it('gives places to clients in turn', async () => {
    const service = await serve({ limits: { ...limits, maxNumSeqs: 1 } });
    const order: string[] = [];
    const ask = async (client: string): Promise<void> => {
      await read(service, [1], { ...greedy, maxTokens: 3, client });
      order.push(client);
    };
    await Promise.all([...'aaaaabb'].map(ask));
    expect(order.join('')).toBe('aababaa');
  });

  it('refuses more than may wait, and says when to come back', async () => {
    const service = await serve({ maxQueue: 2, limits: { ...limits, maxNumSeqs: 1 } }, { stepMs: 2 });
    const taken = [1, 2, 3].map((id) => read(service, [id], { ...greedy, maxTokens: 20 }));
    const error = thrown(() => service.generate([4], greedy));
    expect(error).toMatchObject({ code: 'ERR_OVERLOADED', details: { queued: 2, maxQueue: 2 } });
    expect(error.details.retryAfterMs).toBeGreaterThanOrEqual(1000);
    for (const [at, { tokens }] of (await Promise.all(taken)).entries()) {
      expect(tokens).toEqual(textAfter(data, [at + 1], 20));
    }
    expect((await read(service, [4], { ...greedy, maxTokens: 2 })).reason).toBe('length');
  });

  it('drains: what was accepted is served, nothing new is', async () => {
    const service = await serve({ limits: { ...limits, maxNumSeqs: 2 } }, { stepMs: 1 });
    const accepted = [1, 2, 3, 4, 5].map((id) => read(service, [id], { ...greedy, maxTokens: 10 }));
    const drained = service.drain();
    expect(thrown(() => service.generate([1])).code).toBe('ERR_DRAINING');
    await drained;
    for (const [at, { tokens }] of (await Promise.all(accepted)).entries()) {
      expect(tokens).toEqual(textAfter(data, [at + 1], 10));
    }
  });

  it('closes at once, and ends what is open with an error', async () => {
    const service = await serve({}, { stepMs: 1 });
    const open = service.generate([1], { ...greedy, maxTokens: 100 });
    await open.next();
    const next = failure(open.next());
    await service.close();
    expect((await next).code).toBe('ERR_DISPOSED');
    expect(thrown(() => service.generate([1])).code).toBe('ERR_DISPOSED');
  });
});

describe('a rank that is lost', () => {
  const lost = 25;

  it('ends its requests with an error; those that wait are served by the ranks that are started again', async () => {
    const service = await serve({ limits: { ...limits, maxNumSeqs: 2 } }, { crashOn: lost, stepMs: 1 });
    const running = read(service, [1], { ...greedy, maxTokens: 100, stopTokenIds: [lost] });
    const fatal = read(service, [lost], greedy);
    const waiting = [2, 3].map((id) => read(service, [id], { ...greedy, maxTokens: 3 }));
    expect(await failure(fatal)).toMatchObject({ code: 'ERR_RANK_LOST' });
    expect(await failure(running)).toMatchObject({ code: 'ERR_RANK_LOST' });
    for (const [at, { tokens }] of (await Promise.all(waiting)).entries()) {
      expect(tokens).toEqual(textAfter(data, [at + 2], 3));
    }
    expect(service.stats()).toMatchObject({ state: 'ready', restarts: 1, ended: { error: 2, length: 2 } });
  });

  it('ends the service once it was started again as often as may be', async () => {
    const service = await serve({ restarts: 1, ranks: 2 }, { crashOn: lost });
    expect((await failure(read(service, [lost], greedy))).code).toBe('ERR_RANK_LOST');
    await expect.poll(() => service.state).toBe('ready');
    expect((await failure(read(service, [lost], greedy))).code).toBe('ERR_RANK_LOST');
    await expect.poll(() => service.state).toBe('failed');
    expect(thrown(() => service.generate([1])).code).toBe('ERR_RANK_LOST');
  });
});

describe('what a service refuses', () => {
  it.each<[string, Partial<ServiceOptions>]>([
    ['ranks is 0', { ranks: 0 }],
    ['service options has no rank', { rank: 1 } as object],
    ['restarts is -1', { restarts: -1 }],
    ['no default export', { model: { entry: new URL('data:text/javascript,export const make = 1') } }],
    ['model.entry is no URL', { model: { entry: 'x' as unknown as URL } }],
    ['the model knows 64 positions', { model: { entry, data, maxPositions: 64 } }],
    [
      'one pool of blocks: leave kvGroups out',
      { limits: { kvGroups: [{ blockSize: 4 }, { blockSize: 4 }], numBlocks: 40, maxModelLen: 64 } },
    ],
  ])('%s', async (fault, options) => {
    const error = await failure(serve(options));
    expect(error.code).toMatch(/ERR_(CONFIG_INVALID|RANK_LOST)/);
    expect(error.message).toContain(fault);
  });

  it('prompts and options that cannot be', async () => {
    const service = await serve();
    const cases: [string, string, () => unknown][] = [
      ['ERR_INPUT_INVALID', 'no tokenizer', () => service.generate('abc')],
      ['ERR_INPUT_INVALID', 'no tokenizer', () => service.generate([1], { stop: 'x' })],
      ['ERR_INPUT_INVALID', 'Token 1 of the prompt is 28', () => service.generate([1, LETTERS])],
      ['ERR_BATCH_LIMIT', 'no tokens', () => service.generate([])],
      ['ERR_BATCH_LIMIT', '130 tokens', () => service.generate(Array<number>(130).fill(1), { maxTokens: 1 })],
      ['ERR_CONFIG_INVALID', 'temperature is -1', () => service.generate([1], { temperature: -1 })],
      ['ERR_CONFIG_INVALID', 'topP is 0', () => service.generate([1], { topP: 0 })],
      ['ERR_CONFIG_INVALID', 'seed is', () => service.generate([1], { seed: -1n })],
      ['ERR_CONFIG_INVALID', 'has no top_p', () => service.generate([1], { top_p: 1 } as object)],
    ];
    for (const [code, message, call] of cases) {
      const error = thrown(call);
      expect(error.code).toBe(code);
      expect(error.message).toContain(message);
    }
    expect(service.stats().ended).toEqual({ stop: 0, length: 0, abort: 0, error: 0 });
  });
});
