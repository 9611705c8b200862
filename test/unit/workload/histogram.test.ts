import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createPlanner } from '../../../dist/entry/planner.js';
import { VOTE_WORDS } from '../../../dist/layout/layout.js';
import {
  type EngineStepRecord,
  generateWorkload,
  type RankSchedule,
  type ReadHistogramOptions,
  RequestTable,
  readHistogram,
  SchedulerModel,
  StepHistogram,
  type StepSchedule,
  scheduleHistogram,
  scheduleShape,
} from '../../../dist/workload/index.js';
import { runs } from '../../support/property-runs.js';

const read = (text: string, options: ReadHistogramOptions = {}): ReturnType<typeof readHistogram> =>
  readHistogram(
    (async function* () {
      yield text;
    })(),
    options,
  );

const refused = (message: RegExp): object => ({ code: 'ERR_INPUT_INVALID', message: expect.stringMatching(message) });

/** A schedule from each rank's query lengths of its decodes and of its prefills. */
function schedule(...ranks: readonly { readonly decodes?: number[]; readonly prefills?: number[] }[]): StepSchedule {
  const chunk = (phase: 'decode' | 'prefill', queryLen: number): StepSchedule['ranks'][0]['scheduled'][0] => ({
    request: 0,
    phase,
    start: 9,
    queryLen,
    lastChunk: true,
    advance: queryLen,
  });
  return {
    step: 0,
    idle: false,
    ranks: ranks.map(({ decodes = [], prefills = [] }) => ({
      removed: [],
      added: [],
      appended: [],
      scheduled: [...decodes.map((len) => chunk('decode', len)), ...prefills.map((len) => chunk('prefill', len))],
    })),
  };
}

describe('the shape ranks agree on', () => {
  it('is the largest of each number over them', () => {
    const mixed = schedule({ decodes: [1, 1, 1] }, { decodes: [1], prefills: [100, 7] }, {});
    expect(scheduleShape(mixed, 1)).toEqual({
      tokens: 108,
      prefillRequests: 2,
      decodeRequests: 3,
      requests: 3,
      ubatched: false,
    });
    expect(scheduleShape(schedule({}, {}), 1)).toBeNull();
  });

  it('of decodes has room for a whole query of each', () => {
    const drafts = schedule({ decodes: [4, 1] }, { decodes: [2, 3, 1] });
    expect(scheduleShape(drafts, 4)).toMatchObject({ tokens: 12, prefillRequests: 0, decodeRequests: 3 });
  });

  it('is in micro-batches where every busy rank reaches the threshold, with what it really holds', () => {
    const wish = (...ranks: { decodes?: number[] }[]): boolean | undefined =>
      scheduleShape(schedule(...ranks), 4, { ubatchThreshold: 8 })?.ubatched;
    expect(wish({ decodes: [4, 4] }, {}, { decodes: [4, 3, 1] })).toBe(true);
    expect(wish({ decodes: [4, 4] }, { decodes: [4, 3] })).toBe(false);
    expect(scheduleShape(schedule({ decodes: [4, 4] }), 4)?.ubatched).toBe(false);
  });

  it('is not in micro-batches where a busy rank has too few requests to be cut', () => {
    const wish = (ubatchMinRequests?: number): boolean | undefined =>
      scheduleShape(schedule({ decodes: [4, 4] }, {}), 4, { ubatchThreshold: 4, ubatchMinRequests })?.ubatched;
    expect(wish()).toBe(true);
    expect(wish(3)).toBe(false);
    expect(scheduleShape(schedule({ decodes: [4] }), 4, { ubatchThreshold: 4 })?.ubatched).toBe(false);
  });
});

