import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type CountOptions, detectSource, loggedSteps, scheduledSteps } from '../../../dist/entry/capture.js';
import { LOCKSTEP_POLICY } from '../../../dist/entry/planner.js';
import { type HistogramDocument, RequestTable, schedulerLimits } from '../../../dist/entry/workload.js';

const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-read-steps-'));
afterAll(() => rmSync(folder, { recursive: true }));

const scheduler = schedulerLimits({ ranks: 2, maxNumSeqs: 8, queryLen: 2 });
const policy = { ...LOCKSTEP_POLICY, ubatches: 2, ubatchThresholdDecode: 4 };
const options: CountOptions = { scheduler, policy, split: 0.5 };

const vote = (words: Record<string, number>): object => ({
  tokens: 0,
  prefillRequests: 0,
  decodeRequests: 0,
  maxDecodeQueryLen: 0,
  ...words,
});
const decode = (requests: number): object =>
  vote({ tokens: requests * 2, decodeRequests: requests, maxDecodeQueryLen: 2 });
/** A line of a step log: the step ran in so many parts. */
const line = (parts: number, ...rows: object[]): string =>
  `${JSON.stringify({ step: 0, rows, decision: { parts: Array.from({ length: parts }, () => ({})) } })}\n`;

const versioned = (log: string): string => log.replaceAll('{"step"', '{"schemaVersion":1,"step"');

async function logged(text: string, more: Partial<CountOptions> = {}): Promise<HistogramDocument> {
  const log = path.join(folder, 'steps.jsonl');
  writeFileSync(log, text);
  return (await loggedSteps(log, { ...options, ...more })).whole.toJSON();
}

