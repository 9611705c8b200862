import { appendFileSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { openModel, writeCheckpoint } from '../../../dist/entry/checkpoint.js';
import { createService, type ServiceOptions, type ServiceStats } from '../../../dist/entry/service.js';
import { modelFiles } from '../../../dist/service/model-files.js';
import { TEST_DEVICE } from '../../support/device-fixture.js';

const limits = { maxModelLen: 96, maxNumSeqs: 8, maxNumBatchedTokens: 64, blockSize: 8 };
const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-service-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Said {
  readonly texts: readonly string[];
  readonly preemptions: number;
  readonly accepted: number;
}

/** What a dozen requests say that begin alike, greedy and drawn. */
async function said(options: Partial<ServiceOptions>): Promise<Said> {
  const service = await createService({
    model: 'random:dense',
    device: TEST_DEVICE,
    ...options,
    limits: { ...limits, ...options.limits },
  });
  const texts = await Promise.all(
    Array.from({ length: 12 }, async (_, at) => {
      const prompt = [1, 3, 5, 7, 9, 11, 2, 4, 6 + (at % 3), 8];
      const ids: number[] = [];
      const more = { temperature: at % 2, seed: at, maxTokens: 16 + 3 * at, ignoreEos: true };
      for await (const { token } of service.generate(prompt, more)) ids.push(token);
      return ids.join();
    }),
  );
  // Counts come with the park that follows the last request; those of a park before have none.
  const isCounted = ({ ranks }: ServiceStats): boolean =>
    ranks.every(({ steps }) => steps?.parked) && ranks.reduce((sum, { engine }) => sum + engine.finished, 0) === 12;
  while (!isCounted(service.stats())) await setTimeout(5);
  const { ranks } = service.stats();
  await service.close();
  return {
    texts,
    preemptions: ranks.reduce((sum, { engine }) => sum + engine.preemptions, 0),
    accepted: ranks.reduce((sum, { engine }) => sum + engine.acceptedTokens, 0),
  };
}

describe('a service of the reference decoder', async () => {
  const plain = await said({});

  it('says as many tokens as were asked for, drawn ones by their seeds', () => {
    expect(plain.texts.map((text) => text.split(',').length)).toEqual(plain.texts.map((_, at) => 16 + 3 * at));
    expect(new Set(plain.texts).size).toBeGreaterThan(8);
  });

  it.each<[string, Partial<ServiceOptions>]>([
    ['on two ranks with graphs', { ranks: 2, ladder: [1, 2, 4, 8] }],
    ['in small chunks of prompts', { limits: { maxNumBatchedTokens: 8 } }],
    ['on two ranks of two processes', { ranks: 2, tensorParallelSize: 2 }],
    ['cut into micro-batches', { ranks: 2, policy: { ubatches: 2, ubatchThresholdDecode: 2 }, ladder: [2, 4, 8] }],
    ['planned ahead', { async: true }],
    ['planned ahead on two ranks with graphs', { ranks: 2, ladder: [1, 2, 4, 8], async: true }],
    ['planned ahead on two ranks of two processes', { ranks: 2, tensorParallelSize: 2, async: true }],
    ['planned ahead with few blocks', { limits: { numBlocks: 14 }, async: true }],
  ])('says the same %s', async (_name, options) => {
    expect((await said(options)).texts).toEqual(plain.texts);
  });

  it('says the same where blocks are so few that requests are preempted', async () => {
    const { texts, preemptions } = await said({ limits: { numBlocks: 14 } });
    expect(texts).toEqual(plain.texts);
    expect(preemptions).toBeGreaterThan(0);
  });

  it('says the same with drafts, of which some are right', async () => {
    const { texts, accepted } = await said({ limits: { queryLen: 3 }, ladder: [3, 6, 12, 24] });
    expect(texts).toEqual(plain.texts);
    expect(accepted).toBeGreaterThan(0);
  });

  it('says the same from a folder', async () => {
    writeCheckpoint(folder, openModel('random:dense'));
    expect((await said({ model: folder })).texts).toEqual(plain.texts);
  });

  it('says the same on several ranks where experts are spread over them', async () => {
    const model = 'random:moe';
    const alone = await said({ model });
    expect((await said({ model, ranks: 2, ladder: [1, 2, 4, 8] })).texts).toEqual(alone.texts);
    expect(alone.texts).not.toEqual(plain.texts);
  });

  it('serves the least and the most of every option', async () => {
    const service = await createService({ model: 'random:dense', device: TEST_DEVICE, limits });
    const greedy = { temperature: 0, maxTokens: 6, ignoreEos: true };
    const read = async (options: object): Promise<number[]> => {
      const ids: number[] = [];
      for await (const { token } of service.generate([1, 2, 3], { ...greedy, ...options })) ids.push(token);
      return ids;
    };
    const first = await read({});
    const least = [{ temperature: 1e-46 }, { temperature: 1e-30 }, { topP: 1e-40 }, { topK: 1 }];
    for (const options of least) expect(await read({ temperature: 1, seed: 5, ...options })).toEqual(first);
    const most = [{ temperature: 100 }, { topP: 1 - 1e-12 }, { topK: 2 ** 31 - 1 }, { seed: (1n << 64n) - 1n }];
    for (const options of most) expect(await read({ temperature: 1, seed: 5, ...options })).toHaveLength(6);
    expect(service.stats()).toMatchObject({ state: 'ready', restarts: 0 });
    await service.close();
  });

  it('is refused where the model cannot be so cut, or knows no such length', async () => {
    await expect(said({ tensorParallelSize: 3 })).rejects.toThrow(/does not divide/);
    await expect(said({ limits: { maxModelLen: 1 << 20 } })).rejects.toThrow(/positions/);
    await expect(said({ model: '/nowhere/at/all' })).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_/) });
  });
});

