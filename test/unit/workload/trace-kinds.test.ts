import { describe, expect, it } from 'vitest';
import {
  type ReadTraceOptions,
  RequestTable,
  readRequests,
  readTrace,
  SchedulerModel,
  tokenId,
  traceFacts,
} from '../../../dist/entry/workload.js';
import { cli } from '../../support/cli.js';

async function* text(...lines: (string | object)[]): AsyncGenerator<string> {
  for (const line of lines) yield `${typeof line === 'string' ? line : JSON.stringify(line)}\n`;
}

/** [arrivalMs, inputTokens, outputTokens] of every request. */
async function rows(lines: (string | object)[], options: ReadTraceOptions = {}): Promise<number[][]> {
  return [...(await readRequests(text(...lines), options))].map((r) => [r.arrivalMs, r.inputTokens, r.outputTokens]);
}

const ids = (count: number, from = 0): number[] => Array.from({ length: count }, (_, index) => from + index);

describe('traces that people have', () => {
  it('Bailian: seconds, and an id for 16 tokens', async () => {
    const turn = { chat_id: 159, parent_chat_id: -1, turn: 1, type: 'text' };
    const table = await readRequests(
      text(
        { ...turn, timestamp: 61.114, input_length: 33, output_length: 5, hash_ids: [1, 2, 3] },
        { ...turn, timestamp: 63.614, input_length: 17, output_length: 40, hash_ids: [1, 9] },
      ),
    );
    expect([...table.arrivalMs]).toEqual([0, 2500]);
    expect(table.hashBlockTokens).toBe(16);
    // The second block is another, and begins at the 17th token.
    expect(tokenId(table, 1, 15)).toBe(tokenId(table, 0, 15));
    expect(tokenId(table, 1, 16)).not.toBe(tokenId(table, 0, 16));
    const model = new SchedulerModel(table, { ranks: 1, blockSize: 16 });
    while (model.next() !== null) model.complete();
    expect(model.stats).toMatchObject({ finished: 2, reusedTokens: 16 });
  });

  it.each<[string, string[]]>([
    ['Vidur', ['arrived_at,num_prefill_tokens,num_decode_tokens', '0.5,591,140', '0.625,547,248']],
    [
      'Splitwise',
      [
        'request_id,request_type,application_id,arrival_timestamp,batch_size,prompt_size,token_size',
        '0,2,0,0.5,1,591,140',
        '1,2,0,0.625,1,547,248',
      ],
    ],
    ['names of OpenAI', ['timestamp,prompt_tokens,completion_tokens', '500,591,140', '625,547,248']],
  ])('%s CSV', async (_, lines) => {
    expect(await rows(lines)).toEqual([
      [0, 591, 140],
      [125, 547, 248],
    ]);
  });

  it('Dynamo: other names, and hash blocks of the size that fits the first request', async () => {
    const line = { created_time: 7, input_tokens: 130, output_tokens: 2, hash_ids: ids(3) };
    expect(await rows([line, { ...line, created_time: 9 }])).toEqual([
      [0, 130, 2],
      [2, 130, 2],
    ]);
    expect((await readRequests(text(line))).hashBlockTokens).toBe(64);
    expect((await readRequests(text({ ...line, hash_ids: ids(130) }), { hashBlockTokens: 1 })).hashBlockTokens).toBe(1);
  });

  const turns = [
    { session_id: 'a', input_length: 100, output_length: 20 },
    { session_id: 'b', input_length: 50, output_length: 10 },
    { session_id: 'a', delay: 500, input_length: 130, output_length: 20 },
    { session_id: 'a', delay: 0, input_length: 160, output_length: 20 },
  ];

  it('sessions: a turn comes its delay after the end of the one before it', async () => {
    const table = await readRequests(text(...turns));
    expect([...table].map(({ after, delayMs }) => [after, delayMs])).toEqual([
      [undefined, undefined],
      [undefined, undefined],
      [0, 500],
      [2, 0],
    ]);
    const shared = RequestTable.fromShared(structuredClone(table.toShared()));
    for (const [speed, requests] of [
      [1, table],
      [10, shared],
    ] as const) {
      const model = new SchedulerModel(requests, { ranks: 2, speed });
      const first = new Map<number, number>();
      const last = new Map<number, number>();
      for (let schedule = model.next(); schedule !== null; schedule = model.next()) {
        const begin = model.stats.clockMs;
        const running = schedule.ranks.flatMap(({ scheduled }) => scheduled.map(({ request }) => request));
        model.complete();
        for (const request of running) {
          if (!first.has(request)) first.set(request, begin);
          last.set(request, model.stats.clockMs);
        }
      }
      expect(model.stats.finished).toBe(4);
      const at = (of: Map<number, number>, request: number): number => of.get(request) ?? Number.NaN;
      expect(at(first, 2)).toBeCloseTo(at(last, 0) + 500 / speed, 6);
      expect(at(first, 3)).toBeCloseTo(at(last, 2), 6);
    }
  });

  it('sessions: one whose turn can never run goes on', async () => {
    const long = { session_id: 'a', input_length: 999, output_length: 1 };
    const model = new SchedulerModel(await readRequests(text(long, ...turns)), { ranks: 1, maxModelLen: 500 });
    while (model.next() !== null) model.complete(Infinity);
    expect(model.stats).toMatchObject({ rejected: 1, finished: 4 });
  });

  it('sessions of another order of time keep theirs, and turns with a time come at it', async () => {
    const timed = turns.map((turn, index) => ({ ...turn, delay: undefined, timestamp: 100 - 10 * index }));
    const table = await readRequests(text(...timed));
    expect(table.after).toBeNull();
    expect([...table.arrivalMs]).toEqual([0, 10, 20, 30]);
  });

  it("aiperf's records: without its warm-up and failures", async () => {
    const record = (start: number, phase: string, metrics: object): object => ({
      metadata: { request_start_ns: start, benchmark_phase: phase },
      metrics,
    });
    const lengths = (input: number, output: number): object => ({
      input_sequence_length: { value: input, unit: 'tokens' },
      output_sequence_length: { value: output, unit: 'tokens' },
    });
    const lines = [
      record(1.7e18, 'warmup', lengths(1, 1)),
      record(1.7e18 + 1e9, 'profiling', lengths(550, 20)),
      record(1.7e18 + 2e9, 'profiling', {}),
      record(1.7e18 + 3e9, 'profiling', lengths(30, 4)),
    ];
    expect(await rows(lines)).toEqual([
      [0, 550, 20],
      [2000, 30, 4],
    ]);
  });

  it('results of GuideLLM and of vllm bench', async () => {
    const requests = {
      successful: [
        { start_time: 1700000000.5, prompt_tokens: 9, output_tokens: 4 },
        {
          info: { timings: { request_start: 1700000001 } },
          input_metrics: { text_tokens: 8 },
          output_metrics: { text_tokens: 3 },
        },
      ],
      errored: [{ start_time: 1 }],
    };
    const guidellm = { metadata: { version: 1 }, benchmarks: [{ requests }] };
    for (const form of [JSON.stringify(guidellm), JSON.stringify(guidellm, null, 2)]) {
      expect(await rows([form])).toEqual([
        [0, 9, 4],
        [500, 8, 3],
      ]);
    }
    const bench = { date: '20260308', input_lens: [5, 6, 7], output_lens: [1, 0, 2], request_rate: 4 };
    expect(await rows([bench])).toEqual([
      [0, 5, 1],
      [500, 7, 2],
    ]);
    expect(await rows([{ ...bench, start_times: [10, 11, 12.5] }])).toEqual([
      [0, 5, 1],
      [2500, 7, 2],
    ]);
    await expect(rows(['{"date": "2026"', ''])).rejects.toThrow(/begins like one JSON document.*cut off/);
    await expect(rows(['{', '"a": 1 }'])).rejects.toThrow(/without benchmarks\[\]/);
  });
});