describe('the steps of a step log', () => {
  const log = [
    line(1, decode(3), decode(5)),
    line(2, decode(3), decode(5)),
    line(2, decode(3), vote({})),
    '\n',
    line(0, vote({}), vote({})),
    line(2, decode(3), vote({ tokens: 90, prefillRequests: 2, decodeRequests: 1, maxDecodeQueryLen: 1 })),
  ].join('');
  const mixed = [{ tokens: 90, prefillRequests: 2, decodeRequests: 3, requests: 3, count: 1 }];

  it('are the maxima of its votes, in micro-batches as each was decided', async () => {
    expect(await logged(log)).toEqual({ decode: { 10: 1 }, ubatched: { 6: 1, 10: 1 }, mixed });
  });

  it('are read with the version that a line says, and without one as from a log of before', async () => {
    expect(await logged(versioned(log))).toEqual(await logged(log));
  });

  it.each<[string, string, RegExp | null]>([
    ['of before', log, null],
    ['that is complete', `${versioned(log)}{"schemaVersion":1,"end":5}\n`, null],
    [
      'after another',
      `${versioned(log)}{"schemaVersion":1,"end":5}\n${versioned(log)}{"schemaVersion":1,"end":5}\n`,
      null,
    ],
    ['that was killed', versioned(log), /^ends without the line that says it is complete: what wrote it was killed/],
    ['that was killed within a line', `${log}{"step":6,"ro`, /^is cut off in line 7: what wrote it was killed/],
    ['that lacks a line', `${versioned(log)}{"schemaVersion":1,"end":6}\n`, /^says that it has 6 lines, and has 5$/],
    ['with another log behind it that was killed', `${log}{"schemaVersion":1,"end":5}\n${log}`, /^ends without/],
  ])('are those of a log %s, which says whether it is whole', async (_what, text, incomplete) => {
    const file = path.join(folder, 'ends.jsonl');
    writeFileSync(file, text);
    const steps = await loggedSteps(file, options);
    const logs = text.split('"decision"').length > 6 ? 2 : 1;
    expect(steps.whole.steps).toBe(4 * logs);
    if (incomplete === null) expect(steps.incomplete).toBeNull();
    else expect(steps.incomplete).toMatch(incomplete);
  });

  it('are all of one batch for a policy without micro-batches', async () => {
    expect(await logged(log, { policy: LOCKSTEP_POLICY })).toEqual({ decode: { 6: 1, 10: 2 }, ubatched: {}, mixed });
  });

  it('have room for a whole query of each request', async () => {
    const drafts = vote({ tokens: 4, decodeRequests: 3, maxDecodeQueryLen: 2 });
    expect(await logged(line(1, drafts, decode(1)))).toMatchObject({ decode: { 6: 1 } });
  });

  it.each([
    [line(0, vote({}), vote({})), /no rank ever has a request/],
    [
      `${line(1, decode(1))}${line(1, decode(1)).replace('{', '{"schemaVersion":2,')}`,
      /steps\.jsonl:2: schemaVersion of a step log must be 1, found 2.*read the log with the version of Lockstep that wrote it/,
    ],
    [line(1, decode(1)).replace('{', '{"schemaVersion":null,'), /:1: schemaVersion of a step log must be 1/],
    ['{"step":0,"rows":[]}', /:1: rows must be the votes of at least one rank/],
    [`${line(1, decode(1))}{"step":1,"ro\n`, /:2: the line must be one JSON object/],
    ['{"step":1,"ro', /:1: the line must be one JSON object/],
    [line(1, []), /:1: rows\[0\].tokens must be a whole number, not negative, found missing/],
    [line(1, vote({ tokens: 1, decodeRequests: 2 })), /rows\[0\].tokens must be at least one a request, found 1/],
    [line(1, vote({ tokens: 1 })), /rows\[0\].tokens must be 0 without a request/],
    [line(1, vote({ prefillRequests: -1 })), /rows\[0\].prefillRequests must be a whole number/],
    [line(1, vote({ tokens: 3, decodeRequests: 1, maxDecodeQueryLen: 3 })), /maxDecodeQueryLen must be at most the/],
    [line(1, decode(1)) + line(1, decode(9)), /:2: a decode of 18 tokens is above the largest size 16/],
    [line(0, decode(1)), /:1: decision.parts must be the parts that the step ran in/],
    [JSON.stringify({ step: 0, rows: [decode(1)] }), /:1: decision.parts must be the parts .* found missing/],
    [JSON.stringify({ step: 0, rows: [decode(1)], decision: { parts: 2 } }), /decision.parts must be .* found 2/],
  ])('are refused from %j', async (text, message) => {
    await expect(logged(text)).rejects.toMatchObject({
      code: 'ERR_INPUT_INVALID',
      message: expect.stringMatching(message),
    });
  });

  it('end when told', async () => {
    await expect(logged(log, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});

describe('the steps of a trace', () => {
  it('are counted under limits that no planner has memory for', async () => {
    const large = schedulerLimits({ ranks: 2, maxNumSeqs: 65536, maxNumBatchedTokens: 65536, queryLen: 1 });
    const one = { arrivalMs: 0, inputTokens: 20, outputTokens: 4, hashIds: null };
    const requests = RequestTable.from([one, one]);
    for (const ubatches of [1, 2]) {
      const { whole } = await scheduledSteps(requests, {
        scheduler: large,
        policy: { ...policy, ubatches },
        split: 0.5,
      });
      expect(whole.toJSON()).toEqual({
        decode: { 1: 3 },
        ubatched: {},
        mixed: [{ tokens: 20, prefillRequests: 1, decodeRequests: 0, requests: 1, count: 1 }],
      });
    }
  });
});

describe('what a file of steps is', () => {
  it.each([
    [line(1, decode(1)), 'step-log'],
    ['{"step":0,"ro', 'step-log'],
    ['TIMESTAMP,ContextTokens,GeneratedTokens\n', 'trace'],
    ['INFO 07-01 hello\n', 'engine-log'],
  ])('is told by its first line %j', async (text, kind) => {
    const file = path.join(folder, 'any');
    writeFileSync(file, text);
    expect(await detectSource(file)).toBe(kind);
  });

  it('is not told of an empty one', async () => {
    const file = path.join(folder, 'empty');
    writeFileSync(file, '  \n \n');
    await expect(detectSource(file)).rejects.toMatchObject({ message: expect.stringMatching(/empty/) });
  });
});
