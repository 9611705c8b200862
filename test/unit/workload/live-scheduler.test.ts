import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LiveScheduler, type RankSchedule, type SchedulerEvent } from '../../../dist/workload/index.js';
import { arrive } from '../../support/live-events.js';
import { runs } from '../../support/property-runs.js';

const read = (tokens: number): SchedulerEvent => ({ kind: 'read', request: 0, tokens });

function brief({ scheduled }: RankSchedule): string[] {
  return scheduled.map(({ request, phase, start, queryLen }) => `${request} ${phase} ${start}+${queryLen}`);
}

describe('steps of a live scheduler', () => {
  it('go on until an event ends a request, whose row and blocks then go', () => {
    const scheduler = new LiveScheduler({ maxNumBatchedTokens: 8, blockSize: 4, numBlocks: 20, maxModelLen: 64 });
    expect(brief(scheduler.step([arrive(7, 10)]))).toEqual(['7 prefill 0+8']);
    expect(brief(scheduler.step())).toEqual(['7 prefill 8+2']);
    const third = scheduler.step([arrive(2, 3)]);
    expect(brief(third)).toEqual(['7 decode 10+1', '2 prefill 0+3']);
    expect(third.added).toEqual([{ request: 2, numComputedTokens: 0, blockIds: [4] }]);
    expect([scheduler.running, scheduler.waiting, scheduler.freeBlocks]).toEqual([[7, 2], [], 15]);
    expect(scheduler.blocksOf(7)).toEqual([1, 2, 3]);
    const fourth = scheduler.step([{ kind: 'finish', request: 7 }]);
    expect(fourth.removed).toEqual([7]);
    expect(brief(fourth)).toEqual(['2 decode 3+1']);
    expect([scheduler.blocksOf(7), scheduler.freeBlocks]).toEqual([[], 18]);
    expect(scheduler.stats).toMatchObject({ finished: 1, promptTokens: 13, generatedTokens: 3 });
    // The id is free again.
    expect(brief(scheduler.step([arrive(7, 1)]))).toEqual(['2 decode 4+1', '7 prefill 0+1']);
  });

  it('end a request with its first token, at its most tokens, and where it has no room left', () => {
    const scheduler = new LiveScheduler({ maxModelLen: 6 });
    scheduler.step([arrive(0, 4), arrive(1, 4, { maxTokens: 1 }), arrive(2, 4)]);
    const second = scheduler.step([{ kind: 'finish', request: 2 }]);
    expect(second.removed).toEqual([1, 2]);
    expect(brief(second)).toEqual(['0 decode 4+1']);
    expect(scheduler.step().removed).toEqual([0]);
    expect(scheduler.stats).toMatchObject({ finished: 3, generatedTokens: 4 });
  });

  it('cancel what waits, prefills or decodes, and count it as nothing finished', () => {
    const scheduler = new LiveScheduler({ maxNumBatchedTokens: 4, maxNumSeqs: 2, numBlocks: 10 });
    scheduler.step([arrive(0, 2), arrive(1, 9), arrive(2, 5), arrive(3, 5)]);
    expect([scheduler.running, scheduler.waiting]).toEqual([
      [0, 1],
      [2, 3],
    ]);
    const second = scheduler.step([2, 1].map((request) => ({ kind: 'cancel', request })));
    expect(second.removed).toEqual([1]);
    expect(brief(second)).toEqual(['0 decode 2+1', '3 prefill 0+3']);
    const third = scheduler.step([{ kind: 'cancel', request: 0 }]);
    expect([third.removed, brief(third)]).toEqual([[0], ['3 prefill 3+2']]);
    scheduler.step([{ kind: 'cancel', request: 3 }]);
    expect([scheduler.running, scheduler.waiting, scheduler.freeBlocks, scheduler.stats.finished]).toEqual([
      [],
      [],
      9,
      0,
    ]);
  });

  it('go on with a decode that is not read yet as if all of its drafts might be accepted, and learn a step later', () => {
    const scheduler = new LiveScheduler({ blockSize: 4, numBlocks: 20, queryLen: 3, maxModelLen: 64 });
    scheduler.step([arrive(0, 6, { maxTokens: 9 })]);
    expect(brief(scheduler.step())).toEqual(['0 decode 6+3']);
    const second = scheduler.step([{ kind: 'unread', request: 0 }]);
    expect(brief(second)).toEqual(['0 decode 7+3']);
    // Up to position 11, where the two drafts before are accepted.
    expect(scheduler.blocksOf(0)).toHaveLength(3);
    expect(brief(scheduler.step([read(3), { kind: 'unread', request: 0 }]))).toEqual(['0 decode 10+2']);
    expect(scheduler.stats.generatedTokens).toBe(5);
    // Of the 9 tokens 6 are there, and 2 may be; 1 of the open decode is for certain, and 1 may be.
    expect(brief(scheduler.step([read(2), { kind: 'unread', request: 0 }]))).toEqual(['0 decode 12+1']);
    expect(scheduler.step([read(2)]).removed).toEqual([0]);
    expect(scheduler.stats).toMatchObject({ finished: 1, generatedTokens: 9 });
    expect(scheduler.freeBlocks).toBe(19);
  });

  it('leave out a request whose drafts may be its last, until they are read', () => {
    for (const [tokens, next] of [
      [3, []],
      [1, ['0 decode 5+2']],
    ] as const) {
      const scheduler = new LiveScheduler({ blockSize: 4, numBlocks: 20, queryLen: 3, maxModelLen: 64 });
      scheduler.step([arrive(0, 4, { maxTokens: 4 })]);
      expect(brief(scheduler.step())).toEqual(['0 decode 4+3']);
      expect(brief(scheduler.step([{ kind: 'unread', request: 0 }]))).toEqual([]);
      const last = scheduler.step([{ kind: 'read', request: 0, tokens }]);
      expect(brief(last)).toEqual(next);
      expect(last.removed).toEqual(tokens === 3 ? [0] : []);
      expect(scheduler.running).toEqual(tokens === 3 ? [] : [0]);
    }
  });

  it('compute no more tokens of a request in a decode than it asks for', () => {
    const scheduler = new LiveScheduler({ blockSize: 4, numBlocks: 20, queryLen: 3, maxModelLen: 64 });
    scheduler.step([arrive(0, 4, { queryLen: 1 }), arrive(1, 4)]);
    expect(brief(scheduler.step())).toEqual(['0 decode 4+1', '1 decode 4+3']);
  });

  it('move a decode with drafts on by what it yields', () => {
    const scheduler = new LiveScheduler({ queryLen: 3 });
    scheduler.step([arrive(0, 5, { maxTokens: 7 })]);
    expect(brief(scheduler.step())).toEqual(['0 decode 5+3']);
    expect(brief(scheduler.step([{ kind: 'yield', request: 0, tokens: 3 }]))).toEqual(['0 decode 8+3']);
    expect(brief(scheduler.step([{ kind: 'yield', request: 0, tokens: 2 }]))).toEqual(['0 decode 10+1']);
    expect(scheduler.step().removed).toEqual([0]);
  });

  it('share the prefixes that are numbered alike', () => {
    const scheduler = new LiveScheduler({ blockSize: 4, numBlocks: 40 });
    scheduler.step([arrive(0, 10, { prefix: [11, 12, 13] })]);
    const { added } = scheduler.step([
      arrive(1, 12, { prefix: [11, 12, 14] }),
      arrive(2, 12, { prefix: [15, 12, 13] }),
    ]);
    expect(added.map(({ numComputedTokens }) => numComputedTokens)).toEqual([8, 0]);
    expect(added[0]?.blockIds.slice(0, 2)).toEqual(scheduler.blocksOf(0).slice(0, 2));
  });

  it('share what a prefix said when its request arrived', () => {
    const scheduler = new LiveScheduler({ blockSize: 4, numBlocks: 40, maxNumBatchedTokens: 4 });
    const prefix = [11, 12, 13];
    scheduler.step([arrive(0, 12, { prefix })]);
    prefix.fill(99);
    for (let step = 0; step < 3; step++) scheduler.step();
    const { added } = scheduler.step([{ kind: 'finish', request: 0 }, arrive(1, 12, { prefix: [11, 12, 14] })]);
    expect(added.map(({ numComputedTokens }) => numComputedTokens)).toEqual([8]);
  });

  it('take a number at another place of a prompt for another prefix', () => {
    const scheduler = new LiveScheduler({ blockSize: 4, tokensPerKey: 6, numBlocks: 20, maxModelLen: 64 });
    scheduler.step([arrive(0, 13, { prefix: [5, 5, 5] })]);
    // Of the 6 tokens of a number, one whole block ends in those at even places, and two in those at odd ones.
    const { added } = scheduler.step([arrive(1, 13, { prefix: [8, 5, 5] }), arrive(2, 13, { prefix: [5, 5, 8] })]);
    expect(added.map(({ numComputedTokens }) => numComputedTokens)).toEqual([0, 12]);
    const ended = [0, 1, 2].map((request) => ({ kind: 'cancel' as const, request }));
    scheduler.step(ended);
    expect(scheduler.freeBlocks).toBe(19);
  });

  it('keep no more room for a prefix than its prompts need, however many tokens a number stands for', () => {
    const before = process.memoryUsage().arrayBuffers;
    const scheduler = new LiveScheduler({ blockSize: 1, tokensPerKey: 2 ** 30, numBlocks: 40 });
    scheduler.step([arrive(0, 4, { prefix: [11] })]);
    const found = [arrive(1, 9, { prefix: [11] }), arrive(2, 14, { prefix: [11] })].map(
      (event) => scheduler.step([event]).added[0]?.numComputedTokens,
    );
    expect(found).toEqual([4, 9]);
    expect(scheduler.blocksOf(2).slice(0, 9)).toEqual(scheduler.blocksOf(1).slice(0, 9));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 24);
  });

  it('end, share no block but of equal numbers and lose none, whatever integers come as prefixes', () => {
    const prompts = fc.record({
      tokens: fc.integer({ min: 1, max: 40 }),
      numbers: fc.array(fc.nat(2), { minLength: 40 }),
    });
    fc.assert(
      fc.property(
        fc.array(fc.record({ prompt: prompts, maxTokens: fc.nat(6) }), { minLength: 2, maxLength: 25, size: 'max' }),
        fc.constantFrom(1, 3, 4, 6, 10),
        fc.integer({ min: 13, max: 40 }),
        fc.integer({ min: 3, max: 60 }),
        (requests, tokensPerKey, numBlocks, maxNumBatchedTokens) => {
          const blockSize = 4;
          const scheduler = new LiveScheduler({
            blockSize,
            tokensPerKey,
            numBlocks,
            maxNumBatchedTokens,
            maxModelLen: 46,
          });
          const prefixOf = ({ prompt: { tokens, numbers } }: (typeof requests)[number]): number[] =>
            numbers.slice(0, Math.ceil(tokens / tokensPerKey));
          for (
            let next = 0, step = 0;
            next < requests.length || scheduler.running.length + scheduler.waiting.length > 0;
            step++
          ) {
            expect(step).toBeLessThan(5000);
            const one = requests[next];
            const events: SchedulerEvent[] = [];
            if (one !== undefined && step % 2 === 0) {
              const { prompt, maxTokens } = one;
              events.push(arrive(next++, prompt.tokens, { maxTokens, prefix: prefixOf(one) }));
            }
            scheduler.step(events);
            const holders = new Map<number, [request: number, at: number]>();
            for (const request of scheduler.running) {
              for (const [at, block] of scheduler.blocksOf(request).entries()) {
                const [other, place] = holders.get(block) ?? [request, at];
                holders.set(block, [request, at]);
                expect(place).toBe(at);
                // The number of the last token in the block.
                const last = Math.floor((at * blockSize + blockSize - 1) / tokensPerKey);
                const numbers = [other, request].map((id) => prefixOf(requests[id] as (typeof requests)[number])[last]);
                expect(numbers[0]).toBe(numbers[1]);
              }
            }
          }
          scheduler.step();
          expect(scheduler.freeBlocks).toBe(numBlocks - 1);
        },
      ),
      runs(150),
    );
  });

  it.each<[string, object]>([
    ['is for a request that exists already', arrive(0, 3)],
    ['needs an id', arrive(-1, 3)],
    ['needs a prompt', arrive(1, 0)],
    ['needs a maxTokens', arrive(1, 1, { maxTokens: -1 })],
    ['has 70 + 6 tokens, more than maxModelLen 75', arrive(1, 70, { maxTokens: 6 })],
    ['more than maxModelLen 75 or 5 blocks', arrive(1, 81)],
    ['it must have 1', arrive(1, 5, { prefix: [] })],
    ['has null for a prefix', arrive(1, 5, { prefix: null })],
    ['not of safe integers', arrive(1, 5, { prefix: [0.5] })],
    ['for which the open step samples no token', { kind: 'finish', request: 1 }],
    ['not an outcome of a decode', { kind: 'yield', request: 0, tokens: 2 }],
    ['has no decode of several tokens', { kind: 'unread', request: 0 }],
    ['not an outcome of a decode that was not read', { kind: 'read', request: 0, tokens: 1 }],
    ['needs a queryLen of at least 1', arrive(9, 4, { queryLen: 0 })],
    ['is for an unknown request', { kind: 'cancel', request: 5 }],
    ['is not an event', { kind: 'abort', request: 0 }],
    ['null is not an event', null as unknown as object],
    ['7 is not an event', 7 as unknown as object],
  ])('refuse an event that %s, and all that came with it', (fault, event) => {
    const scheduler = new LiveScheduler({ maxModelLen: 75, numBlocks: 6 });
    scheduler.step([arrive(0, 3, { maxTokens: 9 })]);
    const events = [arrive(9, 1, { maxTokens: 1 }), event as SchedulerEvent];
    expect(() => scheduler.step(events)).toThrow(
      expect.objectContaining({ code: 'ERR_INPUT_INVALID', message: expect.stringContaining(fault) }),
    );
    expect(brief(scheduler.step([]))).toEqual(['0 decode 3+1']);
  });

  it.each<[string, SchedulerEvent[], SchedulerEvent[]]>([
    ['a decode that is read twice', [{ kind: 'unread', request: 0 }], [read(3), read(3)]],
    [
      'how many tokens a decode yields that is unread',
      [],
      [
        { kind: 'unread', request: 0 },
        { kind: 'yield', request: 0, tokens: 3 },
      ],
    ],
    [
      'that what a decode yields is unread',
      [],
      [
        { kind: 'yield', request: 0, tokens: 3 },
        { kind: 'unread', request: 0 },
      ],
    ],
    [
      'the end of a request beside an unread decode',
      [],
      [
        { kind: 'unread', request: 0 },
        { kind: 'finish', request: 0 },
      ],
    ],
  ])('refuse %s, and change nothing', (_what, before, events) => {
    const [scheduler, other] = [0, 1].map(() => {
      const made = new LiveScheduler({ blockSize: 4, numBlocks: 20, maxModelLen: 76, queryLen: 3 });
      for (const each of [
        [arrive(0, 9, { maxTokens: 30, prefix: [1, 2, 3] })],
        [],
        ...(before.length > 0 ? [before] : []),
      ])
        made.step(each);
      return made;
    });
    expect(() => scheduler.step(events)).toThrow(
      expect.objectContaining({
        code: 'ERR_INPUT_INVALID',
        message: expect.stringContaining('a decode has one outcome'),
      }),
    );
    expect(brief(scheduler.step())).toEqual(brief(other.step()));
    expect([scheduler.freeBlocks, scheduler.stats]).toEqual([other.freeBlocks, other.stats]);
  });

  it('take an unread decode as one token where nothing is read of it in time', () => {
    const scheduler = new LiveScheduler({ blockSize: 4, numBlocks: 20, queryLen: 3, maxModelLen: 64 });
    scheduler.step([arrive(0, 4, { maxTokens: 5 })]);
    scheduler.step();
    // Of 5 tokens 2 are there, and 2 may be.
    expect(brief(scheduler.step([{ kind: 'unread', request: 0 }]))).toEqual(['0 decode 5+1']);
    expect(brief(scheduler.step())).toEqual(['0 decode 6+2']);
    expect(() => scheduler.step([read(2)])).toThrow('is not an outcome of a decode that was not read yet');
  });

  it('compute no more tokens of a request than there are, however many it asks for', () => {
    const scheduler = new LiveScheduler({ blockSize: 4, numBlocks: 20, queryLen: 3, maxModelLen: 64 });
    scheduler.step([arrive(0, 4, { queryLen: 2 ** 32 })]);
    expect(brief(scheduler.step())).toEqual(['0 decode 4+3']);
  });

  it('refuse events that are no array', () => {
    const scheduler = new LiveScheduler();
    expect(() => scheduler.step(arrive(0, 3) as unknown as SchedulerEvent[])).toThrow(
      expect.objectContaining({ code: 'ERR_INPUT_INVALID', message: expect.stringContaining('must be an array') }),
    );
  });

  it('need limits that can be', () => {
    expect(() => new LiveScheduler({ numBlocks: 1, maxNumSeqs: 0, seed: 1 } as object)).toThrow(
      /no seed.*maxNumSeqs is 0.*numBlocks is 1/s,
    );
  });
});