describe('how a trace is read', () => {
  it('in another unit, and by other names', async () => {
    const lines = ['when,prompt,answer', '2,3,4', '5,6,7'];
    const columns = { timestamp: 'when', input_length: 'prompt', output_length: 'answer' };
    expect(await rows(lines, { columns })).toEqual([
      [0, 3, 4],
      [3, 6, 7],
    ]);
    expect((await rows(lines, { columns, timeUnit: 's' }))[1][0]).toBe(3000);
    const jsonl = [
      { timestamp: 2e9, prompt: 3, output_length: 4 },
      { timestamp: 5e9, prompt: 6, output_length: 7 },
    ];
    expect((await rows(jsonl, { columns: { input_length: 'prompt' }, timeUnit: 'ns' }))[1]).toEqual([3000, 6, 7]);
  });

  const dates = ['2026-05-01T12:00:00.1255', '2026-05-01T14:00:00.3755+02:00', '2026-05-01 12:00:01Z'];

  it.each([undefined, 's', 'ns'] as const)(
    'dates in CSV and in JSONL, with the unit %s for times that are none',
    async (timeUnit) => {
      const columns = { timestamp: 'when', input_length: 'prompt', output_length: 'answer' };
      const expected = [
        [0, 3, 4],
        [250, 3, 4],
        [874.5, 3, 4],
      ];
      const csv = ['when,prompt,answer', ...dates.map((when) => `${when},3,4`)];
      expect(await rows(csv, { columns, timeUnit })).toEqual(expected);
      const jsonl = dates.map((when) => ({ when, prompt: 3, answer: 4 }));
      expect(await rows(jsonl, { columns, timeUnit })).toEqual(expected);
      const turns = dates.map((when) => ({ when, prompt: 3, answer: 4, session_id: 'a' }));
      expect(await rows(turns, { columns, timeUnit })).toEqual(expected);
      await expect(rows([{ ...jsonl[0], when: '2026-02-30 12:00:00' }], { columns })).rejects.toThrow(
        /when must be a number of milliseconds, at most 1000000000000000, or a date, found "2026-02-30 12:00:00"/,
      );
      await expect(rows([{ ...turns[0], delay: dates[0] }], { columns })).rejects.toThrow(
        /delay must be .* 1000000000000000, found/,
      );
    },
  );

  it('refuses what no trace is read by', async () => {
    const read = (options: object) => () => readTrace(text(), options as ReadTraceOptions);
    expect(read({ timeUnit: 'h' })).toThrow(/timeUnit is "h"/);
    expect(read({ hashBlockTokens: 0 })).toThrow(/hashBlockTokens is 0/);
    expect(read({ columns: { inputs: 'x' } })).toThrow(/columns has no inputs/);
    expect(read({ unit: 's' })).toThrow(/have no unit; they have limit/);
    const twice = ['arrived_at,num_prefill_tokens,num_decode_tokens,arrived_at', '0,1,2,3'];
    await expect(rows(twice)).rejects.toThrow(/the header must be one column arrived_at/);
    await expect(rows([{ session_id: 'a', delay: -1, input_length: 1, output_length: 1 }])).rejects.toThrow(
      /delay must be/,
    );
    const bailian = { chat_id: 1, parent_chat_id: -1, timestamp: 1e300, input_length: 1, output_length: 1 };
    await expect(rows([bailian])).rejects.toThrow(/timestamp must be a number of seconds, at most 1000000000000/);
  });

  it.each([
    ['when,prompt,answer', /:1: the header has no column nope; it has "when, prompt, answer"; correct/],
    ['wen,prompt,nope', /:1: the header has no column when; it has "wen, prompt, nope"; correct/],
    ['when;prompt;nope', /has no column when; it has "when;prompt;nope"; fields are separated by commas;/],
    ['when\tprompt\tnope', /has no column when; .*; fields are separated by commas;/],
  ])('refuses a CSV of %j, which lacks a column that was named', async (header, message) => {
    const columns = { timestamp: 'when', input_length: 'prompt', output_length: 'nope' };
    const lines = [header, header.replaceAll(/\w+/g, '1')];
    for (const timeUnit of [undefined, 's'] as const) {
      await expect(rows(lines, { columns, timeUnit })).rejects.toThrow(message);
      await expect(rows(lines, { columns, timeUnit })).rejects.toMatchObject({ code: 'ERR_TRACE_INVALID' });
    }
  });

  it.each([
    ['timestamp;input_length;output_length', /separated by ";": write commas/],
    ['timestamp\tinput_length\toutput_length', /separated by tabs: write commas/],
    ['a|b|c', /separated by "\|": write commas/],
  ])('of an unknown table %j it says what separates its fields', async (header, message) => {
    await expect(rows([header, '1'])).rejects.toThrow(message);
  });

  it('reads counts as tools write whole numbers of a column with gaps, and no fraction', async () => {
    const header = 'timestamp,input_length,output_length';
    expect(await rows([header, '0,100.0,20.00', '1,7,0.0'])).toEqual(await rows([header, '0,100,20', '1,7,0']));
    for (const wrong of ['100.5', '.0', '100.', '1.0.0', '-1.0', '', 'nan']) {
      await expect(rows([header, `0,${wrong},2`])).rejects.toThrow(/input_length must be an integer/);
    }
  });

  it('says what was read, and warns of an absurd rate', async () => {
    const lines = [0, 1, 2].map((timestamp) => ({ timestamp, input_length: 9, output_length: 3 + timestamp }));
    const facts = traceFacts(await readRequests(text(...lines)));
    expect(facts).toMatchObject({
      requests: 3,
      spanMs: 2,
      requestsPerSecond: 1000,
      input: { least: 9, median: 9, most: 9 },
      output: { least: 3, median: 4, most: 5 },
      followers: 0,
      hashBlockTokens: null,
    });
    expect(facts.warnings).toEqual(['1000 requests a second: check the unit of the times (timeUnit, --time-unit)']);
    expect(traceFacts(await readRequests(text(...lines), { timeUnit: 's' })).warnings).toEqual([]);
  });

  it('by the options of the command line, whose report says it', () => {
    const input = 'when,prompt,answer\n2,30,4\n5,60,7\n9,60,7\n';
    const columns = '--columns=time=when,input=prompt,output=answer';
    const told = cli(['simulate', '--trace', '-', columns, '--time-unit', 's', '--ranks', '1'], input);
    expect(told.stdout).toMatch(/arrivals +3 requests in 7\.0 s, 0\.286 a second\n.*prompts 30 to 60 \(median 60\)/);
    const fast = JSON.parse(cli(['plan', '--trace', '-', columns, '--ranks', '1', '--json'], input).stdout);
    expect(fast.trace).toMatchObject({ spanMs: 7, requestsPerSecond: 2000 / 7, warnings: [] });
    const { status, stderr } = cli(['simulate', '--time-unit', 's']);
    expect([status, stderr]).toEqual([
      2,
      expect.stringMatching(/--time-unit say how a trace is read, and no trace is given/),
    ]);
  });
});
