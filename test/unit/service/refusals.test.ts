import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createService, type Service, type ServiceOptions, serveMpiRank } from '../../../dist/entry/service.js';
import { LETTERS } from '../../fixtures/service/letters.mjs';
import { textAfter } from '../../fixtures/service/next-token.mjs';
import { TEST_DEVICE } from '../../support/device-fixture.js';

const entry = new URL('../../fixtures/service/hash-forward.mjs', import.meta.url);
const limits = { maxNumSeqs: 4, maxNumBatchedTokens: 32, maxModelLen: 128, blockSize: 4, numBlocks: 200 };
const data = { vocabSize: LETTERS };

const serve = (given: Partial<ServiceOptions> = {}, more: object = {}): Promise<Service> =>
  createService({
    model: { entry, data: { ...data, ...more }, vocabSize: LETTERS },
    device: TEST_DEVICE,
    limits,
    ...given,
  });

/** No rank has a request any more. */
const idle = (service: Service): Promise<void> =>
  expect.poll(() => service.stats().running + service.stats().waiting + service.stats().queued).toBe(0);

describe('places of a service', () => {
  it('are free once a request is aborted, though nobody reads it to its end', async () => {
    await using service = await serve({ maxQueue: 4 }, { stepMs: 1 });
    for (let round = 0; round < 3; round++) {
      const controller = new AbortController();
      const { signal } = controller;
      for (let id = 0; id < 8; id++) service.generate([id], { signal, maxTokens: 100 });
      expect(() => service.generate([1])).toThrow(expect.objectContaining({ code: 'ERR_OVERLOADED' }));
      await setTimeout(20);
      controller.abort();
      await idle(service);
    }
    const tokens: number[] = [];
    for await (const { token } of service.generate([3], { temperature: 0, maxTokens: 5 })) tokens.push(token);
    expect(tokens).toEqual(textAfter(data, [3], 5));
  });

  it('are freed once, where a reader comes to the end of what was aborted', async () => {
    await using service = await serve({ maxQueue: 0, limits: { ...limits, maxNumSeqs: 1 } });
    const controller = new AbortController();
    const stream = service.generate([1], { signal: controller.signal, maxTokens: 100 });
    controller.abort();
    const read = async (): Promise<void> => {
      for await (const _ of stream);
    };
    await expect(read()).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    await idle(service);
    service.generate([2], { maxTokens: 100 });
    expect(() => service.generate([3])).toThrow(expect.objectContaining({ code: 'ERR_OVERLOADED' }));
  });

  it('are taken by requests that come at once, before ranks have heard of any', async () => {
    await using service = await serve({
      maxQueue: 0,
      limits: { ...limits, maxNumSeqs: 100, maxNumBatchedTokens: 128 },
    });
    const streams = Array.from({ length: 100 }, (_, id) => service.generate([id % 26], { maxTokens: 1 }));
    expect(() => service.generate([1])).toThrow(expect.objectContaining({ code: 'ERR_OVERLOADED' }));
    for (const stream of streams) for await (const { finishReason } of stream) expect(finishReason).toBe('length');
  });

  it('bound the choices of one request', async () => {
    await using service = await serve({ maxQueue: 1 });
    expect(() => service.generate([1], { n: 6 })).toThrow(/n is 6; it must be an integer from 1 to 5/);
    expect(() => service.generate([1], { n: 6 })).toThrow(expect.objectContaining({ code: 'ERR_CONFIG_INVALID' }));
    await service.generate([1], { n: 5, maxTokens: 1 }).return();
  });
});

it.each<[string, object]>([
  ['model.eosTokenIds is 5', { eosTokenIds: 5 }],
  ['model.eosTokenIds', { eosTokenIds: [LETTERS] }],
  ['model.vocabSize is "x"', { vocabSize: 'x' }],
  ['model.vocabSize is 0', { vocabSize: 0 }],
  ['model.maxPositions is -3', { maxPositions: -3 }],
  ['model.name is 7', { name: 7 }],
  ['has no eosTokens', { eosTokens: [1] }],
])('refuses the facts of a custom model: %s', async (fault, facts) => {
  const model = { entry, data, vocabSize: LETTERS, ...facts } as never;
  const made = serve({ model }).then((service) => service.close());
  await expect(made).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID', message: expect.stringContaining(fault) });
});

it.each<[object, readonly RegExp[]]>([
  [{ limits: 'auto' }, [/^limits is "auto"; it must be an object$/]],
  [{ limits: null }, [/^limits is null/]],
  [{ limits: [] }, [/^limits is \[/]],
  [{ limits: { numBlocks: null } }, [/^numBlocks is null/]],
  [{ limits: { maxModelLen: null } }, [/^maxModelLen is null/]],
  [{ tokenizer: 5 }, [/^tokenizer is 5; it must have encode/]],
  [{ tokenizer: { encode: () => [] } }, [/^tokenizer is /]],
  [{ limits: { numBlocks: 'auto', maxModelLen: 'x', blockSize: 0 } }, [/^maxModelLen is "x"/, /^blockSize is 0/]],
  [{ limits: { maxNumSeqs: 1.5 } }, [/^maxNumSeqs is 1.5/]],
  [{ gpuMemoryUtilization: Number.NaN }, [/^gpuMemoryUtilization is NaN/]],
])('tells each fault of options once: %j', async (given, faults) => {
  const error = await createService({ model: 'random:dense', ...given } as never).then(
    () => expect.unreachable(),
    (refused) => refused,
  );
  expect(error).toMatchObject({ code: 'ERR_CONFIG_INVALID' });
  expect(error.details.faults).toEqual(faults.map((fault) => expect.stringMatching(fault)));
});

it('names the call that was given no options', async () => {
  await expect(serveMpiRank(undefined as never)).rejects.toThrow(/This call of serveMpiRank cannot work/);
  await expect(createService(undefined as never)).rejects.toThrow(/This call of createService cannot work/);
});

it('says that threads serve without serveMpiRank', async () => {
  await expect(serveMpiRank({ model: 'random:dense' })).rejects.toThrow(
    /transport is threads, and serveMpiRank\(\) serves as a process of an MPI job; set transport to mpi, or call createService\(\)/,
  );
});

it('names every wrong fact of a custom model at once', async () => {
  const model = { entry: 'x', eosTokenIds: 5, vocabSize: 'x', maxPositions: -3 } as never;
  await expect(serve({ model })).rejects.toThrow(
    /model\.entry.*model\.vocabSize.*model\.eosTokenIds.*model\.maxPositions/s,
  );
});
