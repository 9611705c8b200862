import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import OpenAI from 'openai';
import { afterEach, describe, expect, it } from 'vitest';
import { LETTERS, letters } from '../../fixtures/service/letters.mjs';
import { textAfter } from '../../fixtures/service/next-token.mjs';
import { cli, root } from '../../support/cli.js';
import { HeldSteps } from '../../support/held-steps.js';

const MODEL = path.join(root, 'test/fixtures/service/letter-model.mjs');
const LIMITS = ['--max-num-seqs', '4', '--max-model-len', '512', '--block-size', '4', '--ladder', '1,2,4'];

interface Serving {
  readonly child: ChildProcess;
  readonly url: string;
  readonly client: OpenAI;
  readonly ended: Promise<number | null>;
  output(): { stdout: string; stderr: string };
}

const started: ChildProcess[] = [];
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});

/** Starts the command and waits for its line. */
async function serve(args: readonly string[] = [], data: object = {}): Promise<Serving> {
  const main = path.join(root, 'dist/cli/main.js');
  const all = [main, 'serve', MODEL, '--port', '0', '--json', '--device', 'host', ...LIMITS, ...args];
  const child = spawn(process.execPath, all, { env: { ...process.env, LETTER_MODEL: JSON.stringify(data) } });
  started.push(child);
  let stdout = '';
  let stderr = '';
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  const ended = once(child, 'close').then(([code]) => code as number | null);
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (text) => {
      stdout += text;
      if (stdout.includes('\n')) resolve();
    });
    ended.then(() => reject(new Error(stderr)));
  });
  const { listening: url } = JSON.parse(stdout) as { listening: string };
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'any', maxRetries: 0 });
  return { child, url, client, ended, output: () => ({ stdout, stderr }) };
}

const body = (prompt: string, count: number) =>
  ({ model: 'letters', temperature: 0, prompt, max_tokens: count, ignore_eos: true }) as const;

function expected(prompt: string, count: number): string {
  return letters.decode(textAfter({ vocabSize: LETTERS }, letters.encode(prompt), count));
}

async function streamed(client: OpenAI, prompt: string, count: number): Promise<string> {
  const stream = await client.completions.create({ ...body(prompt, count), stream: true });
  let text = '';
  for await (const { choices } of stream) text += choices[0]?.text ?? '';
  return text;
}

const prompts = Array.from({ length: 16 }, (_, at) => `prompt ${letters.decode([at])}`);

