import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { createService, type ServiceStats } from '../../../dist/entry/service.js';
import { root } from '../../support/cli.js';
import { TEST_DEVICE } from '../../support/device-fixture.js';

const folder = path.join(root, 'examples/service');
const { model, tokenizer } = (await import(path.join(folder, 'bigrams.mjs'))) as {
  model: object;
  tokenizer: import('../../../dist/entry/checkpoint.js').TextTokenizer;
};

const started: (() => void)[] = [];
afterEach(() => {
  for (const end of started.splice(0)) end();
});

it('examples/service serves lines of JSON, refuses what it must, and ends at SIGTERM once all is served', async () => {
  const child = spawn(process.execPath, [path.join(folder, 'service.mjs')], { cwd: root });
  started.push(() => child.kill('SIGKILL'));
  const ended = once(child, 'close');
  let stderr = '';
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  const [line] = (await Promise.race([once(child.stdout, 'data'), ended.then(() => [stderr])])) as [Buffer];
  const url = /http:\/\/\S+/.exec(String(line))?.[0] as string;
  expect(url, String(line)).toBeDefined();
  const ask = (body: object): Promise<Response> =>
    fetch(`${url}/generate`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const answers = Promise.all(
    [1, 2, 1].map(async (seed) =>
      (await (await ask({ prompt: 'the ', seed, maxTokens: 40 })).text()).trim().split('\n'),
    ),
  );
  const [first, second, again] = (await answers).map((lines) => lines.map((text) => JSON.parse(text)));
  expect(first).toEqual(again);
  expect(first).not.toEqual(second);
  expect(first?.at(-1)?.finishReason).toMatch(/stop|length/);
  const refused = await ask({ prompt: 'a', maxTokens: 1000 });
  expect([refused.status, ((await refused.json()) as { error: string }).error]).toEqual([400, 'ERR_BATCH_LIMIT']);
  const stats = async (): Promise<ServiceStats> => (await (await fetch(`${url}/stats`)).json()) as ServiceStats;
  expect((await stats()).state).toBe('ready');
  const last = ask({ prompt: 'a', temperature: 0, maxTokens: 400 }).then((answer) => answer.text());
  // It has been accepted: it waits, runs or has ended.
  const accepted = async (): Promise<number> => {
    const { queued, waiting, running, ended } = await stats();
    return queued + waiting + running + ended.length + ended.stop;
  };
  await expect.poll(accepted).toBe(4);
  child.kill('SIGTERM');
  const end = JSON.parse((await last).trim().split('\n').at(-1) as string);
  expect(end.finishReason).toMatch(/stop|length/);
  expect((await ended)[0], stderr).toBe(0);
});

it('the forward of examples/service speaks letters, alike for one seed on any rank', async () => {
  const entry = new URL('bigrams.mjs', `file://${folder}/`);
  const texts: string[] = [];
  for (const ranks of [1, 2]) {
    const service = await createService({
      model: { ...model, entry },
      tokenizer,
      ranks,
      device: TEST_DEVICE,
      limits: { maxModelLen: 256, numBlocks: 64 },
    });
    let text = '';
    for await (const piece of service.generate('a step ', { seed: 4, maxTokens: 60 })) text += piece.text;
    texts.push(text);
    await service.close();
  }
  expect(texts[0]).toBe(texts[1]);
  expect(texts[0]).toMatch(/^[a-z \n]+$/);
});