describe('a histogram', () => {
  it('counts decodes by size, those in micro-batches apart, and steps with a prefill by shape', () => {
    const histogram = new StepHistogram({ maxSize: 64 });
    const decode = { prefillRequests: 0, decodeRequests: 8, requests: 8, tokens: 8, ubatched: false };
    histogram.add({ ...decode, tokens: 64 });
    histogram.add(decode, 3);
    histogram.add(decode);
    histogram.add({ ...decode, ubatched: true });
    const mixed = { tokens: 300, prefillRequests: 2, decodeRequests: 8, requests: 9, ubatched: false };
    histogram.add(mixed, 2);
    histogram.add({ ...mixed, tokens: 299 });
    histogram.add({ ...mixed, requests: 10 });
    histogram.add(mixed);
    expect(histogram.toJSON()).toEqual({
      decode: { 8: 4, 64: 1 },
      ubatched: { 8: 1 },
      mixed: [
        { tokens: 299, prefillRequests: 2, decodeRequests: 8, requests: 9, count: 1 },
        { tokens: 300, prefillRequests: 2, decodeRequests: 8, requests: 9, count: 3 },
        { tokens: 300, prefillRequests: 2, decodeRequests: 8, requests: 10, count: 1 },
      ],
    });
    expect([...histogram.decode.keys()]).toEqual([8, 64]);
    expect(histogram.steps).toBe(11);
    expect(histogram.largestDecode).toBe(64);
    expect(histogram.counts('decode', 64)[8]).toBe(4);
    expect(histogram.counts('ubatched', 8)).toEqual(Float64Array.of(0, 0, 0, 0, 0, 0, 0, 0, 1));
  });

  it('refuses what no step is, and decodes above its largest size, and then counts nothing', () => {
    const histogram = new StepHistogram({ maxSize: 4 });
    const shape = { tokens: 4, prefillRequests: 0, decodeRequests: 4, requests: 4, ubatched: false };
    const bad = expect.objectContaining({ code: 'ERR_INPUT_INVALID' });
    expect(() => histogram.add({ ...shape, tokens: 5 })).toThrow(/above the largest size 4; raise maxNumSeqs/);
    for (const wrong of [
      { tokens: 0 },
      { tokens: 1.5 },
      { prefillRequests: 5 },
      { decodeRequests: -1 },
      { requests: 5 },
      { requests: 3 },
    ]) {
      expect(() => histogram.add({ ...shape, ...wrong })).toThrow(bad);
    }
    expect(() => histogram.add(shape, 0)).toThrow(bad);
    expect(histogram.steps).toBe(0);
    histogram.add(shape);
    expect(() => histogram.counts('decode', 3)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG_INVALID' }));
    expect(() => new StepHistogram({ maxSize: 0 })).toThrow(expect.objectContaining({ code: 'ERR_CONFIG_INVALID' }));
  });

  it('of a scheduler model counts each of its steps with a request once', () => {
    fc.assert(
      fc.property(
        fc.record({
          seed: fc.nat(1000),
          ranks: fc.integer({ min: 1, max: 4 }),
          queryLen: fc.integer({ min: 1, max: 3 }),
          ubatchThreshold: fc.option(fc.integer({ min: 1, max: 12 }), { nil: undefined }),
        }),
        ({ seed, ranks, queryLen, ubatchThreshold }) => {
          const requests = generateWorkload({ requests: 30, seed, outputTokens: { median: 20, max: 60 } });
          const limits = { ranks, queryLen, maxNumSeqs: 8, maxNumBatchedTokens: 2048 };
          const model = new SchedulerModel(requests, limits);
          const expected: Record<string, number> = {};
          for (let step = model.next(); step !== null; step = model.next()) {
            const { ranks: all } = step;
            const most = (of: (rank: RankSchedule) => number): number => Math.max(...all.map(of));
            const tokens = step.ranks.map(({ scheduled }) => scheduled.reduce((sum, c) => sum + c.queryLen, 0));
            const prefills = most(({ scheduled }) => scheduled.filter((c) => c.phase === 'prefill').length);
            const decodes = most(({ scheduled }) => scheduled.filter((c) => c.phase === 'decode').length);
            const wished = step.ranks.every(
              ({ scheduled }, rank) =>
                scheduled.length === 0 || (scheduled.length >= 2 && tokens[rank] >= (ubatchThreshold ?? Infinity)),
            );
            const name =
              prefills > 0
                ? `mixed ${Math.max(...tokens)} ${prefills} ${decodes} ${most(({ scheduled }) => scheduled.length)}`
                : `${wished ? 'ubatched' : 'decode'} ${decodes * queryLen}`;
            if (Math.max(...tokens) > 0) expected[name] = (expected[name] ?? 0) + 1;
            model.complete();
          }
          const histogram = scheduleHistogram(new SchedulerModel(requests, limits), { ubatchThreshold });
          const { decode, ubatched, mixed } = histogram.toJSON();
          expect({
            ...Object.fromEntries(Object.entries(decode).map(([size, count]) => [`decode ${size}`, count])),
            ...Object.fromEntries(Object.entries(ubatched).map(([size, count]) => [`ubatched ${size}`, count])),
            ...Object.fromEntries(
              mixed.map((m) => [`mixed ${m.tokens} ${m.prefillRequests} ${m.decodeRequests} ${m.requests}`, m.count]),
            ),
          }).toEqual(expected);
        },
      ),
      runs(40),
    );
  });
});

describe('a histogram read', () => {
  const scheduler = { ranks: 2, maxNumSeqs: 8, queryLen: 2 };
  const vote = (words: Record<string, number>): object => ({
    tokens: 0,
    prefillRequests: 0,
    decodeRequests: 0,
    maxDecodeQueryLen: 0,
    wantsUbatches: 0,
    ...words,
  });
  const decode = (requests: number, wantsUbatches: number): object =>
    vote({ tokens: requests * 2, decodeRequests: requests, maxDecodeQueryLen: 2, wantsUbatches });
  const line = (...rows: object[]): string => `${JSON.stringify({ step: 0, rows, decision: {} })}\n`;

  it('from a trace is that of its schedule', async () => {
    const arrivals = [0, 40, 41, 42];
    const requests = arrivals.map((arrivalMs) => ({
      arrivalMs,
      inputTokens: 500,
      outputTokens: 90 + arrivalMs,
      hashIds: null,
    }));
    const rows = requests.map(({ arrivalMs, inputTokens, outputTokens }) =>
      JSON.stringify({ timestamp: arrivalMs, input_length: inputTokens, output_length: outputTokens }),
    );
    const scheduled = (count: number): object =>
      scheduleHistogram(new SchedulerModel(RequestTable.from(requests.slice(0, count)), scheduler), {
        ubatchThreshold: 2,
      }).toJSON();
    const options = { scheduler, ubatchThreshold: 2 };
    const { kind, histogram } = await read(`\n${rows.join('\n')}`, options);
    expect(kind).toBe('trace');
    expect(histogram.toJSON()).toEqual(scheduled(4));
    expect(Object.keys(histogram.toJSON().ubatched).length).toBeGreaterThan(0);
    expect((await read(rows.join('\n'), { ...options, limit: 1 })).histogram.toJSON()).toEqual(scheduled(1));
    await expect(read(rows.join('\n'), { limit: 0.5 })).rejects.toMatchObject(refused(/limit must be an integer/));
  });

  it('from a step log is that of its votes', async () => {
    const log = [
      line(decode(3, 0), decode(5, 1)),
      line(decode(3, 1), decode(5, 1)),
      line(decode(3, 1), vote({})),
      '\n',
      line(vote({}), vote({})),
      line(decode(3, 1), vote({ tokens: 90, prefillRequests: 2, decodeRequests: 1, maxDecodeQueryLen: 1 })),
    ];
    const { kind, histogram } = await read(log.join(''), { scheduler });
    expect(kind).toBe('step-log');
    expect(histogram.toJSON()).toEqual({
      decode: { 10: 1 },
      ubatched: { 6: 1, 10: 1 },
      mixed: [{ tokens: 90, prefillRequests: 2, decodeRequests: 3, requests: 3, count: 1 }],
    });
  });

  it('from votes that planners cast is that of their batches', async () => {
    const limits = { maxNumSeqs: 8, maxNumBatchedTokens: 64, maxModelLen: 64, queryLen: 2 };
    const policy = { ubatches: 2, ubatchThresholdDecode: 4 };
    const plan = { keys: [] };
    const rows = [];
    for (const [rank, decodes] of [2, 3].entries()) {
      const planner = await createPlanner({ limits, policy, plan, rank, ranks: 2 });
      for (let i = 0; i < decodes; i++) {
        const row = planner.requests.add({ blockIds: [1 + i], numComputedTokens: 5 });
        planner.requests.schedule(row, { phase: 'decode', queryLen: 2 });
      }
      const words = planner.vote();
      rows.push(Object.fromEntries(VOTE_WORDS.map((name, i) => [name, words[i]])));
    }
    const { histogram } = await read(line(...rows), { scheduler });
    expect(histogram.toJSON()).toEqual({ decode: {}, ubatched: { 6: 1 }, mixed: [] });
  });

  it("from an engine's log is that of its records", async () => {
    const seen: string[] = [];
    const engineLog = async function* (lines: AsyncIterable<string>): AsyncGenerator<EngineStepRecord> {
      for await (const text of lines) seen.push(text);
      yield { phase: 'decode', tokens: 6, requests: 3, count: 40 };
      yield { phase: 'decode', tokens: 6, requests: 3 };
      yield { phase: 'prefill', tokens: 500, requests: 2 };
      yield { phase: 'mixed', tokens: 77, requests: 0, count: 2 };
    };
    const { kind, histogram } = await read('INFO one\nINFO two', { scheduler, engineLog });
    expect(kind).toBe('engine-log');
    expect(seen).toEqual(['INFO one', 'INFO two']);
    expect(histogram.toJSON()).toEqual({
      decode: { 6: 41 },
      ubatched: {},
      mixed: [
        { tokens: 77, prefillRequests: 1, decodeRequests: 0, requests: 1, count: 2 },
        { tokens: 500, prefillRequests: 2, decodeRequests: 0, requests: 2, count: 1 },
      ],
    });
    const none = async function* (): AsyncGenerator<EngineStepRecord> {};
    await expect(read('INFO', { engineLog: none })).rejects.toMatchObject(refused(/no line tells of a step/));
  });

  it.each([
    ['', /empty; the formats are.*step log of Lockstep/s],
    ['  \n \n', /empty/],
    ['INFO 07-01 hello\n', /unknown format, the first line is "INFO 07-01 hello"/],
    [line(vote({}), vote({})), /no rank ever has a request/],
    ['{"step":0,"rows":[]}', /:1: rows must be the votes of at least one rank/],
    [`${line(decode(1, 0))}{"step":1,"ro`, /:2: the line must be one JSON object/],
    ['{"step":0,"ro', /:1: the line must be one JSON object/],
    [line([]), /:1: rows\[0\].tokens must be a whole number, not negative, found missing/],
    [line(vote({ tokens: 1, decodeRequests: 2 })), /rows\[0\].tokens must be at least one a request, found 1/],
    [line(vote({ tokens: 1 })), /rows\[0\].tokens must be 0 without a request/],
    [line(vote({ wantsUbatches: -1 })), /rows\[0\].wantsUbatches must be a whole number/],
    [line(vote({ tokens: 3, decodeRequests: 1, maxDecodeQueryLen: 3 })), /maxDecodeQueryLen must be at most the query/],
    [line(decode(1, 0)) + line(decode(9, 0)), /:2: a decode of 18 tokens is above the largest size 16/],
  ])('is refused from %j', async (text, message) => {
    await expect(read(text, { scheduler })).rejects.toMatchObject(refused(message));
  });

  it('is refused for a trace without requests or with a bad line, and ends when told', async () => {
    const code = 'ERR_TRACE_INVALID';
    await expect(read('{"timestamp":0,"input_length":0,"output_length":1}')).rejects.toMatchObject({ code });
    await expect(read('TIMESTAMP,ContextTokens,GeneratedTokens\n')).rejects.toMatchObject({ code });
    const signal = AbortSignal.abort();
    await expect(read(line(decode(1, 0)), { scheduler, signal })).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});