/** Its few tokens repeat themselves soon, so that many drafts are right. */
const REPEATING = { model: 'random:dense,vocabSize=16' } as const;

describe('a service that plans steps with drafts ahead', async () => {
  const plain = await said(REPEATING);

  it.each<[string, Partial<ServiceOptions>]>([
    ['on one rank', {}],
    ['with few tokens a step', { limits: { maxNumBatchedTokens: 16, maxNumSeqs: 3 } }],
    ['on two ranks with graphs', { ranks: 2, ladder: [3, 6, 12, 24] }],
    ['on two ranks of two processes', { ranks: 2, tensorParallelSize: 2 }],
    ['cut into micro-batches', { policy: { ubatches: 2, ubatchThresholdDecode: 2 }, ladder: [6, 12, 24] }],
    ['with few blocks', { limits: { numBlocks: 14 } }],
  ])('says the same as one that does not, %s', async (_name, options) => {
    const { texts, accepted, preemptions } = await said({
      ...REPEATING,
      ...options,
      async: true,
      limits: { queryLen: 3, ...options.limits },
    });
    expect(texts).toEqual(plain.texts);
    expect(accepted).toBeGreaterThan(10);
    expect(preemptions > 0).toBe(options.limits?.numBlocks === 14);
  });

  it('says how likely each token is, accepted drafts among them', async () => {
    const likely = async (options: Partial<ServiceOptions>): Promise<unknown[]> => {
      await using service = await createService({ ...REPEATING, device: TEST_DEVICE, ...options });
      const all: unknown[] = [];
      const asked = { temperature: 0, ignoreEos: true, maxTokens: 40, logprobs: 2 };
      for await (const { token, logprobs } of service.generate([1, 2, 1, 2, 1, 2], asked))
        all.push({ token, logprobs });
      return all;
    };
    const one = await likely({ limits });
    expect(one).toHaveLength(40);
    expect(await likely({ limits: { ...limits, queryLen: 4 }, async: true })).toEqual(one);
  });

  it('ends a request that is alone, in a step after one that had nothing to compute', async () => {
    await using service = await createService({
      ...{ ...REPEATING, device: TEST_DEVICE, async: true },
      limits: { ...limits, queryLen: 4 },
    });
    const greedy = { temperature: 0, ignoreEos: true };
    const whole: number[] = [];
    for await (const { token } of service.generate([1, 2, 1, 2, 1, 2], { ...greedy, maxTokens: 60 })) whole.push(token);
    for (let maxTokens = 40; maxTokens < 48; maxTokens++) {
      const own: number[] = [];
      for await (const { token } of service.generate([1, 2, 1, 2, 1, 2], { ...greedy, maxTokens })) own.push(token);
      expect(own).toEqual(whole.slice(0, maxTokens));
    }
  });
});

describe('what tells the files of a model from another’s', () => {
  it('is its config and the sizes of its weights, wherever they are', () => {
    const place = (name: string): string => path.join(folder, name);
    const [one, other, deeper] = [place('one'), place('other'), place('deeper')];
    const of = (name: string) => modelFiles({ kind: 'checkpoint', name, tensorParallelSize: 1 });
    for (const name of [one, other]) writeCheckpoint(name, openModel('random:dense'));
    expect(of(other)).toEqual(of(one));
    const config = path.join(other, 'config.json');
    writeFileSync(config, readFileSync(config, 'utf8').replace(/"rope_theta": *\d+/, '"rope_theta":77'));
    expect(of(other)).not.toEqual(of(one));
    copyFileSync(path.join(one, 'config.json'), config);
    expect(of(other)).toEqual(of(one));
    writeCheckpoint(deeper, openModel('random:dense,layers=3'));
    copyFileSync(path.join(one, 'config.json'), path.join(deeper, 'config.json'));
    expect(of(deeper)).not.toEqual(of(one));
    expect(of('random:dense')).toHaveLength(0);
  });

  it('is the text of a module', () => {
    const file = path.join(folder, 'forward.mjs');
    const of = () => Buffer.from(modelFiles({ kind: 'entry', url: pathToFileURL(file).href, data: null })).toString();
    writeFileSync(file, 'export default 1;');
    expect(of()).toBe('export default 1;');
    appendFileSync(file, '//');
    expect(of()).toBe('export default 1;//');
  });
});
