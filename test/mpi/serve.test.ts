import path from 'node:path';
import OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import { LETTERS, letters } from '../fixtures/service/letters.mjs';
import { textAfter } from '../fixtures/service/next-token.mjs';
import { cli, cliAlone, root } from '../support/cli.js';
import { HAS_MPI, runJob } from '../support/mpi-job.js';
import { type MpiService, startMpiService } from '../support/mpi-service.js';

const MODEL = path.join(root, 'test/fixtures/service/letter-model.mjs');
const LIMITS = ['--max-num-seqs', '4', '--max-model-len', '512', '--block-size', '4', '--ladder', '1,2,4'];
/** Of requests that do not end by themselves while a test looks at them. */
const LONG = ['--max-model-len', '60000', '--num-blocks', '40000'];
const ENDLESS = 50_000;
const POLL = { timeout: 60_000 };

function serve(size: number, args: readonly string[] = [], data: object = {}): Promise<MpiService> {
  return startMpiService(size, [MODEL, ...LIMITS, ...args], { env: { LETTER_MODEL: JSON.stringify(data) } });
}

function clientOf({ url }: MpiService): OpenAI {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey: 'any', maxRetries: 0 });
}

const body = (prompt: string | number[], count: number) =>
  ({ model: 'letters', temperature: 0, prompt, max_tokens: count, ignore_eos: true }) as const;

function expected(prompt: string, count: number): string {
  return letters.decode(textAfter({ vocabSize: LETTERS }, letters.encode(prompt), count));
}

/** What a stream says, to its end or until so many pieces have come. */
async function streamed(client: OpenAI, prompt: string, count: number, pieces = Infinity): Promise<string> {
  const stream = await client.completions.create({ ...body(prompt, count), stream: true });
  let text = '';
  let read = 0;
  for await (const { choices } of stream) {
    text += choices[0]?.text ?? '';
    if (++read >= pieces) break;
  }
  return text;
}

async function metric({ url }: MpiService, name: RegExp): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const lines = text.matchAll(new RegExp(`^${name.source}\\{[^}]*\\} (\\d+)$`, 'gm'));
  return [...lines].reduce((sum, [, count]) => sum + Number(count), 0);
}

const prompts = Array.from({ length: 16 }, (_, at) => `prompt ${letters.decode([at])}`);