describe('lockstep serve', () => {
  it('prints one line of JSON once it listens, and serves', async () => {
    const { client, child, ended, url, output } = await serve(['--ranks', '2']);
    expect(JSON.parse(output().stdout)).toEqual({ schemaVersion: 1, listening: url, model: 'letters', ranks: 2 });
    expect(new URL(url).hostname).toBe('127.0.0.1');
    expect(await streamed(client, 'abc', 40)).toBe(expected('abc', 40));
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    expect(output().stdout.trim().split('\n')).toHaveLength(1);
  });

  it('loses nothing that it accepted when SIGTERM comes, and refuses the rest', async () => {
    using held = new HeldSteps().from(20);
    const { client, child, ended, url } = await serve(['--ranks', '2'], { hold: held.hold });
    const accepted = prompts.map((prompt, at) => streamed(client, prompt, 60 + at));
    const whole = client.completions.create(body('whole', 100));
    // All of them have arrived: they run, wait or have ended.
    const arrived = async (): Promise<number> => {
      const counts = (await (await fetch(`${url}/metrics`)).text()).matchAll(
        /^vllm:(?:num_requests_running|num_requests_waiting|request_success_total){[^}]*} (\d+)$/gm,
      );
      return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
    };
    await expect.poll(arrived).toBe(prompts.length + 1);
    child.kill('SIGTERM');
    await expect.poll(async () => (await fetch(`${url}/health`)).status).toBe(503);
    const refused = await client.completions.create(body('late', 1)).then(
      () => expect.unreachable(),
      (error) => error,
    );
    expect(refused).toMatchObject({ status: 503, code: 'draining' });
    expect(refused.headers.get('retry-after')).toBe('1');
    held.release();
    for (const [at, text] of (await Promise.all(accepted)).entries()) {
      expect(text).toBe(expected(prompts[at] as string, 60 + at));
    }
    expect((await whole).choices[0]?.text).toBe(expected('whole', 100));
    expect(await ended).toBe(0);
  });

  it('ends with 143 at a second signal, and where the grace is over', async () => {
    using held = new HeldSteps().from(20);
    const second = await serve([], { hold: held.hold });
    const one = streamed(second.client, 'abc', 400).catch((error: Error) => error);
    await expect.poll(async () => (await fetch(`${second.url}/metrics`)).text()).toMatch(/tokens_total{[^}]*} [1-9]/);
    second.child.kill('SIGTERM');
    await new Promise((resolve) => setTimeout(resolve, 700));
    second.child.kill('SIGTERM');
    expect(await second.ended).toBe(143);
    expect(await one).toBeInstanceOf(Error);

    const late = await serve(['--grace', '0.3'], { hold: held.hold });
    const other = streamed(late.client, 'abc', 400).catch((error: Error) => error);
    await expect.poll(async () => (await fetch(`${late.url}/metrics`)).text()).toMatch(/tokens_total{[^}]*} [1-9]/);
    late.child.kill('SIGTERM');
    expect(await late.ended).toBe(143);
    expect(await other).toBeInstanceOf(Error);
  });

  it('starts lost ranks again, and ends with 1 once it may not', async () => {
    const crashOn = letters.encode('x')[0] as number;
    const { client, ended, output } = await serve(['--restarts', '1'], { crashOn });
    await expect(client.completions.create(body('x', 3))).rejects.toMatchObject({ status: 503, code: 'rank_lost' });
    const text = (): Promise<string> => streamed(client, 'abc', 3).catch(() => '');
    await expect.poll(text).toBe(expected('abc', 3));
    await expect(client.completions.create(body('x', 3))).rejects.toMatchObject({ status: 503 });
    expect(await ended).toBe(1);
    const { stderr } = output();
    const seen = ['is restarting', 'is ready', 'is failed', '[ERR_RANK_LOST]'].map((words) => stderr.indexOf(words));
    expect(Math.min(...seen)).toBeGreaterThan(0);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
  });

  it('ends with 1 where ranks are lost for good after SIGTERM', async () => {
    const crashOn = letters.encode('a')[0] as number;
    using held = new HeldSteps().from(20);
    const { client, child, ended, url } = await serve(['--restarts', '0', '--max-num-seqs', '1'], {
      crashOn,
      hold: held.hold,
    });
    // The first goes on from no a, and the second waits for its place.
    expect(expected('bc', 60)).not.toContain('a');
    const metrics = async (): Promise<string> => (await fetch(`${url}/metrics`)).text();
    const first = streamed(client, 'bc', 60);
    await expect.poll(metrics).toMatch(/generation_tokens_total{[^}]*} [1-9]/);
    const second = client.completions.create(body('a', 3)).catch((error: Error) => error);
    await expect.poll(metrics).toMatch(/num_requests_waiting{[^}]*} 1/);
    child.kill('SIGTERM');
    await expect.poll(async () => (await fetch(`${url}/health`)).status).toBe(503);
    held.release();
    expect(await first).toBe(expected('bc', 60));
    expect(await second).toMatchObject({ status: 503 });
    expect(await ended).toBe(1);
  });

  it('says what it cannot serve', () => {
    const refused = (...args: string[]): [number | null, string] => {
      const { status, stderr } = cli(['serve', ...args]);
      return [status, stderr];
    };
    expect(refused('./nothing.mjs')).toEqual([2, expect.stringContaining('cannot be loaded')]);
    expect(refused('./nowhere')).toEqual([2, expect.stringContaining('ERR_MODEL_INVALID')]);
    expect(refused(MODEL, '--ranks', '0')).toEqual([2, expect.stringContaining('--ranks is 0')]);
    expect(refused(MODEL, '--port', '70000')).toEqual([2, expect.stringContaining('--port is 70000')]);
    expect(refused()[0]).toBe(2);
  });
});