describe.skipIf(!HAS_MPI)('lockstep serve --transport mpi', () => {
  it('listens on one process, says what the model says, and ends with 0 on all', async () => {
    using service = await serve(3);
    const { url, output } = service;
    const client = clientOf(service);
    expect(JSON.parse(output().stdout)).toEqual({ schemaVersion: 1, listening: url, model: 'letters', ranks: 3 });
    const all = await Promise.all(prompts.map((prompt, at) => streamed(client, prompt, 30 + at)));
    expect(all).toEqual(prompts.map((prompt, at) => expected(prompt, 30 + at)));
    // Every rank took steps for requests of its own.
    for (const rank of [0, 1, 2]) {
      const steps = new RegExp(`lockstep_steps_total(?=\\{rank="${rank}")`);
      await expect.poll(() => metric(service, steps), POLL).toBeGreaterThan(30);
    }
    process.kill(service.pid(0), 'SIGTERM');
    expect(await service.ended()).toEqual([0, 0, 0]);
    expect(output().stdout.trim().split('\n')).toHaveLength(1);
  });

  it('hands on prompts of many parts, and cancels those whose clients leave', async () => {
    using service = await serve(2, [...LONG, '--max-num-batched-tokens', '16384'], { stepMs: 1 });
    const client = clientOf(service);
    const ids = (count: number): number[] => Array.from({ length: count }, (_, at) => (at * 7) % 26);
    const texts = [50_000, 33_000, 20_000, 17_000].map(async (count) => {
      const { choices } = await client.completions.create(body(ids(count), 8));
      expect(choices[0]?.text).toBe(letters.decode(textAfter({ vocabSize: LETTERS }, ids(count), 8)));
    });
    const left = Array.from({ length: 12 }, (_, at) => streamed(client, prompts[at] as string, ENDLESS, 1 + at));
    const stay = prompts.map((prompt, at) => streamed(client, prompt, 60 + at));
    await Promise.all(texts);
    for (const [at, text] of (await Promise.all(left)).entries()) {
      expect(text.length).toBeGreaterThan(0);
      expect(expected(prompts[at] as string, 400).startsWith(text)).toBe(true);
    }
    expect(await Promise.all(stay)).toEqual(prompts.map((prompt, at) => expected(prompt, 60 + at)));
    await expect.poll(() => metric(service, /vllm:num_requests_running/), POLL).toBe(0);
    expect(await metric(service, /vllm:request_success_total(?=\{finished_reason="length")/)).toBe(20);
    expect(await metric(service, /vllm:request_success_total(?=\{finished_reason="abort")/)).toBe(12);
    process.kill(service.pid(0), 'SIGTERM');
    expect(await service.ended()).toEqual([0, 0]);
  });

  it('loses nothing that it accepted when SIGTERM comes, and refuses the rest', async () => {
    using service = await serve(2, [...LONG, '--grace', '300'], { stepMs: 5 });
    const client = clientOf(service);
    // What was accepted and goes on keeps the process from its end until the test has looked.
    const held = await client.completions.create({ ...body('held', ENDLESS), stream: true });
    const accepted = prompts.map((prompt, at) => streamed(client, prompt, 100 + at));
    const arrived = (): Promise<number> =>
      metric(service, /vllm:(?:num_requests_running|num_requests_waiting|request_success_total)/);
    await expect.poll(arrived, POLL).toBe(prompts.length + 1);
    process.kill(service.pid(1), 'SIGTERM');
    process.kill(service.pid(0), 'SIGTERM');
    await expect.poll(async () => (await fetch(`${service.url}/health`)).status, POLL).toBe(503);
    await expect(client.completions.create(body('late', 1))).rejects.toMatchObject({ status: 503, code: 'draining' });
    expect(await Promise.all(accepted)).toEqual(prompts.map((prompt, at) => expected(prompt, 100 + at)));
    held.controller.abort();
    expect(await service.ended()).toEqual([0, 0]);
  });

  it('ends open requests with an error when a rank is killed, and every other process with 1', async () => {
    using service = await serve(3, LONG, { stepMs: 5 });
    const begun = async (at: number) => {
      const answer = await fetch(`${service.url}/v1/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ ...body(prompts[at] as string, ENDLESS), stream: true }),
      });
      const pieces = (answer.body as ReadableStream<Uint8Array>).getReader();
      const bytes = [(await pieces.read()).value ?? new Uint8Array()];
      return async (): Promise<string> => {
        for (let next = await pieces.read(); !next.done; next = await pieces.read()) bytes.push(next.value);
        return Buffer.concat(bytes).toString();
      };
    };
    const streams = await Promise.all([0, 1, 2, 3, 4, 5].map(begun));
    process.kill(service.pid(2), 'SIGKILL');
    for (const text of await Promise.all(streams.map((rest) => rest()))) {
      const events = text.trim().split('\n\n');
      const last = JSON.parse((events.at(-1) as string).replace(/^data: /, ''));
      expect(last).toMatchObject({ error: { code: 'rank_lost' } });
      const said = events.slice(0, -1).map((event) => JSON.parse(event.replace(/^data: /, '')).choices[0].text);
      expect(said.length).toBeGreaterThan(0);
    }
    const health = await fetch(`${service.url}/health`).then(
      ({ status }) => status,
      () => 'closed',
    );
    expect([503, 'closed']).toContain(health);
    // MPI_Abort lets the launcher end the shells around the other two, whose own code it passes on.
    expect((await service.ended())[2]).toBe(137);
    expect([1, 137]).toContain(service.mpirun.exitCode);
    const { stdout, stderr } = service.output();
    expect(stderr).toContain('the service is failed');
    expect(stderr).toMatch(/lockstep \(rank 1\): Rank 2 is lost.* \[ERR_RANK_LOST\]/);
    expect(stderr).toMatch(/lockstep \(rank 0\): .* cannot be started again: start the job again. \[ERR_RANK_LOST\]/);
    expect(stdout.trim().split('\n')).toHaveLength(1);
  });

  it('says the tokens of a model that one process says, planned ahead with drafts, with as many blocks as fit', async () => {
    const limits = ['--max-num-seqs', '4', '--max-model-len', '128', '--max-num-batched-tokens', '64'];
    const args = [
      'random:dense',
      ...limits,
      '--num-blocks',
      'auto',
      '--async',
      '--query-len',
      '3',
      '--ladder',
      '3,6,12',
    ];
    using service = await startMpiService(2, args);
    expect(JSON.parse(service.output().stdout)).toMatchObject({ ranks: 2, numBlocks: 1 + 4 * (128 / 16) });
    const client = clientOf(service);
    const ids = await Promise.all(
      [1, 2, 3, 4, 5, 6].map(async (first) => {
        const drawn = { temperature: first % 2, seed: first };
        const asked = { ...body([first, 5, 9], 20), model: 'random:dense', ...drawn };
        const { choices } = await client.completions.create(asked);
        return (choices[0] as unknown as { token_ids: number[] }).token_ids;
      }),
    );
    for (const [at, said] of ids.entries()) {
      const alone = ['generate', 'random:dense', ...limits, '--prompt-ids', `${1 + at},5,9`, '--max-tokens', '20'];
      const drawn = ['--temperature', `${(1 + at) % 2}`, '--seed', `${1 + at}`];
      expect(said).toEqual(JSON.parse(cli([...alone, ...drawn, '--ignore-eos', '--json']).stdout).outputIds);
    }
    process.kill(service.pid(0), 'SIGTERM');
    expect(await service.ended()).toEqual([0, 0]);
  });

  it('computes the batch of a rank on two processes alike, and ends all when the silent one of a rank is killed', async () => {
    using service = await serve(4, [...LONG, '--tensor-parallel-size', '2'], { stepMs: 1 });
    expect(JSON.parse(service.output().stdout)).toMatchObject({ ranks: 2 });
    const client = clientOf(service);
    const all = await Promise.all(prompts.map((prompt, at) => streamed(client, prompt, 30 + at)));
    expect(all).toEqual(prompts.map((prompt, at) => expected(prompt, 30 + at)));
    // A rank is counted under the number of its first process.
    for (const rank of [0, 2]) {
      await expect
        .poll(() => metric(service, new RegExp(`lockstep_steps_total(?=\\{rank="${rank}")`)), POLL)
        .toBeGreaterThan(30);
    }
    const stream = await client.completions.create({ ...body('open', ENDLESS), stream: true });
    const rest = async (): Promise<void> => {
      let pieces = 0;
      for await (const _ of stream) if (++pieces === 3) process.kill(service.pid(3), 'SIGKILL');
    };
    await expect(rest()).rejects.toMatchObject({ code: 'rank_lost' });
    expect((await service.ended())[3]).toBe(137);
    expect(service.mpirun.exitCode).toBeGreaterThan(0);
    expect(service.output().stderr).toMatch(
      /lockstep \(rank 0\): .*Rank 3 is lost.* start the job again. \[ERR_RANK_LOST\]/,
    );
  });

  it('ends every other process when the one that listens is killed', async () => {
    using service = await serve(3, LONG, { stepMs: 5 });
    const client = clientOf(service);
    const stream = await client.completions.create({ ...body('open', ENDLESS), stream: true });
    const rest = async (): Promise<void> => {
      let pieces = 0;
      for await (const _ of stream) if (++pieces === 3) process.kill(service.pid(0), 'SIGKILL');
    };
    await expect(rest()).rejects.toThrow();
    const [killed] = await service.ended();
    expect(killed).toBe(137);
    expect(service.mpirun.exitCode).toBeGreaterThan(0);
    const { stderr } = service.output();
    for (const rank of [1, 2]) expect(stderr).toMatch(new RegExp(`lockstep \\(rank ${rank}\\): Rank 0 is lost`));
  });

  it.each([
    [['--restarts', '2'], /--restarts is 2, and processes of an MPI job cannot be started again/],
    [['--ranks', '3'], /--ranks is 3 .* and this MPI job has 2/],
    [['--max-queue', '-1'], /--max-queue is -1/],
    [['--tensor-parallel-size', '3'], /--tensor-parallel-size is 3, which takes 3 processes, and this MPI job has 2/],
  ])('refuses %j on all processes', async (args, message) => {
    await expect(serve(2, args)).rejects.toThrow(message);
  });

  it('says the tokens of one process with a model cut over two, and tells open requests when one of these is killed', async () => {
    const limits = ['--max-num-seqs', '4', '--max-model-len', '512'];
    using service = await startMpiService(2, ['random:dense', ...limits, '--tensor-parallel-size', '2']);
    expect(JSON.parse(service.output().stdout)).toMatchObject({ ranks: 1 });
    const client = clientOf(service);
    const asked = (first: number, count: number) => ({ ...body([first, 5, 9], count), model: 'random:dense' });
    /** The tokens that a stream says, whose pieces are counted. */
    const saidIn = async (first: number, count: number, onPiece: (pieces: number) => void = () => {}) => {
      const stream = await client.completions.create({ ...asked(first, count), stream: true });
      const ids: number[] = [];
      let pieces = 0;
      for await (const { choices } of stream) {
        ids.push(...((choices[0] as unknown as { token_ids?: number[] })?.token_ids ?? []));
        onPiece(++pieces);
      }
      return ids;
    };
    const texts = await Promise.all([1, 2, 3, 4, 5, 6].map((first) => saidIn(first, 20)));
    for (const [at, said] of texts.entries()) {
      const alone = ['generate', 'random:dense', ...limits, '--prompt-ids', `${1 + at},5,9`, '--max-tokens', '20'];
      expect(said).toEqual(JSON.parse(cli([...alone, '--ignore-eos', '--json']).stdout).outputIds);
    }
    // The model takes no long requests. Four are served at a time, so others are open where the pieces of the first are read late.
    const kill = (pieces: number) => pieces === 3 && process.kill(service.pid(1), 'SIGKILL');
    const open = Array.from({ length: 12 }, (_, at) => saidIn(7 + at, 500, at === 0 ? kill : undefined));
    const ends = await Promise.allSettled(open);
    const lost = ends.filter(({ status }) => status === 'rejected');
    expect(lost.length).toBeGreaterThan(0);
    for (const end of lost) expect(end).toMatchObject({ reason: { code: 'rank_lost' } });
    for (const end of ends) if (end.status === 'fulfilled') expect(end.value).toHaveLength(500);
    expect((await service.ended())[1]).toBe(137);
    expect(service.output().stderr).toMatch(/Rank 1 is lost.*\[ERR_RANK_LOST\]/);
  });

  it('says which call is whose', async () => {
    const { ranks, status } = await runJob(2, ['test/fixtures/mpi/serve-crossed.mjs', 'FOLDER']);
    expect(status).toBe(0);
    const refused = (message: string): object => ({
      code: 'ERR_CONFIG_INVALID',
      message: expect.stringContaining(message),
    });
    expect(ranks).toEqual([
      refused('process 0 of an MPI job, which makes the service; call createService() here'),
      refused('process 1 of an MPI job, and the first one makes the service; call serveMpiRank() here'),
    ]);
  });

  it('refuses processes that do not serve the same', async () => {
    const script = path.join(root, 'test/fixtures/mpi/serve-other.mjs');
    await expect(startMpiService(2, ['random:dense', ...LIMITS], { script })).rejects.toThrow(
      /do not serve the same: process 1 has other options than process 0/,
    );
  });
});

describe('without a launcher', () => {
  it('cannot serve over MPI, and says how to', () => {
    const { status, stdout, stderr } = cliAlone(['serve', 'random:dense', '--transport', 'mpi']);
    expect({ status, stdout }).toEqual({ status: 3, stdout: '' });
    expect(stderr).toContain('mpirun -n 2');
    const solo = cliAlone(['serve', 'random:dense', '--transport', 'solo']);
    expect(solo.status).toBe(2);
    expect(solo.stderr).toMatch(/'solo' is invalid.*threads, mpi/);
  });
});
